"""Routes of keys and security profiles: what an operator asks for, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.charge_points import tables as charge_point_tables
from app.charge_points.credentials import Credentials
from app.charge_points.store import ChargePointStore
from app.commands.records import CommandRecord
from app.live.presence import Presence
from app.security_changes.service import SecurityChangeService
from app.security_changes.store import take_due_rotations
from app.security_changes.sweeper import POLICY, SecurityChangeSweeper
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from tests.support.api import Api
from tests.support.scripted_commands import ScriptedCommands

ROTATIONS = "/v1/charge-points/RDAM-1/credential/rotations"
PROFILE = "/v1/charge-points/RDAM-1/security-profile"
POLICY_PATH = "/v1/credential-rotation-policy"


@pytest.fixture
async def keyed(api: Api, operator: TenantRecord, charge_point: ChargePointId) -> ChargePointId:
    """RDAM-1 with a password, on security profile 1."""
    await set_columns(api, operator, credential_hash=Credentials("pepper").hash(b"k" * 20))
    return charge_point


async def set_columns(api: Api, tenant: TenantRecord, **columns: Any) -> None:
    async with api.services.storage.database.tenant(tenant.id) as work:
        point = await ChargePointStore(work).get("RDAM-1")
        assert point is not None
        if "credential_hash" in columns:
            await ChargePointStore(work).set_credential(point.id, columns.pop("credential_hash"))
        for name, value in columns.items():
            table = charge_point_tables.charge_points
            await work.connection.execute(update(table).where(table.c.id == point.id).values({name: value}))


async def test_a_rotation_sends_a_random_key_and_never_shows_it(
    api: Api, token: str, keyed: ChargePointId, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    made = await api.call("POST", ROTATIONS, token)
    assert made.status_code == 201, made.text
    (issued,) = scripted.issued
    assert issued.action == "ChangeConfiguration"
    key = issued.payload_text.split('"')[-2]
    assert len(bytes.fromhex(key)) == 20
    assert key not in made.text
    shown = made.json()
    assert (shown["kind"], shown["state"], shown["command_id"]) == ("credential", "requested", str(queued.id))
    assert issued.options["idempotency_key"] == f"security-change:{shown['id']}"
    assert (await api.call("GET", made.headers["location"], token)).json() == shown
    assert (await api.call("GET", ROTATIONS, token)).json()["items"] == [shown]
    again = await api.call("POST", ROTATIONS, token)
    assert again.status_code == 409
    assert len(scripted.issued) == 1
    audited = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert [entry["act"] for entry in audited] == ["rotate_credential"]


@pytest.mark.usefixtures("charge_point", "queued")
async def test_a_charge_point_without_a_password_has_none_to_replace(
    api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands
) -> None:
    await set_columns(api, operator, credential_hash=None)
    assert (await api.call("POST", ROTATIONS, token)).status_code == 409
    assert scripted.issued == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"profile": 2}, 201),
        ({"profile": 1}, 409),
        ({"profile": 3}, 409),
        ({"profile": 3, "certificate_installed": True}, 201),
        ({"profile": 0}, 422),
        ({"profile": 4}, 422),
        ({"profile": "2"}, 422),
        ({"profile": True}, 422),
        ({}, 422),
        ({"profile": 2, "surplus": 1}, 422),
    ],
)
@pytest.mark.usefixtures("keyed", "queued")
async def test_a_raise_needs_its_prerequisites(
    api: Api,
    operator: TenantRecord,
    token: str,
    scripted: ScriptedCommands,
    body: dict[str, Any],
    status: int,
) -> None:
    await set_columns(api, operator, security_profile=1, minimum_security_profile=1)
    answer = await api.call("POST", PROFILE, token, json=body)
    assert answer.status_code == status, answer.text
    assert len(scripted.issued) == (1 if status == 201 else 0)
    state = (await api.call("GET", PROFILE, token)).json()
    assert (state["profile"], state["minimum"], state["required"]) == (1, 1, 1)
    assert (state["newest_raise"] is None) is (status != 201)
    if status == 201:
        assert scripted.issued[0].payload_text == f'{{"key":"SecurityProfile","value":"{body["profile"]}"}}'
        assert (await api.call("POST", PROFILE, token, json=body)).status_code == 409


@pytest.mark.usefixtures("keyed")
async def test_only_an_administrator_lowers_a_minimum_and_it_is_audited(
    api: Api, operator: TenantRecord, token: str
) -> None:
    await set_columns(api, operator, security_profile=2, minimum_security_profile=2)
    body = {"profile": 1, "reason": "The TLS module is broken."}
    weak = await api.key(operator, "read", "write", "command")
    for path in (f"{PROFILE}/minimum", "/v1/security-profile"):
        assert (await api.call("PUT", path, weak, json=body)).status_code == 403
        assert (await api.call("PUT", path, token, json={"profile": 1})).status_code == 422
        assert (await api.call("PUT", path, token, json=body)).status_code == 200
    state = (await api.call("GET", PROFILE, token)).json()
    assert (state["minimum"], state["tenant_minimum"]) == (1, 1)
    assert (await api.call("GET", "/v1/security-profile", token)).json() == {"minimum": 1}
    audited = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert [(entry["reason"], entry["details"]) for entry in audited] == [
        (body["reason"], {"from": 0, "to": 1}),
        (body["reason"], {"from": 2, "to": 1}),
    ]


async def test_a_policy_is_set_read_and_removed(api: Api, token: str) -> None:
    assert (await api.call("GET", POLICY_PATH, token)).status_code == 404
    assert (await api.call("DELETE", POLICY_PATH, token)).status_code == 404
    for days in (0, 3651, "90", None):
        assert (await api.call("PUT", POLICY_PATH, token, json={"every_days": days})).status_code == 422
    for days in (90, 30):
        stored = await api.call("PUT", POLICY_PATH, token, json={"every_days": days})
        assert (stored.status_code, stored.json()["every_days"]) == (200, days)
    assert (await api.call("GET", POLICY_PATH, token)).json() == stored.json()
    assert (await api.call("DELETE", POLICY_PATH, token)).status_code == 204
    assert (await api.call("GET", POLICY_PATH, token)).status_code == 404


async def due(api: Api, tenant: TenantRecord) -> list[str]:
    now = api.clock.now()
    async with api.services.storage.database.platform() as work:
        found = await take_due_rotations(
            work, now, now + timedelta(minutes=10), now - timedelta(days=1), 1000
        )
    return [rotation.identity for rotation in found if rotation.tenant_id == tenant.id]


@pytest.mark.usefixtures("keyed")
async def test_a_policy_finds_keys_that_are_too_old_once_in_a_while(
    api: Api, operator: TenantRecord, token: str
) -> None:
    age = {"credential_set_at": api.clock.now() - timedelta(days=91), "connected_at": api.clock.now()}
    await set_columns(api, operator, **age)
    assert await due(api, operator) == []
    await api.call("PUT", POLICY_PATH, token, json={"every_days": 92})
    assert await due(api, operator) == []
    await api.call("PUT", POLICY_PATH, token, json={"every_days": 90})
    assert await due(api, operator) == ["RDAM-1"]
    # It was taken, so another worker leaves it alone for ten minutes.
    assert await due(api, operator) == []
    api.clock.advance(601)
    assert await due(api, operator) == ["RDAM-1"]


@pytest.mark.usefixtures("keyed", "queued")
async def test_a_sweep_replaces_old_keys_of_connected_charge_points_only(
    api: Api,
    operator: TenantRecord,
    token: str,
    scripted: ScriptedCommands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    age = {"credential_set_at": api.clock.now() - timedelta(days=91), "connected_at": api.clock.now()}
    await set_columns(api, operator, **age)
    await api.call("PUT", POLICY_PATH, token, json={"every_days": 90})
    sweeper: SecurityChangeSweeper = api.app.state.services.get(SecurityChangeSweeper)
    await sweeper.rotate()
    assert scripted.issued == []

    async def all_connected(_: Presence, tenant_id: TenantId, identities: list[str]) -> dict[str, Any]:
        return dict.fromkeys(identities) if tenant_id == operator.id else {}

    monkeypatch.setattr(Presence, "find_many", all_connected)
    api.clock.advance(601)
    await sweeper.rotate()
    (issued,) = scripted.issued
    assert issued.options["issued_by"] == POLICY
    api.clock.advance(601)
    await sweeper.rotate()
    assert len(scripted.issued) == 1
    service: SecurityChangeService = api.app.state.services.get(SecurityChangeService)
    (change,) = await service.changes(TenantId(operator.id), "RDAM-1", "credential", 10, None)
    assert (change.state, change.requested_by) == ("requested", POLICY)
