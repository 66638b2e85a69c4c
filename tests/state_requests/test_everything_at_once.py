"""The commands that the server sends by itself after a login give way to operators, and are bounded."""

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from typing import Any, cast

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.certificates.issuer import CertificateIssuer
from app.certificates.rules.authority import described
from app.certificates.store.certificates import CertificateStore
from app.commands.waiting import WaitingCommands
from app.configuration.reconciler import ConfigurationReconciler
from app.connection import Connection
from app.database.database import Database
from app.local_lists.synchronizer import ListSynchronizer
from app.main import create_app
from app.settings import Settings
from app.state_requests.records import STATE_ISSUER
from app.tenants.records import TenantRecord
from tests.state_requests.test_requester import SETTINGS, Harness
from tests.support.certificates import issue
from tests.support.certification import Asked, Station, operating
from tests.support.gateway import GatewayServer, serve, until
from tests.support.raw_client import close_all
from tests.support.session_harness import SessionHarness

OWN = frozenset({STATE_ISSUER, "configuration", "local-list-sync", "certificates"})
"""The issuers of what the server sends by itself."""
LOGINS = 2000


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, asking: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    """A server that does everything soon after a login."""
    changes = {
        "state_requests": True,
        "state_request_delay_s": 0.05,
        "configuration_reviews": True,
        "configuration_review_delay_s": 0.0,
        "local_list_sync": True,
        "local_list_delay_s": 0.0,
        "call_timeout_s": 20.0,
    }
    own = settings.model_copy(update=changes)
    app = asking.setdefault("everything", asking.get("everything") or create_app(own))
    async with serve(app, own) as port:
        try:
            yield GatewayServer(port, app, database, tenant, own)
        finally:
            await close_all()


async def let_everything_be_due(station: Station) -> None:
    """Let each part of the server have something to send, and a command of an operator wait."""
    operator, server = station.operator, station.server
    await operator.put(f"{station.path}/desired-configuration", {"keys": {"HeartbeatInterval": "600"}})
    await operator.post("/local-lists", {"name": "all", "all_id_tags": True, "selector": {}})
    await operator.post(f"{station.path}/commands/ClearCache?when_offline=queue", {})
    leaf = issue("CP1", issue("Root of renewals", number=81), number=82, is_authority=False)
    async with server.database.tenant(server.tenant.id) as work:
        store, now = CertificateStore(work), server.services.clock.now()
        number = await store.add(described([leaf.certificate]), now)
        await store.set_state(number, "accepted", now)


async def open_issuers(server: GatewayServer) -> list[str]:
    """Return the issuers of the commands that are under way."""
    async with server.database.tenant(server.tenant.id) as work:
        rows = await work.connection.execute(
            text("select issued_by from commands where tenant_id = :id and state in ('queued', 'sent')"),
            {"id": server.tenant.id},
        )
    return [str(row.issued_by) for row in rows]


def answer_of(asked: Asked) -> dict[str, Any]:
    match asked.action:
        case "GetConfiguration":
            wanted = asked.payload.get("key", [])
            keys = [{"key": key, "readonly": False, "value": "1"} for key in wanted]
            return {"configurationKey": keys, "unknownKey": []}
        case "GetLocalListVersion":
            return {"listVersion": 0}
        case _:
            return {"status": "Accepted"}


async def next_call(station: Station) -> Asked:
    while not station.calls:
        await station._read()
    return station.calls.popleft()


@pytest.mark.slow
async def test_an_operator_is_never_behind_more_than_one_command_of_the_server(
    server: GatewayServer,
) -> None:
    await server.register("CP1")
    async with operating(server) as operator:
        client = await server.connect("CP1")
        station = Station(server, operator, "CP1", client)
        await station.boot()
        await client.close()
        await until(lambda: server.endpoint._registry.sessions() == [])
        await let_everything_be_due(station)
        await station.reconnect()
        seen: set[str] = set()
        wanted = {"ClearCache", "TriggerMessage", "ExtendedTriggerMessage", "GetLocalListVersion"}
        wanted |= {"GetConfiguration", "ChangeConfiguration"}
        async with asyncio.timeout(100):
            while not wanted <= seen:
                asked = await next_call(station)
                seen.add(asked.action)
                own = [issuer for issuer in await open_issuers(server) if issuer in OWN]
                # One that is recorded at the same instant as another is the exception.
                assert len(own) <= 2
                await operator.post(f"{station.path}/commands/Reset", {"type": "Soft"})
                station.answer(asked, answer_of(asked))
                # What is before it in the queue is an operator's, too, or was recorded at the same instant.
                between = []
                while (following := await next_call(station)).action != "Reset":
                    between.append(following.action)
                    station.answer(following, answer_of(following))
                assert len([action for action in between if action != "ClearCache"]) <= 1
                seen |= set(between)
                station.answer(following, {"status": "Rejected"})


async def test_a_storm_of_logins_is_bounded_in_memory() -> None:
    settings = SETTINGS.model_copy(
        update={"state_request_queue_limit": LOGINS, "local_list_login_limit": 500}
    )
    harness, none = Harness(settings), cast(Any, None)
    reconciler = ConfigurationReconciler(none, none, none, none, none, none, settings)
    lists = ListSynchronizer(none, none, none, none, settings)
    issuer = CertificateIssuer(none)
    waiting = object.__new__(WaitingCommands)
    waiting._logins = {}
    tasks = len(asyncio.all_tasks())
    listeners = [harness.requester, reconciler, lists, issuer, waiting]
    first = SessionHarness().connection
    connections = [login(first, number) for number in range(LOGINS)]
    # Each logs in three times.
    for connection in connections * 3:
        harness.sessions[connection.tenant_id, connection.identity] = cast(Any, connection)
        for listener in listeners:
            cast(Any, listener).logged_in(connection)
    assert len(asyncio.all_tasks()) == tasks
    assert (len(harness.requester), len(reconciler._logins), lists.waiting) == (LOGINS, LOGINS, 500)
    assert (len(issuer.logins), len(waiting._logins)) == (LOGINS, LOGINS)


def login(like: Connection, number: int) -> Connection:
    connection = copy(like)
    connection.identity = f"CP{number}"
    connection.charge_point_id = cast(Any, number)
    return connection
