"""How many failed logins an address may have, and whose they are."""

import pytest

from app.gateway.limiter import LoginLimiter, Pair, client_address, network_of, parse_networks
from app.live.shared_buckets import Bucket

ATTACKER = Pair("198.51.100.7", "demo", "CP1")
NEIGHBOUR = Pair("198.51.100.7", "demo", "CP9")
ELSEWHERE = Pair("198.51.100.8", "demo", "CP1")


def exhausted(size: int = 10, pair: Pair = ATTACKER) -> LoginLimiter:
    limiter = LoginLimiter(size)
    for _ in range(size):
        limiter.failed(pair, now=0.0, guessed=True)
    return limiter


def test_failures_within_the_limit_are_allowed() -> None:
    limiter = LoginLimiter(10)
    for _ in range(9):
        limiter.failed(ATTACKER, now=0.0, guessed=True)
    assert limiter.retry_after_s(ATTACKER, now=0.0) == 0.0


def test_a_wrong_password_costs_its_address_and_its_identity() -> None:
    limiter = exhausted()
    assert limiter.retry_after_s(NEIGHBOUR, now=0.0) == pytest.approx(6.0)
    assert limiter.retry_after_s(ELSEWHERE, now=0.0) == pytest.approx(6.0)
    assert limiter.retry_after_s(Pair("198.51.100.8", "demo", "CP2"), now=0.0) == 0.0
    assert limiter.retry_after_s(Pair("198.51.100.8", "other", "CP1"), now=0.0) == 0.0


def test_the_wait_that_was_told_is_long_enough() -> None:
    limiter = exhausted()
    assert limiter.retry_after_s(ATTACKER, now=5.9) > 0.0
    assert limiter.retry_after_s(ATTACKER, now=6.0) == 0.0


def test_a_charge_point_at_its_good_address_has_a_limit_of_its_own() -> None:
    limiter = LoginLimiter(10)
    limiter.succeeded(ATTACKER)
    for pair in (NEIGHBOUR, ELSEWHERE):
        for _ in range(20):
            limiter.failed(pair, now=0.0, guessed=True)
    assert limiter.retry_after_s(ATTACKER, now=0.0) == 0.0
    for _ in range(10):
        limiter.failed(ATTACKER, now=0.0, guessed=True)
    assert limiter.retry_after_s(ATTACKER, now=0.0) > 0.0


def test_pairs_that_were_good_are_judged_first_and_then_those_whose_address_has_done_nothing() -> None:
    limiter = LoginLimiter(10)
    limiter.succeeded(NEIGHBOUR)
    for _ in range(20):
        limiter.failed(ATTACKER, now=0.0, guessed=True)
    assert [limiter.rank(pair, now=0.0) for pair in (NEIGHBOUR, ELSEWHERE, ATTACKER)] == [0, 1, 2]


def test_overlapping_failures_do_not_lock_for_ever() -> None:
    limiter = LoginLimiter(10)
    for _ in range(100_000):
        limiter.failed(ATTACKER, now=0.0, guessed=True)
    assert limiter.retry_after_s(ATTACKER, now=0.0) <= 66.0


def test_a_missing_credential_costs_the_address_little_and_the_identity_nothing() -> None:
    limiter = LoginLimiter(10)
    for _ in range(80):
        limiter.failed(ATTACKER, now=0.0, guessed=False)
    assert limiter.retry_after_s(ATTACKER, now=0.0) == 0.0
    for _ in range(40):
        limiter.failed(ATTACKER, now=0.0, guessed=False)
    assert limiter.retry_after_s(ATTACKER, now=0.0) > 0.0
    assert limiter.retry_after_s(ELSEWHERE, now=0.0) == 0.0


def test_what_other_workers_have_taken_counts() -> None:
    limiter = LoginLimiter(10)
    takes = limiter.failed(ATTACKER, now=0.0, guessed=True)
    assert takes == (Bucket(("logins", "198.51.100.7"), 10), Bucket(("logins", "demo", "CP1"), 10))
    limiter.learn(takes, [-3.0, 9.5], now=0.0)
    assert limiter.retry_after_s(NEIGHBOUR, now=0.0) == pytest.approx(24.0)
    # A bucket that is fuller there stays as it is here.
    limiter.learn(takes, [5.0, 9.5], now=0.0)
    assert limiter.retry_after_s(NEIGHBOUR, now=0.0) == pytest.approx(24.0)
    assert limiter.retry_after_s(ELSEWHERE, now=0.0) == 0.0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_address_stands_for_its_subscriber(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.5", "192.0.2.1", "203.0.113.5"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "1.1.1.1, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, 10.0.0.9", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
        ("", "192.0.2.1", ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded_for: str | None, expected: str) -> None:
    assert client_address(peer, forwarded_for, parse_networks(["10.0.0.0/8"])) == expected
