"""Profiles on charge points: cleared, shown in the ledger, and listed for a stored profile."""

from datetime import timedelta
from typing import Any

import pytest

from app.commands.records import CommandRecord
from app.smart_charging.ledger_reading import load_ledger
from app.smart_charging.records import ConnectorTransaction
from app.smart_charging.store import ProfileCommandStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.smart_charging.test_charging_profile_routes import PROFILE
from tests.smart_charging.test_installation_routes import (
    ACCEPTED,
    INSTALL,
    POINT,
    sent,
    store,
    stored_calendar,
)
from tests.support.api import NOW, Api
from tests.support.scripted_commands import ScriptedCommands


@pytest.mark.parametrize(
    ("query", "payload"),
    [
        ("", {}),
        ("?charging_profile_id=9&connector_id=1", {"id": 9, "connectorId": 1}),
        (
            "?connector_id=0&purpose=TxDefaultProfile&stack_level=2",
            {"connectorId": 0, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 2},
        ),
    ],
)
async def test_profiles_are_cleared_by_id_or_by_filters(
    api: Api,
    token: str,
    scripted: ScriptedCommands,
    queued: CommandRecord,
    query: str,
    payload: dict[str, Any],
) -> None:
    response = await api.call("DELETE", f"{POINT}/charging-profiles{query}", token)
    assert response.status_code == 202
    # With an id nothing else is sent, because it would not count (errata 3.26).
    wanted = {"id": payload["id"]} if "id" in payload else payload
    assert sent(scripted) == [("ClearChargingProfile", wanted)]


async def test_the_id_of_a_calendar_clears_all_that_it_put_there(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
) -> None:
    number = await store(api, operator, calendar=stored_calendar())
    for wire_id in (number, number + 1):
        profile = {"chargingProfileId": wire_id, **PROFILE, "stackLevel": wire_id}
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **ACCEPTED)
    response = await api.call("DELETE", f"{POINT}/charging-profiles?charging_profile_id={number}", token)
    assert response.status_code == 202
    assert [payload for _, payload in sent(scripted)] == [{"id": number}, {"id": number + 1}]


async def test_the_ledger_shows_what_was_accepted_and_what_was_not(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    outcomes: list[dict[str, Any]] = [
        ACCEPTED,
        {"state": "timed_out"},
        {"state": "rejected", "result": {"status": "Rejected"}},
        {"state": "call_error", "error": {"code": "NotSupported", "description": ""}},
        {"state": "offline"},
        {"state": "queued"},
    ]
    for level, outcome in enumerate(outcomes, start=1):
        profile = {"chargingProfileId": level, **PROFILE, "stackLevel": level}
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **outcome)
    shown = (await api.call("GET", f"{POINT}/charging-profiles", token)).json()
    assert shown["certain"] is False
    states = [(item["charging_profile_id"], item["state"], item["reason"]) for item in shown["items"]]
    assert states == [
        (1, "accepted", None),
        (2, "unconfirmed", None),
        (3, "rejected", None),
        (4, "not_supported", "NotSupported"),
    ]


async def test_a_stored_profile_lists_where_it_is_installed(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
) -> None:
    number = await store(api, operator, charging_profile=PROFILE)
    path = f"/v1/charging-profiles/{number}/installations"
    assert (await api.call("POST", INSTALL, token, json={"charging_profile_id": number})).is_success
    assert (await api.call("GET", path, token)).json()["items"] == []
    ((_, payload),) = sent(scripted)
    await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **ACCEPTED)
    (item,) = (await api.call("GET", path, token)).json()["items"]
    assert (item["charge_point"], item["connector_id"], item["refresh_at"]) == ("RDAM-1", 1, None)


async def test_the_number_of_another_profile_is_not_taken_for_ones_own(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
    queued: CommandRecord,
) -> None:
    first, second = [await store(api, operator, charging_profile=PROFILE) for _ in range(2)]
    for number in (first, second):
        assert (await api.call("POST", INSTALL, token, json={"charging_profile_id": number})).is_success
    payload = sent(scripted)[1][1]
    await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **ACCEPTED)
    shown = [
        (await api.call("GET", f"/v1/charging-profiles/{number}/installations", token)).json()["items"]
        for number in (first, second)
    ]
    assert [len(items) for items in shown] == [0, 1]


async def test_old_transactions_are_read_for_the_profiles_of_transactions_only(
    api: Api, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    payload = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 1, **PROFILE}}
    await api.command(operator, charge_point, action="SetChargingProfile", payload=payload, **ACCEPTED)
    later = NOW + timedelta(days=1)
    ended = [await api.transaction(operator, charge_point, stopped_received_at=later) for _ in range(3)]
    async with api.services.storage.database.tenant(operator.id) as work:
        asked: list[Any] = []
        transactions = ProfileCommandStore.transactions

        async def spy(*arguments: Any) -> list[ConnectorTransaction]:
            asked.extend(found := await transactions(*arguments))
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ProfileCommandStore, "transactions", spy)
            await load_ledger(work, charge_point)
    assert [row.id for row in asked] == ended[-1:]
