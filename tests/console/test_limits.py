"""Why a connector is slow: the limit and what it beat, what is drawn, and the charge point's own answer."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.clock import utc_text
from app.console.limits import ShownLimit, Verdict, in_force, limits_of, source_text, verdict
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.console.test_screens import report
from tests.support.api import NOW
from tests.support.console import ConsoleSite
from tests.support.scripted_commands import ScriptedCommands

OWN = {
    "kind": "profile",
    "chargingProfileId": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "stackLevel": 2,
    "connectorId": 1,
}


def limit(watts: float | None, kind: str = "profile", *, is_pause: bool = False) -> ShownLimit:
    return ShownLimit(NOW, NOW + timedelta(hours=1), watts, kind, "", [], 0, is_pause)


@pytest.mark.parametrize(
    ("limits", "drawn", "expected"),
    [
        (limit(7400), 7380, "limited"),
        (limit(7400), 7600, "limited"),
        (limit(7400), 3700, "below"),
        (limit(7400), 11_000, "above"),
        (limit(7400), None, "unknown"),
        (limit(None, "nothing"), 7400, "unlimited"),
        (None, 7400, "unlimited"),
        (limit(0, "idle"), None, "idle"),
        (limit(1000, is_pause=True), None, "paused"),
        (limit(1000, is_pause=True), 0, "paused"),
        (limit(3700, is_pause=True), 3690, "limited"),
        (limit(1000, is_pause=True), 7400, "above"),
    ],
)
def test_what_is_drawn_is_judged_by_the_limit(
    limits: ShownLimit | None, drawn: float | None, expected: Verdict
) -> None:
    assert verdict(limits, drawn) == expected


def test_a_change_of_the_source_is_an_interval_of_its_own() -> None:
    beaten = {**OWN, "stackLevel": 1, "limit": 3000.0, "reason": "lower_stack_level"}
    schedule = {
        "scheduleStart": utc_text(NOW),
        "duration": 3600,
        "chargingSchedulePeriod": [
            {
                "startPeriod": 0,
                "limit": 7400.0,
                "source": OWN,
                "beaten": [beaten],
                "beatenUnlisted": 4,
                "handovers": [{"startPeriod": 600, "source": {"kind": "hardware"}, "beaten": []}],
            },
            {"startPeriod": 1200, "limit": None, "source": {"kind": "nothing"}, "beaten": []},
        ],
    }
    first, second, third = limits_of(schedule)
    assert [(one.limit, one.by) for one in (second, third)] == [
        (7400.0, "what the hardware can give"),
        (None, "nothing that is known"),
    ]
    assert (first.end, second.end, third.end) == tuple(
        NOW + timedelta(seconds=seconds) for seconds in (600, 1200, 3600)
    )
    assert (first.by, first.unlisted) == ("TxDefaultProfile 3, stack level 2, for connector 1", 4)
    assert first.beaten[0].why == "a profile of a higher stack level is in force"
    assert in_force([first, second, third], NOW + timedelta(seconds=700)) is second
    assert in_force([first], NOW + timedelta(hours=2)) is None


def test_a_sum_and_a_profile_of_all_connectors_have_names() -> None:
    assert source_text({"kind": "connectors", "connectors": []}) == "the sum of its connectors"
    assert source_text({**OWN, "connectorId": 0}).endswith("for the whole charge point")


@pytest.fixture
async def limited(site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId) -> ChargePointId:
    """Let a charge point have two profiles, of 3.7 and 7.4 kW, and a car that draws 3.7 kW on connector 2."""
    for number, watts in ((1, 7400.0), (2, 3700.0)):
        profile = {
            "chargingProfileId": number,
            "stackLevel": number,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}],
            },
        }
        await site.api.command(
            operator,
            charge_point,
            action="SetChargingProfile",
            payload={"connectorId": 2, "csChargingProfiles": profile},
            state="accepted",
            result={"status": "Accepted"},
        )
    begin = NOW - timedelta(minutes=10)
    number = await site.api.transaction(
        operator,
        charge_point,
        connector_id=2,
        started_at=begin,
        started_received_at=begin,
        started_key=begin,
    )
    await site.api.meter_value(
        operator,
        charge_point,
        connector_id=2,
        transaction_id=number,
        sampled_at=NOW - timedelta(minutes=1),
        sampled_values=[{"measurand": "Power.Active.Import", "unit": "W", "value": "3690"}],
    )
    for connector, status in ((1, "Available"), (2, "Charging")):
        await report(site, operator, charge_point, connector, status)
    return charge_point


async def test_the_page_names_the_winner_and_what_it_beat(
    site: ConsoleSite, operator: TenantRecord, limited: ChargePointId
) -> None:
    visitor = await site.logged_in(operator, "viewer")
    page = (await visitor.get("/charge-points/RDAM-1/limits")).text
    for expected in (
        "Connector 2 now",
        "The limit holds it back",
        "TxDefaultProfile 2, stack level 2, for connector 2",
        "TxDefaultProfile 1, stack level 1, for connector 2: <strong>7.4 kW</strong>",
        "because a profile of a higher stack level is in force",
        "<strong>3.7 kW</strong>",
        "It was not asked",
    ):
        assert expected in page
    assert "Ask the charge point" not in page
    picture = await visitor.get("/charge-points/RDAM-1/limits/picture.svg?connector=2")
    assert picture.response.headers["content-type"] == "image/svg+xml"
    assert 'class="measured"' in picture.text


async def test_a_connector_that_nothing_limits_says_what_to_do(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    page = (await (await site.logged_in(operator)).get("/charge-points/RDAM-1/limits?unit=A&hours=12")).text
    assert "No charging profile is known" in page
    assert "no limit" in page


@pytest.mark.parametrize("query", ["hours=5", "unit=kW", "connector=0", "connector=x", "command=1"])
async def test_a_wrong_parameter_is_named(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId, query: str
) -> None:
    answer = await (await site.logged_in(operator)).get(f"/charge-points/RDAM-1/limits?{query}")
    assert (answer.status, query.partition("=")[0] in answer.text) == (422, True)


@pytest.mark.parametrize(("limit_w", "word"), [(3700.0, "agrees"), (11_000.0, "+7300.0 W")])
async def test_an_operator_asks_the_charge_point_and_sees_where_it_differs(
    site: ConsoleSite,
    operator: TenantRecord,
    limited: ChargePointId,
    scripted: ScriptedCommands,
    limit_w: float,
    word: str,
) -> None:
    stored = await site.api.command(operator, limited, **_columns(limit_w))
    scripted.outcome = stored
    visitor = await site.logged_in(operator, "operator")
    done = await visitor.submit("/charge-points/RDAM-1/limits?connector=2")
    assert (done.status, f"command={stored.id}" in done.location) == (303, True)
    [request] = scripted.requests
    assert request.payload_text == '{"connectorId":2,"duration":7200,"chargingRateUnit":"W"}'
    assert request.issued_by == "user:operator"
    path = done.location.removeprefix("/console").partition("#")[0]
    assert word in (await visitor.get(path)).text
    picture = await visitor.get(path.replace("/limits?", "/limits/picture.svg?"))
    assert 'class="reported"' in picture.text


def _columns(limit_w: float) -> dict[str, Any]:
    """Return the columns of an answered GetCompositeSchedule."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": "W",
        "duration": 7200,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_w}],
    }
    return {
        "action": "GetCompositeSchedule",
        "payload": {"connectorId": 2, "duration": 7200, "chargingRateUnit": "W"},
        "state": "accepted",
        "created_at": NOW,
        "sent_at": NOW,
        "finished_at": NOW,
        "result": {"status": "Accepted", "scheduleStart": utc_text(NOW), "chargingSchedule": schedule},
    }


async def test_an_answer_of_another_connector_or_none_is_not_compared(
    site: ConsoleSite, operator: TenantRecord, limited: ChargePointId
) -> None:
    stored = await site.api.command(operator, limited, **_columns(3700.0))
    late = await site.api.command(operator, limited, **{**_columns(1), "state": "timed_out", "result": None})
    visitor = await site.logged_in(operator)
    path = "/charge-points/RDAM-1/limits"
    assert (await visitor.get(f"{path}?connector=1&command={stored.id}")).status == 404
    assert (await visitor.get(f"{path}?connector=2&command={uuid4()}")).status == 404
    page = (await visitor.get(f"{path}?connector=2&command={late.id}")).text
    assert "is timed out" in page
    assert 'class="reported"' not in (await visitor.get(f"{path}/picture.svg?command={late.id}")).text
