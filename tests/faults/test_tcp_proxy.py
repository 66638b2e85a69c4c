"""The proxy of the rig does what it says, in the direction that it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.eventually import eventually
from tests.support.tcp_proxy import Streams, TcpProxy


@asynccontextmanager
async def _echoing() -> AsyncIterator[tuple[TcpProxy, list[bytes]]]:
    """A server that sends back what it gets, behind a proxy, and what it got."""
    received: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            received.append(data)
            writer.write(data)
        received.append(b"")
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, TcpProxy(lambda: asyncio.open_connection("127.0.0.1", port)).listening() as proxy:
        yield proxy, received


@asynccontextmanager
async def _connected(proxy: TcpProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _turns(count: int = 20) -> None:
    """Let everything happen that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _until_received(received: list[bytes], text: bytes) -> None:
    async def read() -> bytes:
        return b"".join(received)

    await eventually(read, lambda found: found == text)


async def test_it_passes_bytes_and_ends_on() -> None:
    async with _echoing() as (proxy, received), _connected(proxy) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        assert received == [b"hello", b""]


async def test_while_it_hangs_nothing_passes_not_even_an_end() -> None:
    async with _echoing() as (proxy, received), _connected(proxy) as (reader, writer):
        writer.write(b"first")
        await reader.readexactly(5)
        proxy.hang()
        writer.write(b"second")
        writer.write_eof()
        await _turns()
        assert received == [b"first"]
        proxy.heal()
        assert await reader.read() == b"second"
        assert received[-1] == b""


async def test_one_direction_can_hang_alone() -> None:
    async with _echoing() as (proxy, received), _connected(proxy) as (reader, writer):
        proxy.answers.hang()
        writer.write(b"hello")
        await _until_received(received, b"hello")
        answer = asyncio.ensure_future(reader.readexactly(5))
        await _turns()
        assert not answer.done()
        proxy.heal()
        assert await answer == b"hello"


async def test_it_drips_in_pieces() -> None:
    async with _echoing() as (proxy, received), _connected(proxy) as (reader, writer):
        proxy.requests.slow(0.001, 2)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert all(len(data) <= 2 for data in received[:1])


async def test_cut_connections_are_reset_and_new_ones_are_accepted() -> None:
    async with _echoing() as (proxy, _):
        async with _connected(proxy) as (reader, writer):
            writer.write(b"hello")
            await reader.readexactly(5)
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        async with _connected(proxy) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"


async def test_while_it_refuses_new_connections_are_reset_too() -> None:
    async with _echoing() as (proxy, _):
        proxy.refuse()
        async with _connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        proxy.heal()
        async with _connected(proxy) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
