"""How many failures a key may have, and how much is remembered of them."""

import pytest

from app.token_buckets import TokenBuckets

KEY = ("192.0.2.1",)


def exhausted(per_minute: int) -> TokenBuckets:
    limit = TokenBuckets(per_minute, most_keys=100)
    for _ in range(per_minute):
        assert limit.retry_after_s(KEY, 0.0) == 0.0
        limit.take(KEY, 0.0)
    return limit


def test_a_full_bucket_allows_as_many_failures_as_it_has_tokens() -> None:
    assert exhausted(3).retry_after_s(KEY, 0.0) == pytest.approx(20.0)


def test_one_more_is_allowed_after_the_wait_and_all_after_a_minute() -> None:
    limit = exhausted(3)
    assert limit.retry_after_s(KEY, 20.0) == 0.0
    limit.take(KEY, 20.0)
    assert limit.retry_after_s(KEY, 20.0) > 0.0
    for _ in range(3):
        assert limit.retry_after_s(KEY, 81.0) == 0.0
        limit.take(KEY, 81.0)
    assert limit.retry_after_s(KEY, 81.0) > 0.0


def test_keys_do_not_share_a_bucket() -> None:
    assert exhausted(1).retry_after_s(("192.0.2.1", "demo"), 0.0) == 0.0


def test_failures_that_overlap_do_not_lock_for_ever() -> None:
    limit = TokenBuckets(10, most_keys=100)
    for _ in range(100_000):
        limit.take(KEY, 0.0)
    assert limit.retry_after_s(KEY, 0.0) <= 66.0


def test_a_small_bucket_fills_up_sooner_and_remembers_little_debt() -> None:
    limit = TokenBuckets(60, most_keys=100, burst_s=5.0)
    limit.take(KEY, 0.0, 5.0)
    assert limit.retry_after_s(KEY, 0.0) == pytest.approx(1.0)
    assert limit.remaining(KEY, 3600.0) == 5.0
    limit.take(KEY, 3600.0, 1000.0)
    assert limit.retry_after_s(KEY, 3600.0) == pytest.approx(6.0)


def test_a_bucket_has_room_for_one_token() -> None:
    limit = TokenBuckets(6, most_keys=100, burst_s=1.0)
    assert limit.retry_after_s(KEY, 0.0) == 0.0
    limit.take(KEY, 0.0)
    assert limit.retry_after_s(KEY, 0.0) == pytest.approx(10.0)


def test_the_oldest_key_is_forgotten_first() -> None:
    limit = exhausted(1)
    for number in range(100):
        limit.take((f"address-{number}",), 0.0)
    assert len(limit) == 100
    assert limit.retry_after_s(KEY, 0.0) == 0.0
    assert limit.retry_after_s(("address-0",), 0.0) > 0.0


def test_what_rounding_takes_is_no_token() -> None:
    limit = TokenBuckets(2, most_keys=100)
    limit.take(KEY, 1000.1)
    limit.lower(KEY, 1000.1, 1.0 - 1e-12)
    assert limit.retry_after_s(KEY, 1000.1) == 0.0
    limit.lower(KEY, 1000.1, 0.9)
    assert limit.retry_after_s(KEY, 1000.1) == pytest.approx(3.0)
