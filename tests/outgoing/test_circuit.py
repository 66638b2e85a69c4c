"""The circuit breaker of an endpoint."""

from app.outgoing.circuit import Circuits, Endpoint
from app.types import TenantId

ONE, OTHER = Endpoint(TenantId(1), "https://a"), Endpoint(TenantId(2), "https://a")


def opened(now: float = 0.0) -> Circuits:
    circuits = Circuits()
    for _ in range(3):
        assert circuits.may_ask(ONE, now)
        circuits.failed(ONE, now)
    return circuits


def test_it_opens_after_three_failures_in_a_row() -> None:
    circuits = opened()
    assert not circuits.may_ask(ONE, 4.9)
    assert circuits.may_ask(OTHER, 0.0), "each tenant has its own"


def test_a_success_between_failures_keeps_it_closed() -> None:
    circuits = Circuits()
    for _ in range(10):
        circuits.failed(ONE, 0.0)
        circuits.failed(ONE, 0.0)
        circuits.succeeded(ONE)
    assert circuits.may_ask(ONE, 0.0)


def test_one_request_tries_and_the_others_wait() -> None:
    circuits = opened()
    assert circuits.may_ask(ONE, 5.0)
    assert not circuits.may_ask(ONE, 5.0)
    circuits.succeeded(ONE)
    assert circuits.may_ask(ONE, 5.0)
    assert circuits.may_ask(ONE, 5.0)


def test_the_pause_doubles_up_to_a_minute() -> None:
    circuits = opened()
    now, pauses = 5.0, []
    for _ in range(6):
        assert circuits.may_ask(ONE, now)
        circuits.failed(ONE, now)
        pause = next(s for s in range(1, 200) if circuits.may_ask(ONE, now + s))
        circuits.gave_up(ONE)
        pauses.append(pause)
        now += pause
    assert pauses == [10, 20, 40, 60, 60, 60]


def test_failures_of_requests_that_were_under_way_do_not_lengthen_the_pause() -> None:
    circuits = opened()
    for _ in range(20):
        circuits.failed(ONE, 4.0)
    assert circuits.may_ask(ONE, 5.0)


def test_a_request_that_gave_up_lets_another_one_try() -> None:
    circuits = opened()
    assert circuits.may_ask(ONE, 5.0)
    circuits.gave_up(ONE)
    assert circuits.may_ask(ONE, 5.0)


def test_the_oldest_failures_are_forgotten() -> None:
    circuits = opened()
    for number in range(10_000):
        circuits.failed(Endpoint(TenantId(9), f"https://{number}"), 0.0)
    assert circuits.may_ask(ONE, 0.0)
