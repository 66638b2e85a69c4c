"""A doubt about the charging profiles of a charge point: shown, settled by an operator, and audited."""

from typing import Any
from uuid import uuid4

import pytest

from app.commands.rules import Outcome
from app.commands.store.commands import CommandStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.smart_charging.test_charging_profile_routes import PROFILE
from tests.smart_charging.test_installation_routes import ACCEPTED, POINT
from tests.support.api import Api

PATH = f"{POINT}/charging-profiles/settlements"
SET: dict[str, Any] = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 7, **PROFILE}}
UNANSWERED: list[dict[str, Any]] = [
    {"state": "timed_out"},
    {"state": "connection_lost"},
    {"state": "expired"},
    {"state": "call_error", "error": {"code": "unreadable_answer", "description": ""}},
    {"state": "rejected", "result": {"status": "Perhaps"}},
    {"state": "timed_out", "late_result": {"state": "call_error", "error": {"code": "unreadable_answer"}}},
]


def said(command_id: Any, *, carried_out: bool) -> dict[str, Any]:
    return {"command_id": str(command_id), "carried_out": carried_out, "reason": "Read on its display."}


async def shown(api: Api, token: str) -> tuple[bool, list[tuple[int, str, str | None]], list[str]]:
    body = (await api.call("GET", f"{POINT}/charging-profiles", token)).json()
    items = [(item["charging_profile_id"], item["state"], item["reason"]) for item in body["items"]]
    return body["certain"], items, [doubt["command_id"] for doubt in body["in_doubt"]]


@pytest.mark.parametrize("outcome", UNANSWERED)
@pytest.mark.parametrize("carried_out", [True, False])
async def test_an_operator_settles_what_no_answer_settled(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    outcome: dict[str, Any],
    carried_out: bool,
) -> None:
    command = await api.command(operator, charge_point, action="SetChargingProfile", payload=SET, **outcome)
    doubt = str(command.id)
    assert await shown(api, token) == (False, [(7, "unconfirmed", None)], [doubt])
    answer = await api.call("POST", PATH, token, json=said(doubt, carried_out=carried_out))
    assert answer.status_code == 200, answer.text
    state = (7, "accepted", None) if carried_out else (7, "rejected", "settled_by_operator")
    assert await shown(api, token) == (True, [state], [])
    assert answer.json()["certain"] is True
    (entry,) = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert entry["act"] == "settle_charging_profile"
    assert entry["subject"] == f"/v1/commands/{doubt}"
    assert entry["reason"] == "Read on its display."
    assert entry["details"] == {"carried_out": carried_out}


@pytest.mark.parametrize(("carried_out", "left"), [(True, []), (False, [(7, "accepted", None)])])
async def test_a_clear_that_found_nothing_is_settled(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    carried_out: bool,
    left: list[Any],
) -> None:
    await api.command(operator, charge_point, action="SetChargingProfile", payload=SET, **ACCEPTED)
    clear = await api.command(
        operator,
        charge_point,
        action="ClearChargingProfile",
        payload={"id": 7},
        state="rejected",
        result={"status": "Unknown"},
    )
    body = (await api.call("GET", f"{POINT}/charging-profiles", token)).json()
    (doubt,) = body["in_doubt"]
    assert (doubt["doubt"], doubt["clears"], doubt["charging_profile_id"]) == ("unknown", {"id": 7}, None)
    answer = await api.call("POST", PATH, token, json=said(clear.id, carried_out=carried_out))
    assert answer.status_code == 200, answer.text
    assert await shown(api, token) == (True, left, [])


async def test_a_remote_start_in_doubt_is_settled(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    profile = {"chargingProfileId": 7, **PROFILE, "chargingProfilePurpose": "TxProfile"}
    command = await api.command(
        operator,
        charge_point,
        action="RemoteStartTransaction",
        payload={"idTag": "TAG", "connectorId": 1, "chargingProfile": profile},
        state="timed_out",
    )
    answer = await api.call("POST", PATH, token, json=said(command.id, carried_out=False))
    assert answer.json()["items"][0]["reason"] == "settled_by_operator"
    assert answer.json()["certain"] is True


async def test_what_the_charge_point_says_late_counts_more(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    command = await api.command(
        operator, charge_point, action="SetChargingProfile", payload=SET, state="timed_out"
    )
    assert (await api.call("POST", PATH, token, json=said(command.id, carried_out=True))).status_code == 200
    late = Outcome("rejected", result={"status": "Rejected"})
    async with api.services.storage.database.tenant(operator.id) as work:
        assert await CommandStore(work).late(command.id, late.late_result)
    assert await shown(api, token) == (True, [(7, "rejected", None)], [])


async def test_what_was_settled_wrongly_is_settled_again(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    command = await api.command(
        operator, charge_point, action="SetChargingProfile", payload=SET, state="timed_out"
    )
    for carried_out in (False, True):
        answer = await api.call("POST", PATH, token, json=said(command.id, carried_out=carried_out))
        assert answer.status_code == 200, answer.text
    assert await shown(api, token) == (True, [(7, "accepted", None)], [])


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (ACCEPTED, "has answered"),
        ({"state": "rejected", "result": {"status": "Rejected"}}, "has answered"),
        ({"state": "call_error", "error": {"code": "NotSupported", "description": ""}}, "has answered"),
        ({"state": "sent"}, "has not ended"),
    ],
)
async def test_what_leaves_no_doubt_is_not_settled(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    outcome: dict[str, Any],
    text: str,
) -> None:
    command = await api.command(operator, charge_point, action="SetChargingProfile", payload=SET, **outcome)
    answer = await api.call("POST", PATH, token, json=said(command.id, carried_out=True))
    assert answer.status_code == 409
    assert text in answer.json()["detail"]
    assert (await api.call("GET", "/v1/audit", token)).json()["items"] == []


async def test_only_commands_of_the_charge_point_and_the_tenant_are_settled(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    stranger = await api.tenant()
    foreign = await api.command(
        stranger,
        await api.charge_point(stranger, "RDAM-1"),
        action="SetChargingProfile",
        payload=SET,
        state="timed_out",
    )
    other = await api.command(operator, charge_point, action="Reset", payload={"type": "Soft"})
    neighbour = await api.command(
        operator,
        await api.charge_point(operator, "RDAM-2"),
        action="SetChargingProfile",
        payload=SET,
        state="timed_out",
    )
    for command_id in (foreign.id, other.id, neighbour.id, uuid4()):
        answer = await api.call("POST", PATH, token, json=said(command_id, carried_out=True))
        assert answer.status_code == 404
        assert answer.json()["field"] == "/command_id"
    unknown = PATH.replace("RDAM-1", "OTHER")
    assert (await api.call("POST", unknown, token, json=said(uuid4(), carried_out=True))).status_code == 404


async def test_it_needs_the_scope_to_write(api: Api, operator: TenantRecord) -> None:
    key = await api.key(operator, "read")
    answer = await api.call("POST", PATH, key, json=said(uuid4(), carried_out=True))
    assert answer.status_code == 403
