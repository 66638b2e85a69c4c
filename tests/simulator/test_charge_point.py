"""The course of a virtual charge point in virtual time, against a central system that answers at once."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from app.clock import parse_time, utc_text
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.outbox import Request
from app.simulator.persona import UNKNOWN_TAG, make_fleet

Json = dict[str, Any]
ORIGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
DAY_S = 86_400.0


@dataclass
class InstantCentral:
    """Answers each request in no time, and keeps what it saw. `refuse` names actions that get a CALLERROR."""

    charge_point: VirtualChargePoint
    registration: str = "Accepted"
    refuse: set[str] = field(default_factory=set)
    seen: list[tuple[str, str, Json]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    next_transaction_id: int = 1

    def run_until(self, end_s: float) -> None:
        """Step from event to event, as the shell does."""
        while True:
            self._connect()
            self._drain()
            next_s = self.charge_point.next_s
            if next_s is None or next_s > end_s:
                self.charge_point.advance(end_s)
                self._drain()
                return
            self.charge_point.advance(next_s)

    def _connect(self) -> None:
        charge_point = self.charge_point
        if charge_point.wants_connection and not charge_point.online:
            charge_point.connected()
        elif not charge_point.wants_connection and charge_point.online:
            charge_point.disconnected()

    def _drain(self) -> None:
        while (request := self.charge_point.take_request()) is not None:
            self.seen.append((request.message_id, request.action, request.payload_to_send()))
            self.requests.append(request)
            if request.action in self.refuse:
                self.charge_point.failed(request)
            else:
                self.charge_point.answered(request, self._answer(request))

    def _answer(self, request: Request) -> Json:
        match request.action:
            case "BootNotification":
                return {"status": self.registration, "interval": 300, "currentTime": "2026-03-01T06:00:00Z"}
            case "Authorize":
                known = request.payload["idTag"] != UNKNOWN_TAG
                return {"idTagInfo": {"status": "Accepted" if known else "Invalid"}}
            case "StartTransaction":
                self.next_transaction_id += 1
                return {"transactionId": self.next_transaction_id, "idTagInfo": {"status": "Accepted"}}
            case _:
                return {}

    def of(self, *actions: str) -> list[Json]:
        return [payload for _, action, payload in self.seen if action in actions]


def central(number: int = 1, *, seed: str = "tests", **options: Any) -> InstantCentral:
    persona = make_fleet(number, seed)[-1]
    return InstantCentral(VirtualChargePoint(persona, ORIGIN), **options)


@pytest.fixture(params=range(1, 9))
def day(request: pytest.FixtureRequest) -> InstantCentral:
    """One day of one of eight personas."""
    system = central(request.param)
    system.run_until(DAY_S)
    return system


def test_the_same_seed_gives_the_same_messages() -> None:
    first, second = central(3), central(3)
    first.run_until(DAY_S)
    second.run_until(DAY_S)
    assert first.seen == second.seen
    assert len(first.seen) > 100


def test_another_seed_gives_other_messages() -> None:
    first, second = central(3), central(3, seed="other")
    first.run_until(DAY_S)
    second.run_until(DAY_S)
    assert first.seen != second.seen


def test_a_late_look_at_the_clock_changes_no_timestamp() -> None:
    fine, coarse = central(2), central(2)
    fine.run_until(DAY_S)
    coarse.charge_point.advance(0.0)
    for hour in range(1, 25):
        coarse.run_until(hour * 3600.0)
    assert fine.seen == coarse.seen


def test_the_register_never_falls(day: InstantCentral) -> None:
    last: dict[int, int] = {}
    for request in day.requests:
        transaction = request.transaction
        if transaction is None:
            continue
        for reading in _registers(request):
            assert reading >= last.get(transaction.connector_id, 0)
            last[transaction.connector_id] = reading
    assert last


def _registers(request: Request) -> list[int]:
    payload = request.payload
    if request.action == "MeterValues":
        return [int(row["sampledValue"][0]["value"]) for row in payload["meterValue"]]
    return [payload["meterStart"] if request.action == "StartTransaction" else payload["meterStop"]]


def test_each_transaction_runs_from_start_through_readings_to_stop(day: InstantCentral) -> None:
    courses: dict[int, list[str]] = {}
    for request in day.requests:
        if request.transaction is not None:
            courses.setdefault(id(request.transaction), []).append(request.action)
    assert courses
    for course in courses.values():
        assert course[0] == "StartTransaction"
        assert set(course[1:-1]) <= {"MeterValues"}
        assert course[-1] in ("StopTransaction", "MeterValues", "StartTransaction")


@pytest.mark.parametrize("number", range(1, 9))
def test_a_visit_reports_its_states_in_the_order_of_the_standard(number: int) -> None:
    allowed = {
        ("Available", "Preparing"),
        ("Preparing", "Charging"),
        ("Preparing", "Available"),
        ("Charging", "SuspendedEV"),
        ("Charging", "Finishing"),
        ("SuspendedEV", "Finishing"),
        ("Finishing", "Available"),
    }
    persona = make_fleet(number, "tests")[-1]
    system = InstantCentral(VirtualChargePoint(persona, ORIGIN, goes_offline=False))
    system.run_until(DAY_S)
    for connector_id in range(1, persona.connectors + 1):
        states = [
            row["status"] for row in system.of("StatusNotification") if row["connectorId"] == connector_id
        ]
        assert set(itertools.pairwise(states)) <= allowed
        assert "Charging" in states


def test_times_of_transaction_messages_rise_even_when_they_were_replayed(day: InstantCentral) -> None:
    times = []
    for payload in day.of("StartTransaction", "StopTransaction", "MeterValues"):
        text = payload["timestamp"] if "timestamp" in payload else payload["meterValue"][0]["timestamp"]
        times.append(parse_time(text))
    assert all(time is not None for time in times)
    assert times == sorted(time for time in times if time is not None)


def test_boot_goes_out_once_and_not_on_reconnect(day: InstantCentral) -> None:
    assert len(day.of("BootNotification")) == 1
    assert day.seen[0][1] == "BootNotification"


def test_only_boot_notification_leaves_while_pending() -> None:
    system = central(registration="Pending")
    system.run_until(3600.0)
    assert {action for _, action, _ in system.seen} == {"BootNotification"}
    assert len(system.seen) == 13
    system.registration = "Accepted"
    system.run_until(DAY_S)
    assert system.of("StartTransaction")


def test_what_happened_offline_is_replayed_in_order_with_its_own_times() -> None:
    system = central(4)
    charge_point = system.charge_point
    system.run_until(60.0)
    seen_before = len(system.seen)
    charge_point.wants_connection = False
    charge_point.disconnected()
    charge_point.advance(4 * 3600.0)
    queued = list(charge_point.outbox.transactional)
    assert {row.action for row in queued} >= {"StartTransaction", "MeterValues", "StopTransaction"}
    charge_point.wants_connection = True
    system.run_until(4 * 3600.0)
    replayed = [row for row in system.requests[seen_before:] if row.record is not None]
    assert replayed[: len(queued)] == queued
    assert [row.record for row in replayed] == sorted(row.record or 0 for row in replayed)
    started_s = replayed[0].transaction.started_s if replayed[0].transaction else -1.0
    assert replayed[0].payload["timestamp"] == utc_text(charge_point.agenda.time(started_s))
    assert started_s < charge_point.agenda.now_s - 3600.0
    assert all(row.payload_to_send().get("transactionId") != -1 for row in replayed)


def test_a_refused_start_is_repeated_and_holds_back_what_follows() -> None:
    system = central(4, refuse={"StartTransaction"})
    system.run_until(3 * 3600.0)
    started = [row for row in system.requests if row.action == "StartTransaction"]
    assert started[0].attempts >= 10
    assert started[0] is started[9]
    first_after = next(row for row in system.requests if row.record == 2)
    assert system.requests.index(first_after) > system.requests.index(started[0])


def test_a_start_that_was_given_up_leaves_transaction_id_minus_one() -> None:
    system = central(4, refuse={"StartTransaction"})
    system.charge_point.configuration.change("TransactionMessageAttempts", "2")
    system.charge_point.configuration.change("TransactionMessageRetryInterval", "1")
    system.run_until(6 * 3600.0)
    stops = system.of("StopTransaction")
    assert stops
    assert {payload["transactionId"] for payload in stops} == {-1}
    assert system.charge_point.outbox.discarded >= len(stops)


def test_a_lost_answer_is_no_failed_attempt_and_the_message_goes_out_again() -> None:
    system = central(4)
    charge_point = system.charge_point
    system.run_until(60.0)
    charge_point.disconnected()
    charge_point.advance(4 * 3600.0)
    charge_point.connected()
    first = _take_record(charge_point)
    charge_point.disconnected()
    charge_point.connected()
    again = _take_record(charge_point)
    assert again is first
    assert again.attempts == 0


def _take_record(charge_point: VirtualChargePoint) -> Request:
    while (request := charge_point.take_request()) is not None:
        if request.record is not None:
            return request
        charge_point.answered(request, {})
    raise AssertionError("no transaction message was queued")


@pytest.mark.parametrize("number", range(1, 9))
def test_a_repeat_carries_the_same_or_a_new_message_id_as_the_persona_does(number: int) -> None:
    system = central(number, refuse={"StartTransaction"})
    system.run_until(6 * 3600.0)
    first = next(row for row in system.requests if row.action == "StartTransaction")
    ids = [
        message_id
        for (message_id, _, _), row in zip(system.seen, system.requests, strict=True)
        if row is first
    ]
    assert len(ids) > 1
    assert len(set(ids)) == (1 if system.charge_point.persona.repeats_message_id else len(ids))


def test_a_tag_that_the_answer_to_start_refuses_ends_the_transaction() -> None:
    system = central(1)
    original = system._answer

    def refuse(request: Request) -> Json:
        answer = original(request)
        if request.action == "StartTransaction":
            answer["idTagInfo"] = {"status": "Blocked"}
        return answer

    system._answer = refuse  # type: ignore[method-assign]
    system.run_until(DAY_S / 2)
    assert {payload["reason"] for payload in system.of("StopTransaction")} == {"DeAuthorized"}


def test_finishing_closes_every_transaction() -> None:
    system = central(1)
    system.run_until(DAY_S / 3)
    system.charge_point.finish()
    system.run_until(DAY_S / 3 + 60)
    assert system.charge_point.idle
    assert system.charge_point.charging == 0
    assert len(system.of("StartTransaction")) == len(system.of("StopTransaction"))
    assert system.charge_point.transactions_stopped == system.charge_point.transactions_started
