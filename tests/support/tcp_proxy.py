"""A TCP proxy that can cut, hang, delay and drip, in both directions or in one."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

_BYTES = 65_536
_NO_LINGER = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Direction:
    """How bytes pass in one direction.

    flows: cleared, nothing passes, not even the end of a connection; pause_s and piece_bytes: each piece of
    that many bytes waits for that long.
    """

    def __init__(self) -> None:
        self.flows = asyncio.Event()
        self.heal()

    def hang(self) -> None:
        """Stop passing bytes on. They are kept."""
        self.flows.clear()

    def slow(self, pause_s: float, piece_bytes: int = _BYTES) -> None:
        """Pass bytes on in pieces, each after a pause."""
        self.pause_s, self.piece_bytes = pause_s, piece_bytes

    def heal(self) -> None:
        """Pass everything on at once, also what came meanwhile."""
        self.slow(0.0)
        self.flows.set()

    async def pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass bytes on until the source ends, and then that it ended, or that it was reset."""
        try:
            while data := await source.read(_BYTES):
                while data:
                    await asyncio.sleep(self.pause_s)
                    await self.flows.wait()
                    piece, data = data[: self.piece_bytes], data[self.piece_bytes :]
                    target.write(piece)
                    await target.drain()
            await self.flows.wait()
            target.write_eof()
        except OSError:
            await self.flows.wait()
            _reset(target)


class TcpProxy:
    """Passes bytes on between clients and a server. dial: opens a connection to the server."""

    def __init__(self, dial: Callable[[], Awaitable[Streams]]) -> None:
        self.port = 0
        self.requests = Direction()
        self.answers = Direction()
        self._dial = dial
        self._refuses = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def hang(self) -> None:
        """Stop passing bytes on. New connections are accepted, and hang too."""
        self.requests.hang()
        self.answers.hang()

    def slow(self, pause_s: float, piece_bytes: int = _BYTES) -> None:
        """Pass bytes on in pieces, each after a pause."""
        self.requests.slow(pause_s, piece_bytes)
        self.answers.slow(pause_s, piece_bytes)

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            _reset(writer)

    def refuse(self) -> None:
        """Reset all connections, and each new one."""
        self._refuses = True
        self.cut()

    def heal(self) -> None:
        """Pass everything on at once, also what came meanwhile."""
        self._refuses = False
        self.requests.heal()
        self.answers.heal()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["TcpProxy"]:
        """Listen on a free port of the loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._refuses:
                raise ConnectionRefusedError
            there_reader, there_writer = await self._dial()
        except OSError:
            _reset(writer)
            return
        task = asyncio.create_task(self._pass_on((reader, writer), (there_reader, there_writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, client: Streams, server: Streams) -> None:
        writers = {client[1], server[1]}
        self._writers |= writers
        try:
            await asyncio.gather(
                self.requests.pass_on(client[0], server[1]), self.answers.pass_on(server[0], client[1])
            )
        finally:
            self._writers -= writers
            for writer in writers:
                writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, and let the other side know by a reset."""
    if not writer.is_closing():
        opened: socket.socket = writer.get_extra_info("socket")
        if opened.family != socket.AF_UNIX:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """Yield a proxy in front of the PostgreSQL of a test run, and the URL that leads through it."""
    parts = urlsplit(database_url)
    [directory] = parse_qs(parts.query)["host"]
    async with TcpProxy(
        lambda: asyncio.open_unix_connection(f"{directory}/.s.PGSQL.5432")
    ).listening() as proxy:
        yield proxy, f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"
