"""The composite schedule of a connector over HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from app.commands.records import CommandRecord, CommandState
from app.configuration.store import ConfigurationStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.smart_charging.test_charging_profile_routes import PROFILE, SCHEDULE
from tests.support.api import NOW, Api
from tests.support.scripted_commands import ScriptedCommands

PATH = "/v1/charge-points/RDAM-1/connectors/1/composite-schedule"
ACCEPTED: dict[str, Any] = {"state": "accepted", "result": {"status": "Accepted"}, "finished_at": NOW}
QUERY = "?duration=3600"


@pytest.fixture
async def charge_point(api: Api, operator: TenantRecord) -> ChargePointId:
    made = await api.charge_point(operator)
    payload = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 1, **PROFILE}}
    await api.command(operator, made, action="SetChargingProfile", payload=payload, **ACCEPTED)
    return made


@pytest.fixture
async def asked(
    api: Api, operator: TenantRecord, charge_point: ChargePointId, scripted: ScriptedCommands
) -> CommandRecord:
    """The GetCompositeSchedule that the api will issue."""
    scripted.outcome = await api.command(operator, charge_point, action="GetCompositeSchedule")
    return scripted.outcome


def answered(limit: float) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {"status": "Accepted", "scheduleStart": "2026-05-04T08:15:30Z", "chargingSchedule": schedule}


async def test_it_is_laid_out_from_the_ledger_without_asking(
    api: Api, token: str, charge_point: ChargePointId, scripted: ScriptedCommands
) -> None:
    body = (await api.call("GET", PATH + QUERY, token)).json()
    assert (body["charge_point"], body["connector_id"], body["certain"]) == ("RDAM-1", 1, True)
    assert body["ours"]["scheduleStart"].startswith("2026-05-04T08:15:30")
    (row,) = body["ours"]["chargingSchedulePeriod"]
    assert (row["limit"], row["source"]["chargingProfileId"]) == (21.4, 1)
    assert (body["reported"], body["drift"]) == (None, None)
    assert scripted.issued == []


async def test_an_answer_that_is_missing_shows_the_highest_limit(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    schedule = {**SCHEDULE, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
    lowered = {"chargingProfileId": 1, **PROFILE, "chargingSchedule": schedule}
    payload = {"connectorId": 1, "csChargingProfiles": lowered}
    await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, state="timed_out")
    body = (await api.call("GET", PATH + QUERY, token)).json()
    assert body["certain"] is False
    assert [row["limit"] for row in body["ours"]["chargingSchedulePeriod"]] == [21.4]


@pytest.mark.parametrize(("limit", "agrees"), [(21.4, True), (32.0, False)])
async def test_the_charge_points_own_schedule_stands_beside_it(
    api: Api, token: str, scripted: ScriptedCommands, asked: CommandRecord, limit: float, agrees: bool
) -> None:
    scripted.final = replace(asked, state="accepted", result=answered(limit), sent_at=NOW)
    body = (await api.call("GET", f"{PATH}{QUERY}&ask=true&wait=5", token)).json()
    (issued,) = scripted.issued
    assert issued.payload_text == '{"connectorId":1,"duration":3600,"chargingRateUnit":"A"}'
    assert scripted.waited == [5]
    assert body["reported"]["status"] == "Accepted"
    assert body["drift"]["agrees"] is agrees
    assert [row["difference"] for row in body["drift"]["departures"]] == ([] if agrees else [10.6])


@pytest.mark.parametrize(
    ("state", "result", "status"),
    [
        ("rejected", {"status": "Rejected"}, "Rejected"),
        ("timed_out", None, None),
        ("offline", None, None),
        ("accepted", {"status": "Accepted"}, "Accepted"),
    ],
)
async def test_when_it_says_nothing_that_is_shown(
    api: Api,
    token: str,
    scripted: ScriptedCommands,
    asked: CommandRecord,
    state: CommandState,
    result: Any,
    status: str | None,
) -> None:
    scripted.final = replace(asked, state=state, result=result)
    body = (await api.call("GET", f"{PATH}?ask=true", token)).json()
    assert (body["reported"]["state"], body["reported"]["status"]) == (state, status)
    assert (body["reported"]["schedule"], body["drift"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (QUERY, {"chargingRateUnit": "kW"}),
        (QUERY, {"duration": 0}),
        (f"{QUERY}&currentType=DC&chargingRateUnit=A", {"chargingRateUnit": "W"}),
    ],
)
async def test_an_answer_that_cannot_be_compared_is_shown(
    api: Api, token: str, scripted: ScriptedCommands, asked: CommandRecord, query: str, said: dict[str, Any]
) -> None:
    result = answered(21.4)
    result["chargingSchedule"] |= said
    scripted.final = replace(asked, state="accepted", result=result, sent_at=NOW)
    response = await api.call("GET", f"{PATH}{query}&ask=true", token)
    assert response.status_code == 200, response.text
    assert response.json()["reported"]["schedule"] == result["chargingSchedule"]
    assert response.json()["drift"] is None


async def test_it_is_asked_in_the_unit_that_the_charge_point_takes(
    api: Api,
    operator: TenantRecord,
    token: str,
    scripted: ScriptedCommands,
    asked: CommandRecord,
    charge_point: ChargePointId,
) -> None:
    async with api.services.storage.database.tenant(operator.id) as work:
        key = "ChargingScheduleAllowedChargingRateUnit"
        await ConfigurationStore(work).put(charge_point, key, "Power", True, NOW)
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 14766.0}]}
    result = {"status": "Accepted", "scheduleStart": "2026-05-04T08:15:30Z", "chargingSchedule": schedule}
    scripted.final = replace(asked, state="accepted", result=result, sent_at=NOW)
    body = (await api.call("GET", f"{PATH}{QUERY}&ask=true", token)).json()
    (issued,) = scripted.issued
    assert issued.payload_text == '{"connectorId":1,"duration":3600,"chargingRateUnit":"W"}'
    assert body["ours"]["chargingRateUnit"] == "A"
    assert body["drift"] == {"agrees": True, "charging_rate_unit": "W", "departures": []}


async def test_a_difference_is_told_once_until_it_was_gone(
    api: Api, token: str, scripted: ScriptedCommands, asked: CommandRecord
) -> None:
    async def ask(limit: float) -> None:
        scripted.final = replace(asked, state="accepted", result=answered(limit), sent_at=NOW)
        await api.call("GET", f"{PATH}{QUERY}&ask=true&wait=5", token)

    for limit in (32.0, 32.0, 40.0, 21.4, 40.0):
        await ask(limit)
    while not await api.services.storage.sequencer.number():
        pass
    page = (await api.call("GET", "/v1/events?type=charging_profile.drifted", token)).json()
    assert [event["charge_point"] for event in page["items"]] == ["RDAM-1"] * 3
    told = [event["data"] for event in page["items"]]
    assert [data["departures"][0]["reported"] for data in told] == [32.0, 40.0, 40.0]
    start, end = "2026-05-04T08:15:30.000Z", "2026-05-04T09:15:30.000Z"
    assert told[0] == {
        "connector_id": 1,
        "command_id": str(asked.id),
        "charging_rate_unit": "A",
        "departures": [{"start": start, "end": end, "ours": 21.4, "reported": 32.0}],
    }


async def test_asking_needs_the_scope_of_commands(
    api: Api, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    reader = await api.key(operator, "read")
    assert (await api.call("GET", PATH, reader)).status_code == 200
    assert (await api.call("GET", f"{PATH}?ask=true", reader)).status_code == 403


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("duration=-1", "duration"),
        ("duration=1e3", "duration"),
        ("duration=99999999999", "duration"),
        ("chargingRateUnit=kW", "chargingRateUnit"),
        ("scheduleStart=tomorrow", "scheduleStart"),
        ("hardwareMaxA=NaN", "hardwareMaxA"),
        ("hardwareMaxA=-1", "hardwareMaxA"),
        ("hardwareMaxA=21.40000000000000000001", "hardwareMaxA"),
        ("hardwareMaxW=1e3", "hardwareMaxW"),
        ("chargingRateUnit=W&currentType=DC", "currentType"),
        ("scheduleStart=9998-12-31T23:59:59Z", "scheduleStart"),
        ("nominalVoltage=0", "nominalVoltage"),
        ("ask=maybe", "ask"),
        ("hurry=1", "hurry"),
    ],
)
async def test_bad_parameters_are_named(
    api: Api, token: str, charge_point: ChargePointId, query: str, parameter: str
) -> None:
    response = await api.call("GET", f"{PATH}?{query}", token)
    assert response.status_code == 422, response.text
    assert parameter in [error["parameter"] for error in response.json()["errors"]]


async def test_a_connector_that_none_has_is_named(api: Api, token: str, charge_point: ChargePointId) -> None:
    path = PATH.replace("connectors/1", "connectors/101")
    for schedule in (path, f"{path}.svg"):
        response = await api.call("GET", schedule, token)
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert (error["parameter"], "pointer" in error) == ("connector_id", False)


async def test_the_picture_is_drawn_with_what_the_meter_said(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    sampled = [{"measurand": "Current.Import", "value": "12.5", "unit": "A"}]
    await api.meter_value(operator, charge_point, sampled_values=sampled)
    response = await api.call("GET", f"{PATH}.svg?duration=3600&scheduleStart=2026-05-04T08:00:00Z", token)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert "RDAM-1, connector 1" in response.text
    assert "measured" in response.text
