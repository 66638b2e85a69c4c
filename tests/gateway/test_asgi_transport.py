"""Writing through an ASGI server: at once when it takes it, in order when it does not, and not for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from app.gateway import asgi_transport as module
from app.gateway.asgi_transport import AsgiTransport
from app.gateway.transport import OUTBOUND_LIMIT_BYTES


class Server:
    """An ASGI `send` that can be blocked, as by a peer that does not read."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.free = asyncio.Event()
        self.free.set()
        self.aborted = asyncio.Event()
        self.gone = False

    async def send(self, message: dict[str, Any]) -> None:
        await self.free.wait()
        if self.gone:
            raise ConnectionResetError
        self.taken.append(message.get("text") or message.get("code"))


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def transport(server: Server) -> AsyncIterator[AsgiTransport]:
    transport = AsgiTransport(server.send, server.aborted.set)
    transport.open()
    yield transport
    transport.closed()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_free_server_takes_a_message_without_a_switch(
    server: Server, transport: AsgiTransport
) -> None:
    transport.write("a")
    assert server.taken == ["a"]


async def test_what_is_sent_before_the_handshake_waits_for_it(server: Server) -> None:
    transport = AsgiTransport(server.send, server.aborted.set)
    transport.write("a")
    transport.close(4009, "superseded")
    assert server.taken == []
    transport.open()
    assert server.taken == ["a", 4009]


async def test_messages_keep_their_order_behind_a_slow_reader(
    server: Server, transport: AsgiTransport
) -> None:
    server.free.clear()
    for text in "abc":
        transport.write(text)
    transport.close(1001, "going away")
    assert server.taken == []
    server.free.set()
    await settle()
    assert server.taken == ["a", "b", "c", 1001]
    assert not server.aborted.is_set()


async def test_after_a_jam_messages_go_straight_again(server: Server, transport: AsgiTransport) -> None:
    server.free.clear()
    transport.write("a")
    server.free.set()
    await settle()
    transport.write("b")
    assert server.taken == ["a", "b"]


async def test_a_reader_too_slow_for_the_buffer_is_cut_off(server: Server, transport: AsgiTransport) -> None:
    server.free.clear()
    transport.write("first")
    for _ in range(5):
        transport.write("x" * (OUTBOUND_LIMIT_BYTES // 4))
    assert server.aborted.is_set()


async def test_a_reader_that_makes_no_room_in_time_is_cut_off(
    server: Server, transport: AsgiTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_DEADLINE_S", 0.01)
    server.free.clear()
    transport.write("a")
    await asyncio.wait_for(server.aborted.wait(), 10)


async def test_a_peer_that_is_gone_is_no_error(server: Server, transport: AsgiTransport) -> None:
    server.gone = True
    transport.write("a")
    transport.write("b")
    server.gone = False
    transport.write("c")
    assert server.taken == []


async def test_a_peer_that_goes_during_a_jam_is_no_error(server: Server, transport: AsgiTransport) -> None:
    server.free.clear()
    transport.write("a")
    transport.write("b")
    server.gone = True
    server.free.set()
    await settle()
    assert server.taken == []
    assert not server.aborted.is_set()


async def waited(waiting: Awaitable[None] | None) -> None:
    assert waiting is not None
    await waiting


async def test_reading_waits_until_it_is_resumed(transport: AsgiTransport) -> None:
    transport.pause_reading()
    waiting = transport.readable
    transport.resume_reading()
    await asyncio.wait_for(waited(waiting), 10)


async def test_closing_lets_the_reading_go_on_to_the_end(transport: AsgiTransport) -> None:
    transport.pause_reading()
    waiting = transport.readable
    transport.close(1008, "policy")
    await asyncio.wait_for(waited(waiting), 10)
