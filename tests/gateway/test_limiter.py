"""How many failed logins an address may have, and whose they are."""

import pytest

from app.gateway.limiter import LoginLimiter, client_address, network_of, parse_networks

ATTACKER = ("198.51.100.7", "demo", "CP1")


def exhausted(size: int = 10) -> LoginLimiter:
    limiter = LoginLimiter(size)
    for _ in range(size):
        limiter.failed(*ATTACKER, now=0.0)
    return limiter


def test_failures_within_the_limit_are_allowed() -> None:
    limiter = LoginLimiter(10)
    for _ in range(9):
        limiter.failed(*ATTACKER, now=0.0)
    assert limiter.retry_after_s(*ATTACKER, now=0.0) == 0.0


def test_the_limit_holds_for_all_identities_of_an_address() -> None:
    assert exhausted().retry_after_s("198.51.100.7", "other", "CP9", now=0.0) == pytest.approx(6.0)


def test_the_wait_that_was_told_is_long_enough() -> None:
    limiter = exhausted()
    assert limiter.retry_after_s(*ATTACKER, now=5.9) > 0.0
    assert limiter.retry_after_s(*ATTACKER, now=6.0) == 0.0


def test_another_address_is_not_held_up() -> None:
    assert exhausted().retry_after_s("198.51.100.8", "demo", "CP1", now=0.0) == 0.0


def test_a_charge_point_at_its_good_address_has_a_limit_of_its_own() -> None:
    limiter = LoginLimiter(10)
    limiter.succeeded(*ATTACKER)
    for _ in range(20):
        limiter.failed("198.51.100.7", "demo", "CP2", now=0.0)
    assert limiter.retry_after_s(*ATTACKER, now=0.0) == 0.0
    for _ in range(10):
        limiter.failed(*ATTACKER, now=0.0)
    assert limiter.retry_after_s(*ATTACKER, now=0.0) > 0.0


def test_overlapping_failures_do_not_lock_for_ever() -> None:
    limiter = LoginLimiter(10)
    for _ in range(100_000):
        limiter.failed(*ATTACKER, now=0.0)
    assert limiter.retry_after_s(*ATTACKER, now=0.0) <= 66.0


def test_a_light_failure_counts_less() -> None:
    limiter = LoginLimiter(10)
    for _ in range(80):
        limiter.failed(*ATTACKER, now=0.0, weight=0.1)
    assert limiter.retry_after_s(*ATTACKER, now=0.0) == 0.0


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
