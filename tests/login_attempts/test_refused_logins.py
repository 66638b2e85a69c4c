"""A login that is refused: its answer, its one log line, its metric, and its entry in the tenant's list."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from app.database.unit_of_work import TenantReads
from app.login_attempts.recorder import RefusedLogins
from app.login_attempts.records import LoginAttemptFilter
from app.login_attempts.records import RefusalReason as Reason
from app.login_attempts.store import LoginAttemptStore
from app.main import create_app
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.gateway import KEY, GatewayServer, serve
from tests.support.raw_client import RawClient


@pytest.fixture
def server(own_gateway_server: GatewayServer) -> GatewayServer:
    """A server that has counted no refused login yet."""
    return own_gateway_server


PLAIN: dict[str, str | None] = {"Upgrade": None, "Connection": None, "Sec-WebSocket-Key": None}


@dataclass
class Case:
    """A refused login. path: below the tenant; detail: what it contains."""

    reason: Reason
    status: int
    options: dict[str, Any] = field(default_factory=dict)
    path: str = "/ocpp/{0}/CP1"
    identity: str | None = "CP1"
    detail: str = ""


RIGHT: dict[str, Any] = {"user": "CP1", "password": KEY}
CASES = {
    "no identity": Case(Reason.PATH, 400, RIGHT, "/ocpp/{0}/", None),
    "an impossible identity": Case(Reason.PATH, 400, RIGHT, "/ocpp/{0}/AA%3ABB", "AA:BB"),
    "encoded twice": Case(Reason.PATH_ENCODING, 400, RIGHT, "/ocpp/{0}/CP%25201", "CP 1"),
    "a segment more": Case(Reason.EXTRA_PATH_SEGMENT, 400, RIGHT, "/ocpp/{0}/x/CP1"),
    "plain HTTP": Case(Reason.UPGRADE, 426, {**RIGHT, "headers": PLAIN}),
    "another version": Case(Reason.UPGRADE, 400, {**RIGHT, "headers": {"Sec-WebSocket-Version": "8"}}),
    "no key": Case(Reason.UPGRADE, 400, {**RIGHT, "headers": {"Sec-WebSocket-Key": None}}),
    "another subprotocol": Case(
        Reason.SUBPROTOCOL, 101, {**RIGHT, "subprotocol": "ocpp2.0.1, ocpp1.5"}, detail="ocpp2.0.1, ocpp1.5"
    ),
    "no credential": Case(Reason.CREDENTIAL_ABSENT, 401),
    "a wrong password": Case(Reason.CREDENTIAL_WRONG, 401, {"user": "CP1", "password": b"wrong"}),
    "an empty password": Case(Reason.CREDENTIAL_WRONG, 401, {"user": "CP1", "password": b""}),
    "another user": Case(Reason.USER_NAME, 401, {"user": "CP2", "password": KEY}),
    "a bearer": Case(Reason.CREDENTIAL_MALFORMED, 401, {"headers": {"Authorization": "Bearer x"}}),
    "no base64": Case(Reason.CREDENTIAL_MALFORMED, 401, {"headers": {"Authorization": "Basic ???"}}),
    "no colon": Case(Reason.CREDENTIAL_MALFORMED, 401, {"headers": {"Authorization": "Basic YWJj"}}),
    "two credentials": Case(
        Reason.CREDENTIAL_MALFORMED, 401, {**RIGHT, "extra": b"Authorization: Basic YTpi\r\n"}
    ),
    "an unknown identity": Case(Reason.UNKNOWN_IDENTITY, 401, RIGHT, "/ocpp/{0}/CP9", "CP9"),
    "in lower case": Case(
        Reason.IDENTITY_CASE, 401, {"user": "cp1", "password": KEY}, "/ocpp/{0}/cp1", "cp1", "CP1"
    ),
    "no credential in lower case": Case(Reason.IDENTITY_CASE, 401, {}, "/ocpp/{0}/cP1", "cP1", "CP1"),
    "none set": Case(
        Reason.CREDENTIAL_NOT_SET, 401, {"user": "BARE", "password": KEY}, "/ocpp/{0}/BARE", "BARE"
    ),
    "an origin": Case(Reason.ORIGIN, 403, {"headers": {"Origin": "null"}}, "/ocpp/{0}/OPEN", "OPEN"),
}


async def listed(server: GatewayServer, **filters: Any) -> list[dict[str, Any]]:
    """Return the tenant's entries, when those that wait have been written."""
    await server.refused.flush()
    reads = TenantReads(server.database.reads, TenantId(server.tenant.id))
    rows = await LoginAttemptStore(reads).page(1000, None, LoginAttemptFilter(**filters))
    return [dict(row) for row in rows]  # type: ignore[call-overload]


def refused(reason: Reason) -> float:
    return REGISTRY.get_sample_value("stationmaster_logins_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_each_mistake_has_a_reason_of_its_own(server: GatewayServer, case: Case) -> None:
    await server.register("CP1")
    await server.register("OPEN", credential_hash=None, no_credential=True)
    await server.register("BARE", credential_hash=None)
    before = refused(case.reason)
    with structlog.testing.capture_logs() as logs:
        client = await RawClient.open(server.port, case.path.format(server.tenant.slug), **case.options)
    assert client.response.status == case.status
    (line,) = [line for line in logs if line["event"] == "login_refused"]
    assert (line["reason"], line["tenant"], line["charge_point"], line["remote"]) == (
        case.reason.value,
        server.tenant.slug,
        case.identity,
        "127.0.0.1",
    )
    assert refused(case.reason) == before + 1
    (entry,) = await listed(server)
    assert (entry["reason"], entry["identity"], entry["count"]) == (case.reason.value, case.identity or "", 1)
    assert case.detail in (entry["detail"] or "")


@pytest.mark.parametrize("path", ["/ocpp/unknown-tenant/CP1", "/ocpp/{0}-x/CP1", "/ocpp/"])
async def test_what_names_no_tenant_is_logged_only(server: GatewayServer, path: str) -> None:
    with structlog.testing.capture_logs() as logs:
        await RawClient.open(server.port, path.format(server.tenant.slug), **RIGHT)
    (line,) = [line for line in logs if line["event"] == "login_refused"]
    assert line["reason"] == (Reason.PATH if path == "/ocpp/" else Reason.UNKNOWN_TENANT)
    assert await listed(server) == []


async def test_a_tenant_in_upper_case_is_told(server: GatewayServer) -> None:
    client = await RawClient.open(server.port, f"/ocpp/{server.tenant.slug.upper()}/CP1", **RIGHT)
    assert client.response.status == 400
    assert [entry["reason"] for entry in await listed(server)] == [Reason.TENANT_CASE]


async def test_a_strict_tenant_is_told_of_a_path_that_is_not_exact(server: GatewayServer) -> None:
    async with server.database.platform() as work:
        await TenantStore(work).update(server.tenant.slug, strict_protocol=True)
    await server.register("CP1")
    assert (await server.attempt("CP1/", **RIGHT)).response.status == 400
    assert [entry["reason"] for entry in await listed(server)] == [Reason.PATH_NOT_EXACT]


async def test_refusals_that_are_alike_share_an_entry(server: GatewayServer) -> None:
    await server.register("CP1")
    for _ in range(3):
        await server.attempt("CP1", password=b"wrong")
    await server.attempt("CP2", password=b"wrong")
    await listed(server)
    await server.attempt("CP1", password=b"wrong")
    first, second = await listed(server)
    assert (first["identity"], first["count"]) == ("CP1", 4)
    assert first["first_at"] < first["last_at"]
    assert (second["identity"], second["count"]) == ("CP2", 1)
    assert [entry["identity"] for entry in await listed(server, identity="CP2")] == ["CP2"]
    assert await listed(server, reason=Reason.LIMIT) == []


async def test_a_login_that_succeeds_is_in_no_list(server: GatewayServer) -> None:
    await server.register("CP1")
    await server.connect("CP1")
    assert await listed(server) == []


async def test_a_wrong_login_beyond_the_limit_tells_what_is_wrong(server: GatewayServer) -> None:
    settings = server.settings.model_copy(update={"login_failures_per_minute": 2})
    await server.register("CP1")
    app = create_app(settings)
    async with serve(app, settings) as port:
        limited = GatewayServer(port, app, server.database, server.tenant, settings)
        statuses = [(await limited.attempt("CP1", password=b"wrong")).response.status for _ in range(3)]
        assert statuses == [401, 401, 429]
        # A right credential is judged, and gets in, whatever its neighbours have done.
        assert (await limited.attempt("CP1", password=KEY)).response.status == 101
        assert (await limited.attempt("CP1")).response.status == 401
        entries = {entry["reason"]: entry for entry in await listed(limited)}
    assert entries[Reason.CREDENTIAL_WRONG]["count"] == 3
    assert Reason.CREDENTIAL_ABSENT in entries


async def test_a_flood_is_shed_and_counted(server: GatewayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.login_attempts.recorder._ROWS_OF_TENANT_LIMIT", 5)
    shed = {"reason": "full"}
    before = REGISTRY.get_sample_value("stationmaster_login_attempts_shed_total", shed) or 0.0
    for number in range(8):
        await server.attempt(f"X{number}", password=b"wrong")
    assert len(await listed(server)) == 5
    assert REGISTRY.get_sample_value("stationmaster_login_attempts_shed_total", shed) == before + 3


async def test_a_tenant_keeps_the_newest_entries(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.login_attempts.store.ROWS_OF_TENANT", 3)
    for number in (0, 1, 2, 0, 3):
        await server.attempt(f"X{number}", password=b"wrong")
        await listed(server)
    assert [entry["identity"] for entry in await listed(server)] == ["X3", "X0", "X2"]


async def test_without_the_database_entries_are_dropped_and_no_answer_waits(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr("app.login_attempts.recorder.add_login_attempts", away)
    shed = {"reason": "not_written"}
    before = REGISTRY.get_sample_value("stationmaster_login_attempts_shed_total", shed) or 0.0
    assert (await server.attempt("CP1", password=b"wrong")).response.status == 401
    assert await listed(server) == []
    assert REGISTRY.get_sample_value("stationmaster_login_attempts_shed_total", shed) == before + 1


async def test_entries_are_written_in_the_background(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.login_attempts.recorder._INTERVAL_S", 0.01)
    written = asyncio.Event()
    flush = RefusedLogins.flush

    async def noticed(refused: RefusedLogins) -> None:
        await flush(refused)
        written.set()

    monkeypatch.setattr(RefusedLogins, "flush", noticed)
    recorder = RefusedLogins(server.database)
    recorder.start()
    await asyncio.wait_for(written.wait(), 10)
    await recorder.close()
