"""The test cases of the certification tool about keys and security profiles, on a real socket.

TC_073: a new AuthorizationKey, and a login with it. TC_083: a higher security profile that is refused or does
not work (the good case is in `test_profile_three`). TC_085: Basic authentication.
"""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from app.charge_points.store import ChargePointStore
from app.errors import Conflict
from app.login_attempts.records import LoginAttemptFilter
from app.login_attempts.service import LoginAttemptService
from app.security.log import SecurityLog
from app.security.records import SecurityEventFilter
from app.security.service import SecurityEventService
from app.security_changes.records import SecurityChangeRecord
from app.security_changes.service import SecurityChangeService
from app.security_changes.sweeper import SecurityChangeSweeper
from app.types import TenantId
from tests.support.gateway import KEY, GatewayServer
from tests.support.raw_client import RawClient

ACTOR = "key:test"


@pytest.fixture
async def charger(server: GatewayServer) -> RawClient:
    await server.register("CP1")
    # Its steps are made by the tests.
    await server.app.state.services.get(SecurityChangeSweeper).close()
    return await server.connect("CP1")


def tenant_of(server: GatewayServer) -> TenantId:
    return TenantId(server.tenant.id)


def changes_of(server: GatewayServer) -> SecurityChangeService:
    found: SecurityChangeService = server.app.state.services.get(SecurityChangeService)
    return found


async def answer(charger: RawClient, status: str) -> str:
    """Answer the command ChangeConfiguration; return the value that it sets."""
    _, unique_id, action, payload = json.loads(await charger.text())
    assert action == "ChangeConfiguration"
    charger.send(json.dumps([3, unique_id, {"status": status}]))
    # Answered in order, so the outcome before it is recorded.
    await charger.call("Heartbeat", {}, "after")
    value: str = payload["value"]
    return value


async def state_of(server: GatewayServer, kind: Any, change_id: UUID, awaited: str) -> SecurityChangeRecord:
    """Return a change when its command has ended, or its login was seen."""
    service, sweeper = changes_of(server), server.app.state.services.get(SecurityChangeSweeper)
    async with asyncio.timeout(20):
        while True:
            await sweeper.settle()
            change = await service.change(tenant_of(server), "CP1", kind, change_id)
            if change.state == awaited:
                return change
            await asyncio.sleep(0.01)


async def refusals(server: GatewayServer) -> dict[str, int]:
    await server.refused.flush()
    attempts: LoginAttemptService = server.app.state.services.get(LoginAttemptService)
    rows = await attempts.page(tenant_of(server), 100, None, LoginAttemptFilter())
    return {row["reason"]: row["count"] for row in rows}


async def own_events(server: GatewayServer) -> list[str]:
    await server.app.state.services.get(SecurityLog).flush()
    events: SecurityEventService = server.app.state.services.get(SecurityEventService)
    filters = SecurityEventFilter(source="central_system")
    return [row["type"] for row in await events.events(tenant_of(server), 100, None, filters)]


async def status_with(server: GatewayServer, password: bytes, **options: Any) -> int:
    return (await server.attempt("CP1", password=password, **options)).response.status


async def test_tc_073_a_new_key_is_used_for_the_next_login(server: GatewayServer, charger: RawClient) -> None:
    change = await changes_of(server).rotate(tenant_of(server), "CP1", ACTOR)
    key = await answer(charger, "Accepted")
    assert len(bytes.fromhex(key)) == 20
    await state_of(server, "credential", change.id, "accepted")
    await charger.close()
    assert await status_with(server, KEY) == 401
    assert await status_with(server, bytes.fromhex(key)) == 101
    done = await state_of(server, "credential", change.id, "confirmed")
    assert done.ended_at is not None
    # Its hexadecimal text is the same key.
    assert await status_with(server, key.encode()) == 101
    assert "CredentialChanged" in await own_events(server)
    command = await server.services.commands.get(tenant_of(server), done.command_id or UUID(int=0))
    assert command.payload == {"key": "AuthorizationKey", "value": "***"}
    assert command.effect == {"observed": "credential_confirmed", "securityChange": str(change.id)}


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_tc_073_a_refused_key_leaves_the_old_one(
    server: GatewayServer, charger: RawClient, status: str
) -> None:
    change = await changes_of(server).rotate(tenant_of(server), "CP1", ACTOR)
    key = await answer(charger, status)
    refused = await state_of(server, "credential", change.id, "rejected")
    assert refused.detail == status
    await charger.close()
    assert await status_with(server, bytes.fromhex(key)) == 401
    assert await status_with(server, KEY) == 101


@pytest.mark.parametrize("took_it", [True, False])
async def test_tc_073_a_lost_answer_leaves_both_keys_until_the_new_one_is_used(
    server: GatewayServer, charger: RawClient, took_it: bool
) -> None:
    change = await changes_of(server).rotate(tenant_of(server), "CP1", ACTOR)
    key = bytes.fromhex(json.loads(await charger.text())[3]["value"])
    await charger.close()
    await state_of(server, "credential", change.id, "in_doubt")
    assert await status_with(server, KEY) == 101
    with pytest.raises(Conflict):
        await changes_of(server).rotate(tenant_of(server), "CP1", ACTOR)
    if took_it:
        assert await status_with(server, key) == 101
        await state_of(server, "credential", change.id, "confirmed")
        assert await status_with(server, KEY) == 401
    else:
        assert await status_with(server, KEY) == 101
        found = await changes_of(server).change(tenant_of(server), "CP1", "credential", change.id)
        assert found.state == "in_doubt"


async def test_tc_083_a_charge_point_that_cannot_connect_falls_back(
    server: GatewayServer, charger: RawClient
) -> None:
    service, tenant_id = changes_of(server), tenant_of(server)
    change = await service.raise_profile(tenant_id, "CP1", 2, ACTOR, certificate_installed=False)
    await answer(charger, "Accepted")
    await state_of(server, "security_profile", change.id, "accepted")
    await charger.close()
    assert await status_with(server, KEY) == 101
    fallen = await state_of(server, "security_profile", change.id, "fell_back")
    assert "A05.FR.08" in (fallen.detail or "")
    assert (await service.profile(tenant_id, "CP1")).required == 1


async def test_tc_083_a_refused_raise_changes_nothing(server: GatewayServer, charger: RawClient) -> None:
    service, tenant_id = changes_of(server), tenant_of(server)
    change = await service.raise_profile(tenant_id, "CP1", 2, ACTOR, certificate_installed=False)
    await answer(charger, "Rejected")
    await state_of(server, "security_profile", change.id, "rejected")
    assert await status_with(server, KEY) == 101


async def test_a_minimum_of_the_tenant_refuses_lower_logins_except_those_without_credential(
    server: GatewayServer, charger: RawClient
) -> None:
    await server.register("OPEN", no_credential=True, credential_hash=None)
    await changes_of(server).set_tenant_minimum(tenant_of(server), 2, ACTOR, "TLS everywhere.")
    assert await status_with(server, KEY) == 401
    assert (await server.attempt("OPEN")).response.status == 101
    await changes_of(server).set_tenant_minimum(tenant_of(server), 0, ACTOR, "Not yet.")
    assert await status_with(server, KEY) == 101


async def test_a_charge_point_that_has_used_its_password_needs_it_from_then_on(
    server: GatewayServer, charger: RawClient
) -> None:
    async with server.database.tenant(server.tenant.id) as work:
        await ChargePointStore(work).update("CP1", no_credential=True)
    assert (await server.attempt("CP1", password=None)).response.status == 401
    assert await refusals(server) == {"security_profile": 1}


async def test_tc_085_only_the_right_user_and_password_get_in(
    server: GatewayServer, charger: RawClient
) -> None:
    assert await status_with(server, KEY, user="CP2") == 401
    assert await status_with(server, b"y" * 20) == 401
    missing = await server.attempt("CP1", user=None)
    assert missing.response.status == 401
    assert missing.response.headers["www-authenticate"] == 'Basic realm="ocpp"'
    assert await refusals(server) == {"user_name": 1, "credential_wrong": 1, "credential_absent": 1}
    assert await own_events(server) == ["FailedLogin", "FailedLogin"]
    assert await status_with(server, KEY) == 101


async def test_a_charge_point_that_is_not_connected_is_asked_for_nothing(
    server: GatewayServer, charger: RawClient
) -> None:
    await server.register("AWAY")
    with pytest.raises(Conflict, match="not connected"):
        await changes_of(server).rotate(tenant_of(server), "AWAY", ACTOR)
    (change,) = await changes_of(server).changes(tenant_of(server), "AWAY", "credential", 10, None)
    assert change.state == "not_sent"
