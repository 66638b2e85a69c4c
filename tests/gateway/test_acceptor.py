"""Connections are accepted a few at a time. Those that wait for their turn cost nothing but a descriptor."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from app.gateway import accept_turns
from app.gateway.acceptor import Acceptor
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits
from app.gateway.limiter import parse_networks
from tests.gateway.test_anonymous_connections import GET, connect, hits, rest, serving
from tests.support.gateway import until


@pytest.fixture(autouse=True)
def no_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for each in opened:
        each.close()


async def test_a_flood_is_accepted_in_steps(
    crowd: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two steps the charge points are served."""
    steps: list[int] = []
    received: list[tuple[str, int]] = []
    accept, receive = Acceptor._accept, Acceptor._receive

    def counting_step(acceptor: Acceptor) -> None:
        before = len(received)
        accept(acceptor)
        steps.append(len(received) - before)

    def counting(acceptor: Acceptor, accepted: socket.socket, peer: tuple[str, int]) -> None:
        received.append(peer)
        receive(acceptor, accepted, peer)

    monkeypatch.setattr(Acceptor, "_accept", counting_step)
    monkeypatch.setattr(Acceptor, "_receive", counting)
    async with serving() as port:
        # The loop does not run meanwhile, so all of them are there at its next step. The backlog is 64.
        crowd.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(60))
        await until(lambda: len(received) == 60)
    assert max(steps) == 16


async def test_without_room_to_wait_the_oldest_of_a_crowd_is_closed() -> None:
    before = hits("anonymous_connections")
    async with serving(connections=3, per_address=1, accepts_per_s=0.001) as port:
        served, *waiting = [await connect(port, GET) for _ in range(5)]
        assert b"204" in await asyncio.wait_for(served[0].readuntil(b"\r\n\r\n"), 20)
        assert await rest(waiting[0][0]) == b""
        assert hits("anonymous_connections") == before + 1
        assert not any(reader.at_eof() for reader, _ in waiting[1:])


async def test_connections_that_wait_leave_descriptors_for_others() -> None:
    anonymous = AnonymousConnections(AnonymousLimits(capacity=4, accepts_per_s=0.001))
    before = hits("anonymous_connections")
    async with serving(anonymous=anonymous) as port:
        for _ in range(8):
            await connect(port, GET)
        # One is served, so three may wait.
        await until(lambda: hits("anonymous_connections") == before + 4)


async def test_a_peer_that_has_gone_takes_no_turn() -> None:
    async with serving(accepts_per_s=4) as port:
        await connect(port, GET)
        for _ in range(20):
            _, writer = await connect(port)
            writer.transport.abort()
        reader, _ = await connect(port, GET)
        # Twenty turns would take five seconds.
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 4)


async def test_each_connection_of_a_proxy_has_turns_of_its_own() -> None:
    """They are those of many clients, which must not wait behind one client without a proxy."""
    anonymous = AnonymousConnections(
        AnonymousLimits(per_address=1, accepts_per_s=0.001, proxies=parse_networks(["127.0.0.0/8"]))
    )
    async with serving(anonymous=anonymous) as port:
        before = hits("accept_rate")
        for _ in range(4):
            await connect(port, GET)
        await until(lambda: hits("accept_rate") == before + 3)
        assert len(anonymous._turns._waiting) == 3


async def test_those_that_wait_are_closed_when_the_worker_stops() -> None:
    readers: list[Any] = []
    async with serving(accepts_per_s=0.001) as port:
        readers.extend([(await connect(port, GET))[0] for _ in range(3)])
        await asyncio.wait_for(readers[0].readuntil(b"\r\n\r\n"), 20)
        accepted = hits("accept_rate")
        await connect(port)
        await until(lambda: hits("accept_rate") > accepted)
    assert [await rest(reader) for reader in readers[1:]] == [b"", b""]
