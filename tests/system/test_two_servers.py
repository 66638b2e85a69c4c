"""Two servers on one database and one Redis: commands find the socket wherever it is, also after a death."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import ClientConnection, Operator, Served, connecting, serving

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Pair:
    """Two servers that go on after a test; a worker of the first may hang for five seconds."""

    first: Served
    second: Served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(settings: Settings) -> AsyncIterator[Pair]:
    hanging = settings.model_copy(update={"worker_silence_s": 5.0})
    async with serving(hanging) as first, serving(settings) as second:
        yield Pair(first, second)


async def _answer(socket: ClientConnection, payload: dict[str, Any]) -> list[Any]:
    """Take one CALL and answer it; the CALL."""
    async with asyncio.timeout(20):
        call: list[Any] = json.loads(await socket.recv())
    assert call[0] == 2
    await socket.send(json.dumps([3, call[1], payload]))
    return call


async def _goes_on(
    newer: ClientConnection, operator: Operator, identity: str, lost: asyncio.Task[dict[str, Any]]
) -> None:
    """Commands reach the newer connection; the one that the older had is lost, and said to be."""
    command = asyncio.create_task(operator.command(identity, "ClearCache", {}))
    await _answer(newer, {"status": "Accepted"})
    assert (await command)["state"] == "accepted"
    assert (await lost)["state"] == "connection_lost"


async def test_a_command_finds_the_socket_on_the_other_server_and_outlives_its_death(
    pair: Pair, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    second = pair.second
    # The first server is killed, so it is the test's own.
    async with serving(settings) as first, Operator(second.url, account.token) as operator:
        key = await operator.register("CP-1")
        async with connecting(first, account.slug, "CP-1", key) as socket:
            command = asyncio.create_task(operator.command("CP-1", "Reset", {"type": "Soft"}))
            call = await _answer(socket, {"status": "Accepted"})
            done = await command
            assert (done["id"], done["state"]) == (call[1], "accepted")
            assert (await operator.get("/charge-points/CP-1"))["connected"] is True

            # The first server dies with a command on the wire: its outcome is unknown, and said so.
            lost = asyncio.create_task(operator.command("CP-1", "Reset", {"type": "Hard"}, wait_s=60))
            async with asyncio.timeout(20):
                await socket.recv()
            await first.kill()
            async with connecting(second, account.slug, "CP-1", key) as newer:
                await _goes_on(newer, operator, "CP-1", lost)


async def test_a_worker_that_hangs_leaves_behind_what_a_dead_one_does(
    pair: Pair, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    first, second = pair.first, pair.second
    async with Operator(second.url, account.token) as operator:
        key = await operator.register("CP-3")
        async with connecting(first, account.slug, "CP-3", key) as socket:
            lost = asyncio.create_task(operator.command("CP-3", "Reset", {"type": "Hard"}, wait_s=60))
            async with asyncio.timeout(20):
                await socket.recv()
            first.hang_workers()
            await socket.wait_closed()
            async with connecting(first, account.slug, "CP-3", key) as newer:
                await _goes_on(newer, operator, "CP-3", lost)


async def test_the_newest_connection_wins_on_whichever_server_it_comes_in(
    pair: Pair, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    first, second = pair.first, pair.second
    async with Operator(first.url, account.token) as operator:
        key = await operator.register("CP-2")
        older = await connecting(first, account.slug, "CP-2", key)
        async with connecting(second, account.slug, "CP-2", key) as newer:
            async with asyncio.timeout(20):
                await older.wait_closed()
            assert older.close_code == 4009
            command = asyncio.create_task(operator.command("CP-2", "ClearCache", {}))
            await _answer(newer, {"status": "Accepted"})
            assert (await command)["state"] == "accepted"


async def test_a_command_finds_the_worker_of_one_server(
    database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    async with serving(settings, workers=2) as served, Operator(served.url, account.token) as operator:
        sockets = []
        for number in range(8):
            name = f"CP-{number + 10}"
            key = await operator.register(name)
            sockets.append((name, await connecting(served, account.slug, name, key)))
        for name, socket in sockets:
            # A client of its own each time: the kernel gives its connection to either worker.
            async with Operator(served.url, account.token) as caller:
                command = asyncio.create_task(caller.command(name, "ClearCache", {}))
                await _answer(socket, {"status": "Accepted"})
                assert (await command)["state"] == "accepted"
            await socket.close()
