"""The schedule that a charge point should follow, and where its own one differs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pytest

from app.database.text import json_text
from app.errors import InvalidInput
from app.smart_charging.drift import Departure, departures, read_reported
from app.smart_charging.expected_schedule import (
    ScheduleOptions,
    ScheduleRequest,
    draw_expected,
    expected_schedule,
)
from app.smart_charging.measured import measured_over_time
from app.smart_charging.overlays import Measured
from app.smart_charging.profile_ledger import Installed, LedgerView, PossibleState, ProfileLedger
from app.smart_charging.records import ConnectorTransaction
from app.transactions.stored_records import MeterValueRecord
from app.types import Json
from tests.support.protocol import OCPP16

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def profile(number: int, limit: float, purpose: str = "TxDefaultProfile", **more: Any) -> Json:
    schedule = {
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        **more.pop("schedule", {}),
    }
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **more,
    }


DAILY = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}


def on(connector: int | None, wanted: Json, **more: Any) -> Installed:
    return Installed(UUID(int=wanted["chargingProfileId"]), connector, wanted, **more)


def view(*states: PossibleState, overflow: bool = False, running: bool = False) -> LedgerView:
    anywhere = tuple(dict.fromkeys(item for state in states for item in state))
    transaction = ConnectorTransaction(501, 1, START, START, None, None)
    ledger = ProfileLedger(states, overflow, anywhere, frozenset(), (), frozenset(), ())
    return LedgerView(ledger, (transaction,) if running else ())


def request(unit: Literal["A", "W"] = "A", **more: Any) -> ScheduleRequest:
    fields: dict[str, Any] = {"assume_transaction": True, "duration_s": 3600, **more}
    connector_id, connectors = fields.pop("connector_id", 1), fields.pop("number_of_connectors", None)
    options = ScheduleOptions(unit=unit, **fields)
    return ScheduleRequest(OCPP16, connector_id, START, options, connectors)


def limits(schedule: Json) -> list[tuple[int, float | None]]:
    return [(row["startPeriod"], row["limit"]) for row in schedule["chargingSchedulePeriod"]]


def test_a_certain_ledger_is_laid_out_with_its_sources() -> None:
    found = expected_schedule(view((on(1, profile(7, 16)),)), request())
    assert limits(found) == [(0, 16)]
    assert found["chargingSchedulePeriod"][0]["source"]["chargingProfileId"] == 7


def test_nothing_installed_limits_nothing() -> None:
    assert limits(expected_schedule(view(()), request())) == [(0, None)]
    assert limits(expected_schedule(view(()), request(hardware_max=(("A", 32.0),)))) == [(0, 32)]


def test_without_certainty_the_highest_limit_counts_at_each_instant() -> None:
    later = {"startSchedule": "2026-03-02T10:30:00Z", "duration": 600}
    raised = profile(2, 32, stackLevel=1, schedule=later)
    old = (on(1, profile(1, 16)),)
    found = expected_schedule(view(old, (*old, on(1, raised)), (on(1, profile(3, 10)),)), request())
    assert limits(found) == [(0, 16), (1800, 32), (2400, 16)]
    sources = [row["source"]["chargingProfileId"] for row in found["chargingSchedulePeriod"]]
    assert sources == [1, 2, 1]


def test_several_states_that_change_too_often_are_refused() -> None:
    hours = [{"startPeriod": hour * 3600, "limit": 6 + hour} for hour in range(24)]
    states = [
        (on(1, {**profile(number, 0, schedule={"chargingSchedulePeriod": hours}), **DAILY}),)
        for number in range(1, 4)
    ]
    year = request(duration_s=366 * 86_400)
    assert len(limits(expected_schedule(view(*states[:2]), year))) == 366 * 24
    with pytest.raises(InvalidInput) as refusal:
        expected_schedule(view(*states), year)
    assert refusal.value.field == "duration"


def test_a_state_without_a_limit_is_the_weakest() -> None:
    assert limits(expected_schedule(view((on(1, profile(1, 16)),), ()), request())) == [(0, None)]


def test_the_wider_number_of_phases_counts() -> None:
    narrow = {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16, "numberPhases": 1}]}
    states = [(on(1, profile(1, 16, schedule=narrow)),), (on(1, profile(2, 10)),)]
    (row,) = expected_schedule(view(*states), request())["chargingSchedulePeriod"]
    assert row["limit"] == 16
    assert "numberPhases" not in row


def test_the_phases_of_a_lower_limit_count_too() -> None:
    def period(limit: float, phases: int) -> Json:
        return {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit, "numberPhases": phases}]}

    one, three = profile(1, 16, schedule=period(16, 1)), profile(2, 10, schedule=period(10, 3))
    found = expected_schedule(view((on(1, one),), (on(1, three),)), request())
    assert [(row["limit"], row["numberPhases"]) for row in found["chargingSchedulePeriod"]] == [(16, 3)]


def test_too_many_possible_states_count_as_not_limited() -> None:
    found = expected_schedule(view((), overflow=True), request(hardware_max=(("A", 32.0),)))
    assert limits(found) == [(0, 32)]


def test_a_profile_that_waits_for_its_transaction_does_not_limit_yet() -> None:
    waiting = on(None, profile(5, 6, "TxProfile"), waiting=True)
    assert limits(expected_schedule(view((waiting,)), request())) == [(0, None)]


def test_a_tx_profile_holds_for_its_transaction() -> None:
    item = on(1, profile(5, 6, "TxProfile", transactionId=501))
    assert limits(expected_schedule(view((item,), running=True), request())) == [(0, 6)]


def test_a_relative_profile_with_a_start_is_read_as_charge_points_do() -> None:
    item = on(1, {**profile(5, 6), "chargingProfileKind": "Relative"})
    assert limits(expected_schedule(view((item,)), request())) == [(0, 6)]


def test_a_profile_of_a_transaction_on_connector_0_is_on_no_connector() -> None:
    item = on(0, profile(5, 6, "TxProfile", transactionId=501))
    assert limits(expected_schedule(view((item,)), request())) == [(0, None)]


def test_a_limit_beyond_all_measure_is_cut() -> None:
    found = expected_schedule(view((on(1, profile(5, 1e30)),)), request())
    assert limits(found) == [(0, 1_000_000_000)]


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        (request("W", current_type="DC"), "currentType"),
        (request(connector_id=1000), "connector_id"),
        (request(hardware_max=(("A", 16.25),)), "hardwareMaxA"),
        (request(nominal_voltage=0), "nominalVoltage"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_by_parameter(asked: ScheduleRequest, parameter: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        expected_schedule(view((on(1, profile(1, 16)),)), asked)
    assert refusal.value.field == parameter


def test_a_refusal_of_the_picture_names_the_parameter() -> None:
    profiles = (on(1, profile(1, 16)),)
    late = replace(request(), start=datetime(9998, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidInput) as refusal:
        draw_expected(view(profiles), late, "CP-1, connector 1", [])
    assert refusal.value.field == "scheduleStart"


def test_the_picture_shows_every_profile_that_may_be_there() -> None:
    states = (on(1, profile(1, 16)),), (on(1, profile(2, 10, stackLevel=1)),)
    samples = [Measured(START + timedelta(minutes=5), 9.5)]
    text = draw_expected(view(*states), request(), "CP-1, connector 1", samples)
    assert text.startswith("<svg ")
    for shown in ("CP-1, connector 1", "measured"):
        assert shown in text


METER: list[tuple[Literal["A", "W"], list[Json], float | None]] = [
    ("W", [{"measurand": "Power.Active.Import", "value": "7.2", "unit": "kW"}], 7200.0),
    ("W", [{"measurand": "Power.Active.Import", "value": "10", "phase": f"L{n}"} for n in (1, 2, 3)], 30.0),
    ("A", [{"measurand": "Current.Import", "value": str(n), "phase": f"L{n}"} for n in (1, 3, 2)], 3.0),
    ("A", [{"measurand": "Current.Import", "value": "9", "phase": "N"}], None),
    ("A", [{"value": "18250"}], None),
    ("W", [{"measurand": "Power.Active.Import", "value": "NaN"}], None),
    ("W", [{"measurand": "Power.Active.Import", "value": "much"}], None),
    ("W", [{"measurand": "Power.Active.Import", "value": "10", "unit": "var"}], None),
]


@pytest.mark.parametrize(("unit", "samples", "amount"), METER)
def test_what_the_meter_said_is_read_in_the_unit_of_the_schedule(
    unit: Literal["A", "W"], samples: list[Json], amount: float | None
) -> None:
    row = MeterValueRecord(1, 1, 501, START, START, "periodic", json_text(samples), 0)
    expected = [] if amount is None else [Measured(START, amount, 501)]
    assert measured_over_time([row], unit) == expected


def ours(*rows: tuple[int, float | None]) -> Json:
    periods = [{"startPeriod": start, "limit": limit} for start, limit in rows]
    return {"duration": 3600, "chargingSchedulePeriod": periods}


def answer(*rows: tuple[int, float], **more: Any) -> Json:
    periods = [{"startPeriod": start, "limit": limit} for start, limit in rows]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, **more}
    return {"status": "Accepted", "scheduleStart": "2026-03-02T10:00:00.700Z", "chargingSchedule": schedule}


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("own", "theirs", "found"),
    [
        (ours((0, 16)), answer((0, 16.0)), []),
        (ours((0, 16)), answer((0, 16.04)), []),
        (ours((0, 16)), answer((0, 16), (10, 16)), []),
        (ours((0, None)), answer((0, -1)), []),
        (ours((0, 16)), answer((0, 10), (60, 16)), [Departure(at(0), at(60), 16, 10)]),
        (ours((0, 16), (60, 8)), answer((0, 16)), [Departure(at(60), at(3600), 8, 16)]),
        (ours((0, 16)), answer((0, 10), duration=60), [Departure(at(0), at(60), 16, 10)]),
        (ours((0, None)), answer((0, 32)), [Departure(at(0), at(3600), None, 32)]),
        (ours((0, 16)), answer((5, 16)), [Departure(at(0), at(5), 16, None)]),
        (ours((0, 16)), answer((-5, 10), (60, 16)), [Departure(at(0), at(60), 16, 10)]),
        (ours((0, 16)), answer((0, 10), duration=9000), [Departure(at(0), at(3600), 16, 10)]),
    ],
)
def test_departures_are_the_stretches_with_another_limit(
    own: Json, theirs: Json, found: list[Departure]
) -> None:
    reported = read_reported(theirs, START, 3600)
    assert reported is not None
    assert departures(own, reported) == found


def test_the_one_instant_is_compared_when_it_was_asked_for() -> None:
    reported = read_reported(answer((0, 32), duration=0), START, 0)
    assert reported is not None
    assert departures(ours((0, 16)), reported) == [Departure(at(0), at(1), 16, 32)]


@pytest.mark.parametrize(
    "said",
    [
        {"duration": 0},
        {"duration": -60},
        {"chargingRateUnit": "kW"},
        {"startSchedule": "9998-12-31T23:59:59Z"},
    ],
)
def test_what_says_nothing_is_not_compared(said: Json) -> None:
    result = answer((0, 16), **said)
    del result["scheduleStart"]
    assert read_reported(result, START, 3600) is None


def test_the_difference_is_what_it_takes_more() -> None:
    assert Departure(START, START, 8.0, 10.5).difference == 2.5
    assert Departure(START, START, None, 10.5).difference is None


def test_the_start_is_found_where_the_charge_point_put_it() -> None:
    text = "2026-03-02T10:00:00Z"
    inside = {"chargingSchedule": {**answer((0, 1))["chargingSchedule"], "startSchedule": text}}
    nowhere = {"chargingSchedule": answer((0, 1))["chargingSchedule"]}
    for result in (inside, nowhere):
        reported = read_reported(result, START, 60)
        assert reported is not None
        assert (reported.start, reported.duration_s) == (START, 60)
    assert read_reported({"status": "Accepted"}, START, 60) is None


def test_the_profile_that_limits_is_drawn_in_whichever_state_it_is() -> None:
    # One place: of a charge point that has both, the later one would have replaced the other.
    states = [(on(1, profile(1, 16)),), (on(1, profile(2, 10)),)]
    text = draw_expected(view(*states), request(), "CP-1, connector 1", [])
    assert 'class="default" x="190.0" y="334.0"' in text
    assert [number for number in (1, 2) if f">id {number}, connector 1" in text] == [1, 2]


def test_a_connector_has_one_row_whatever_the_states_are() -> None:
    states = [(on(1, profile(1, 16)),), (on(1, profile(2, 10)),)]
    text = draw_expected(view(*states), request(connector_id=0, number_of_connectors=2), "CP-1", [])
    assert text.count(">connector 1<") == 1
    assert text.count(">connector 2<") == 1


def test_a_warning_is_kept_when_states_are_joined() -> None:
    states = [(on(1, profile(1, 4)),), (on(1, profile(2, 2)),)]
    (row,) = expected_schedule(view(*states), request())["chargingSchedulePeriod"]
    assert (row["limit"], row["warning"]) == (4, "below_signalled_minimum")


def test_a_transaction_id_in_a_default_that_was_accepted_long_ago_is_ignored() -> None:
    found = expected_schedule(view((on(1, profile(1, 16, transactionId=7)),)), request())
    assert limits(found) == [(0, 16)]
