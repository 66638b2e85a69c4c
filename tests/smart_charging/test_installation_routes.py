"""Installing stored profiles over HTTP: what is sent, what is refused before, and what the ledger shows."""

from typing import Any

import orjson
import pytest

from app.commands.records import CommandRecord
from app.configuration.store import ConfigurationStore
from app.smart_charging.store import ChargingProfileStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.smart_charging.test_charging_profile_routes import CALENDAR, PROFILE, RULE, SCHEDULE
from tests.support.api import NOW, Api
from tests.support.scripted_commands import ScriptedCommands

POINT = "/v1/charge-points/RDAM-1"
START = f"{POINT}/commands/RemoteStartTransaction"
INSTALL = f"{POINT}/connectors/1/charging-profiles"
ACCEPTED = {"state": "accepted", "result": {"status": "Accepted"}, "finished_at": NOW}
IN_WATTS = {
    **PROFILE,
    "chargingSchedule": {
        **SCHEDULE,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 11_000.0},
            {"startPeriod": 60, "limit": 3680.0, "numberPhases": 1},
        ],
    },
}


async def store(api: Api, operator: TenantRecord, **forms: Any) -> int:
    async with api.services.storage.database.tenant(operator.id) as work:
        return (await ChargingProfileStore(work).create("A profile", **forms)).id


async def report(api: Api, operator: TenantRecord, charge_point: int, **keys: str) -> None:
    async with api.services.storage.database.tenant(operator.id) as work:
        for key, value in keys.items():
            await ConfigurationStore(work).put(charge_point, key, value, True, NOW)


def stored_calendar(**changes: Any) -> dict[str, Any]:
    rules = changes.pop("rules", [{**RULE, "number_phases": None}])
    defaults = {"charging_profile_purpose": "TxDefaultProfile", "stack_level": 0, "number_phases": None}
    return {**CALENDAR, **defaults, "rules": rules, **changes}


def sent(scripted: ScriptedCommands) -> list[tuple[str, Any]]:
    return [(issued.action, orjson.loads(issued.payload_text)) for issued in scripted.issued]


async def refusal(api: Api, token: str, path: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    response = await api.call("POST", path, token, json=body)
    assert response.status_code == 422, response.text
    return [(error["code"], error["pointer"]) for error in response.json()["errors"]]


async def test_an_installation_sends_the_profile_under_its_id(
    api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    headers = {"Idempotency-Key": "k-1"}
    body = {"charging_profile_id": number}
    response = await api.call("POST", f"{INSTALL}?timeout_s=9", token, json=body, headers=headers)
    assert response.status_code == 202
    assert [command["id"] for command in response.json()["commands"]] == [str(queued.id)]
    wanted = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": number, **PROFILE}}
    assert sent(scripted) == [("SetChargingProfile", wanted)]
    assert scripted.issued[0].options["idempotency_key"] == "k-1"
    assert scripted.issued[0].options["timeout_s"] == 9


async def test_a_calendar_with_gaps_sends_each_of_its_profiles(
    api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    rules = [{**RULE, "days": ["Mon", "Tue"], "number_phases": None}]
    number = await store(api, operator, calendar=stored_calendar(rules=rules))
    headers = {"Idempotency-Key": "k-2"}
    response = await api.call("POST", INSTALL, token, json={"charging_profile_id": number}, headers=headers)
    assert response.status_code == 202
    profiles = [payload["csChargingProfiles"] for _, payload in sent(scripted)]
    assert [profile["chargingProfileId"] for profile in profiles] == [number, number + 1]
    keys = [issued.options["idempotency_key"] for issued in scripted.issued]
    assert keys == ["k-2", "k-2:1"]


async def test_profiles_that_a_calendar_needs_no_more_are_cleared_first(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
) -> None:
    number = await store(api, operator, calendar=stored_calendar())
    left_over = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": number + 1, **PROFILE}}
    await api.command(operator, charge_point, action="SetChargingProfile", payload=left_over, **ACCEPTED)
    response = await api.call("POST", INSTALL, token, json={"charging_profile_id": number})
    assert response.status_code == 202
    assert sent(scripted)[0] == ("ClearChargingProfile", {"id": number + 1})
    assert [action for action, _ in sent(scripted)] == ["ClearChargingProfile", "SetChargingProfile"]


async def test_a_tx_profile_carries_the_running_transaction(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
) -> None:
    number = await store(api, operator, charging_profile={**PROFILE, "chargingProfilePurpose": "TxProfile"})
    found = await refusal(api, token, INSTALL, {"charging_profile_id": number})
    assert found == [("tx_profile_needs_transaction", "/csChargingProfiles/transactionId")]
    await api.transaction(operator, charge_point, stopped_received_at=NOW)
    await api.transaction(operator, charge_point, connector_id=2)
    assert await refusal(api, token, INSTALL, {"charging_profile_id": number}) == found
    # Its stop was lost, but another one has run on the connector since.
    await api.transaction(operator, charge_point, connector_id=3)
    await api.transaction(operator, charge_point, connector_id=3, stopped_received_at=NOW)
    other_connector = INSTALL.replace("connectors/1", "connectors/3")
    assert await refusal(api, token, other_connector, {"charging_profile_id": number}) == found
    running = await api.transaction(operator, charge_point)
    response = await api.call("POST", INSTALL, token, json={"charging_profile_id": number})
    assert response.status_code == 202
    ((_, payload),) = sent(scripted)
    assert payload["csChargingProfiles"]["transactionId"] == running


@pytest.mark.parametrize(
    ("keys", "changes", "code", "pointer"),
    [
        ({"ChargeProfileMaxStackLevel": "0"}, {}, "stack_level_too_high", "/stackLevel"),
        (
            {"ChargingScheduleMaxPeriods": "1"},
            {},
            "too_many_periods",
            "/chargingSchedule/chargingSchedulePeriod",
        ),
        ({"MaxChargingProfilesInstalled": "0"}, {}, "too_many_profiles", ""),
        (
            {"ChargingScheduleAllowedChargingRateUnit": "Power"},
            {},
            "unit_not_allowed",
            "/chargingSchedule/chargingRateUnit",
        ),
        (
            {"chargingscheduleallowedchargingrateunit": "W"},
            {},
            "unit_not_allowed",
            "/chargingSchedule/chargingRateUnit",
        ),
        (
            {"ChargingScheduleAllowedChargingRateUnit": "Power"},
            {"conversion": {"supply": "DC"}},
            "unit_not_allowed",
            "/chargingSchedule/chargingRateUnit",
        ),
    ],
)
async def test_what_the_charge_point_cannot_take_is_refused_by_rule(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    keys: dict[str, str],
    changes: dict[str, Any],
    code: str,
    pointer: str,
) -> None:
    await report(api, operator, charge_point, **keys)
    number = await store(api, operator, charging_profile=PROFILE)
    found = await refusal(api, token, INSTALL, {"charging_profile_id": number, **changes})
    assert found == [(code, f"/csChargingProfiles{pointer}")]
    assert scripted.issued == []


@pytest.mark.parametrize(
    "keys",
    [
        {"ChargeProfileMaxStackLevel": "1", "ChargingScheduleMaxPeriods": "2"},
        {"MaxChargingProfilesInstalled": "1"},
        {"ChargingScheduleAllowedChargingRateUnit": "Current,Power"},
        {"ChargingScheduleAllowedChargingRateUnit": "A, W"},
        {"ChargingScheduleAllowedChargingRateUnit": "kilowatts", "ChargeProfileMaxStackLevel": "many"},
    ],
)
async def test_what_it_can_take_goes_out(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    queued: CommandRecord,
    keys: dict[str, str],
) -> None:
    await report(api, operator, charge_point, **keys)
    number = await store(api, operator, charging_profile=PROFILE)
    response = await api.call("POST", INSTALL, token, json={"charging_profile_id": number})
    assert response.status_code == 202, response.text


async def test_a_full_charge_point_takes_a_profile_in_the_place_of_another(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId, queued: CommandRecord
) -> None:
    await report(api, operator, charge_point, MaxChargingProfilesInstalled="1")
    first, second = [await store(api, operator, charging_profile=PROFILE) for _ in range(2)]
    payload = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": first, **PROFILE}}
    await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **ACCEPTED)
    same_place = await api.call("POST", INSTALL, token, json={"charging_profile_id": second})
    assert same_place.status_code == 202
    other_place = INSTALL.replace("connectors/1", "connectors/2")
    found = await refusal(api, token, other_place, {"charging_profile_id": second})
    assert found == [("too_many_profiles", "/csChargingProfiles")]


@pytest.mark.parametrize(
    ("profile", "unit", "limits"),
    [
        (PROFILE, "Power", [11_040.0, 14_766.0]),
        # 11000 / 690 = 15.94 and 3680 / 230 = 16, of one phase; rounded down.
        (IN_WATTS, "Current", [15.9, 16.0]),
    ],
)
async def test_units_are_converted_where_that_is_asked_for(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
    profile: dict[str, Any],
    unit: str,
    limits: list[float],
) -> None:
    await report(api, operator, charge_point, ChargingScheduleAllowedChargingRateUnit=unit)
    number = await store(api, operator, charging_profile=profile)
    body = {"charging_profile_id": number, "conversion": {"nominal_voltage": 230}}
    response = await api.call("POST", INSTALL, token, json=body)
    assert response.status_code == 202
    schedule = sent(scripted)[0][1]["csChargingProfiles"]["chargingSchedule"]
    assert schedule["chargingRateUnit"] == {"Power": "W", "Current": "A"}[unit]
    assert [period["limit"] for period in schedule["chargingSchedulePeriod"]] == limits


async def test_a_limit_beyond_measure_is_converted_too(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId, queued: CommandRecord
) -> None:
    await report(api, operator, charge_point, ChargingScheduleAllowedChargingRateUnit="Current")
    periods = [{"startPeriod": 0, "limit": 1e30}]
    schedule = {**SCHEDULE, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    number = await store(api, operator, charging_profile={**PROFILE, "chargingSchedule": schedule})
    body = {"charging_profile_id": number, "conversion": {"nominal_voltage": 230}}
    response = await api.call("POST", INSTALL, token, json=body)
    assert response.status_code == 202, response.text


async def test_the_limit_of_the_charge_point_goes_to_connector_0_only(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    profile = {**PROFILE, "chargingProfilePurpose": "ChargePointMaxProfile"}
    number = await store(api, operator, charging_profile=profile)
    found = await refusal(api, token, INSTALL, {"charging_profile_id": number})
    assert found == [("charge_point_max_on_connector_zero", "/connectorId")]


async def test_a_remote_start_carries_a_tx_profile_without_transaction(
    api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    body = {"idTag": "B4A63CDF", "connectorId": 2}
    path = f"{START}?charging_profile_id={number}"
    assert (await api.call("POST", path, token, json=body)).status_code == 202
    profile = {"chargingProfileId": number, **PROFILE, "chargingProfilePurpose": "TxProfile"}
    wanted = {"idTag": "B4A63CDF", "connectorId": 2, "chargingProfile": profile}
    assert sent(scripted) == [("RemoteStartTransaction", wanted)]


async def test_a_remote_start_carries_one_profile(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    rules = [{**RULE, "days": ["Mon", "Tue"], "number_phases": None}]
    number = await store(api, operator, calendar=stored_calendar(rules=rules))
    body = {"idTag": "B4A63CDF"}
    found = await refusal(api, token, f"{START}?charging_profile_id={number}", body)
    assert found == [("one_profile_only", "/chargingProfile")]
    limit = {**PROFILE, "chargingProfilePurpose": "ChargePointMaxProfile"}
    number = await store(api, operator, charging_profile=limit)
    ((code, pointer),) = await refusal(api, token, f"{START}?charging_profile_id={number}", body)
    assert code == "remote_start_profile_is_tx_profile_without_transaction"
    assert pointer == "/chargingProfile/chargingProfilePurpose"


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("charging_profile_id={number}", {}, "/idTag"),
        ("charging_profile_id={number}", {"idTag": "A", "chargingProfile": {}}, "/chargingProfile"),
        ("charging_profile_id={number}", {"idTag": "A", "connectorId": 0}, "/connectorId"),
        ("nominal_voltage=230", {"idTag": "A"}, "nominal_voltage"),
        ("charging_profile_id={number}&supply=DC", {"idTag": "A"}, "supply"),
        ("charging_profile_id=0", {"idTag": "A"}, "charging_profile_id"),
    ],
)
async def test_a_remote_start_with_a_profile_names_the_field_at_fault(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    query: str,
    body: dict[str, Any],
    field: str,
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    response = await api.call("POST", f"{START}?{query.format(number=number)}", token, json=body)
    assert response.status_code == 422
    assert response.json()["field"].startswith(field)


async def test_only_a_remote_start_takes_a_stored_profile(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    path = f"{POINT}/commands/Reset?charging_profile_id={number}"
    response = await api.call("POST", path, token, json={"type": "Soft"})
    assert (response.status_code, response.json()["field"]) == (422, "charging_profile_id")
    path = f"{START}?charging_profile_id={number + 1}"
    response = await api.call("POST", path, token, json={"idTag": "A"})
    assert (response.status_code, response.json()["field"]) == (404, "charging_profile_id")
    assert (await api.call("POST", f"{POINT}/remote-starts", token, json={})).status_code == 404


async def test_unknown_names_are_404(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    elsewhere = INSTALL.replace("RDAM-1", "NO-SUCH")
    for path, wanted in ((elsewhere, number), (INSTALL, number + 1)):
        response = await api.call("POST", path, token, json={"charging_profile_id": wanted})
        assert response.status_code == 404, path
    other = await api.tenant()
    foreign = await store(api, other, charging_profile=PROFILE)
    assert foreign == number
    stranger = await api.key(other)
    response = await api.call("POST", INSTALL, stranger, json={"charging_profile_id": foreign})
    assert response.status_code == 404
    assert (await api.call("GET", f"{POINT}/charging-profiles", stranger)).status_code == 404
