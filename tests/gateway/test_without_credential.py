"""A charge point that needs no credential: a stranger does not take the place of a connection that lives."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.gateway import registry as module
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.presence import Presence
from app.types import WorkerId
from tests.support.gateway import KEY, GatewayServer
from tests.support.live import TENANT, RecordingSession, SetClock, connection
from tests.support.raw_client import PING, PONG, RawClient


@pytest.fixture
async def open_point(gateway_server: GatewayServer) -> GatewayServer:
    """The server, with OPEN, which needs no credential and has one."""
    await gateway_server.register("OPEN", no_credential=True)
    return gateway_server


async def answer_pings(client: RawClient) -> None:
    while True:
        opcode, payload = await client.frame()
        if opcode == PING:
            client.send(payload, PONG)


async def test_a_connection_that_lives_keeps_its_place(open_point: GatewayServer) -> None:
    first = await open_point.attempt("OPEN")
    assert first.response.status == 101
    answering = asyncio.create_task(answer_pings(first))
    for _ in range(2):
        stranger = (await open_point.attempt("OPEN")).response
        assert (stranger.status, stranger.problem["code"]) == (409, "connected")
    assert not answering.done()
    # The key proves that it is the charge point.
    assert (await open_point.attempt("OPEN", password=KEY)).response.status == 101
    with pytest.raises((AssertionError, asyncio.IncompleteReadError)):
        await answering


async def test_a_connection_that_is_dead_gives_way(
    open_point: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    silent = await open_point.attempt("OPEN")
    assert (await open_point.attempt("OPEN")).response.status == 101
    assert await silent.close_code() == 4009


class Place:
    """One of two workers."""

    def __init__(self, redis: Redis, name: str) -> None:
        clock = SetClock()
        self.presence = Presence(redis, WorkerId(name), clock, lease_s=600.0)
        self.bus = CommandBus(redis, WorkerId(name), "secret of the test")
        self.registry = Registry(self.presence, self.bus, clock)

    async def start(self) -> None:
        await self.presence.start(self.registry)
        ignored = {kind: lambda envelope: None for kind in _others(self.registry)}
        await self.bus.start({**self.registry.receivers(), **ignored})

    async def close(self) -> None:
        await self.bus.close()
        await self.registry.close()
        await self.presence.close()


def _others(registry: Registry) -> set[type]:
    from app.live import command_bus

    return set(command_bus._TYPES) - registry.receivers().keys()


@pytest.fixture
async def places(redis: Redis) -> AsyncIterator[tuple[Place, Place]]:
    """Two workers on the Redis of the run."""
    first, second = Place(redis, "a"), Place(redis, "b")
    await first.start()
    await second.start()
    yield first, second
    await first.close()
    await second.close()


@pytest.mark.parametrize("is_alive", [True, False])
@pytest.mark.parametrize("asks", [0, 1])
async def test_a_connection_on_any_worker_is_asked(
    places: tuple[Place, Place], is_alive: bool, asks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_alive:
        monkeypatch.setattr(module, "ANSWER_S", 0.2)
    session = RecordingSession(connection(epoch=1), is_alive=is_alive)
    await places[0].registry.admit(session)
    asking = places[asks].registry
    assert await asyncio.gather(*(asking.is_held(TENANT, "RDAM-1") for _ in range(3))) == [is_alive] * 3
    assert not await asking.is_held(TENANT, "OTHER")
    assert not session.evicted
