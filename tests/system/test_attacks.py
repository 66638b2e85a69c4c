"""Strangers attack a server from many addresses: its worker keeps its memory, and charge points are served.

All attacks together may cost 50 MB: memory that was taken is seldom given back to the system, so each one is
compared with the beginning. The addresses are those of the loopback network.
"""

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest
import pytest_asyncio

from app.database.database import Database
from app.server.supervisor import raise_file_limit
from app.settings import Settings
from app.tenants.store import TenantStore
from tests.support.account import open_account
from tests.support.server import ClientConnection, Operator, Served, connecting, serving

GROWTH_LIMIT_BYTES = 50_000_000
ADDRESSES = [f"127.1.0.{number}" for number in range(1, 41)]
BODY = b'{"frame": [2, "1", "Heartbeat", {"x": "' + b"x" * 250_000 + b'"}]}'
VALIDATE = b"POST /v1/protocols/ocpp-16j/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
METER_VALUES = {
    "connectorId": 1,
    "meterValue": [{"timestamp": "2026-05-01T12:00:00Z", "sampledValue": [{"value": "1"}]}],
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Target:
    """The server, and a charge point that is logged in."""

    def __init__(self, served: Served, charge_point: ClientConnection, slug: str) -> None:
        self.port = int(served.url.rsplit(":", 1)[1])
        self.slug = slug
        self._served = served
        self._charge_point = charge_point
        self._writers: list[asyncio.StreamWriter] = []
        self._sent = 0
        self.memory_at_first_bytes = 0

    def memory_bytes(self) -> int:
        (worker,) = self._served.workers()
        status = Path(f"/proc/{worker}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])

    async def connect(self, address: str, sent: bytes = b"") -> asyncio.StreamReader | None:
        """Open a connection from an address, and send. Return None if the server has closed it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
            self._writers.append(writer)
            writer.write(sent)
            await writer.drain()
        except ConnectionError:
            return None
        return reader

    async def from_everywhere(self, each: int, sent: bytes) -> list[asyncio.StreamReader]:
        """Open connections from all addresses, `each` of each, and send the same."""
        readers = []
        for _ in range(each):
            found = await asyncio.gather(*(self.connect(address, sent) for address in ADDRESSES))
            readers += [reader for reader in found if reader is not None]
        return readers

    async def serves(self) -> bool:
        """Send MeterValues, and return whether they are acknowledged."""
        self._sent += 1
        call = [2, f"m{self._sent}", "MeterValues", METER_VALUES]
        await self._charge_point.send(json.dumps(call))
        async with asyncio.timeout(60):
            answer = json.loads(await self._charge_point.recv())
        return bool(answer == [3, f"m{self._sent}", {}])

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(database: Database, settings: Settings) -> AsyncIterator[Target]:
    """Serve with one worker, and log a charge point in."""
    raise_file_limit()
    async with database.platform() as work:
        tenant = await TenantStore(work).create("attacked", "Tenant of the tests")
    account = await open_account(database, settings, tenant)
    async with serving(settings) as served, Operator(served.url, account.token) as operator:
        key = await operator.register("CP")
        async with connecting(served, account.slug, "CP", key) as charge_point:
            boot = [2, "b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]
            await charge_point.send(json.dumps(boot))
            assert json.loads(await charge_point.recv())[2]["status"] == "Accepted"
            made = Target(served, charge_point, account.slug)
            # The first request loads what stays.
            readers = await made.from_everywhere(1, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.gather(*(reader.read(1) for reader in readers))
            made.leave()
            made.memory_at_first_bytes = made.memory_bytes()
            yield made


async def endless_heads(target: Target) -> None:
    async def one(address: str) -> None:
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(address, 0))
            writer.write(b"GET / HTTP/1.1\r\n")
            for _ in range(20):
                writer.write(b"a:b\r\n" * 20_000)
                await writer.drain()
            writer.transport.abort()

    await asyncio.gather(*(one(address) for address in ADDRESSES))


async def half_heads(target: Target) -> None:
    await target.from_everywhere(60, b"GET / HTTP/1.1\r\na: " + b"x" * 30_000)


async def slow_heads(target: Target) -> None:
    await target.from_everywhere(60, b"GET / HTTP/1.1\r\n")


async def half_bodies(target: Target) -> None:
    await target.from_everywhere(15, VALIDATE + b"Content-Length: 262144\r\n\r\n" + b"x" * 200_000)


async def endless_chunks(target: Target) -> None:
    head = VALIDATE + b"Transfer-Encoding: chunked\r\n\r\n"
    await target.from_everywhere(10, head + b"1\r\nx\r\n" * 60_000)


async def unread_answers(target: Target) -> None:
    for reader in await target.from_everywhere(5, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 8):
        reader._transport.pause_reading()  # type: ignore[attr-defined]


async def validations(target: Target) -> None:
    request = VALIDATE + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    readers = await target.from_everywhere(5, request)
    await asyncio.gather(*(reader.read(1) for reader in readers), return_exceptions=True)


async def wrong_logins(target: Target) -> None:
    secret = b64encode(b"CP:guess").decode()
    head = (
        f"GET /ocpp/{target.slug}/CP HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Authorization: Basic {secret}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
    )
    readers = await target.from_everywhere(15, head.encode())
    await asyncio.gather(*(reader.read(1) for reader in readers), return_exceptions=True)


Attack = Callable[[Target], Coroutine[None, None, None]]
ATTACKS: list[Attack] = [
    slow_heads,
    endless_heads,
    half_heads,
    half_bodies,
    endless_chunks,
    unread_answers,
    validations,
    wrong_logins,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
async def test_an_attack_costs_little_memory_and_charge_points_are_served(
    target: Target, attack: Attack
) -> None:
    before = highest = target.memory_bytes()
    try:
        attacking = asyncio.create_task(attack(target))
        while not attacking.done():
            assert await target.serves()
            highest = max(highest, target.memory_bytes())
            await asyncio.sleep(0.02)
        await attacking
        highest = max(highest, target.memory_bytes())
        assert await target.serves()
    finally:
        target.leave()
    assert highest - before <= GROWTH_LIMIT_BYTES
    # What an attack leaves behind serves the next one.
    assert highest - target.memory_at_first_bytes <= 2 * GROWTH_LIMIT_BYTES
