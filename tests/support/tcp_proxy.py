"""A TCP proxy in front of the embedded PostgreSQL, which can hang: it accepts, and nothing is answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

_BYTES = 65_536


class TcpProxy:
    """Passes bytes on between TCP clients and a Unix socket."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def hang(self) -> None:
        """Stop passing bytes on. New connections are accepted, and hang too."""
        self._flows.clear()

    def resume(self) -> None:
        """Pass bytes on again, also those that came meanwhile."""
        self._flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self._writers.append(writer)
        await self._flows.wait()
        there_reader, there_writer = await asyncio.open_unix_connection(self._socket_path)
        self._writers.append(there_writer)
        for source, target in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_BYTES):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        target.close()


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """Yield a proxy in front of the PostgreSQL of a test run, and the URL that leads through it."""
    parts = urlsplit(database_url)
    [directory] = parse_qs(parts.query)["host"]
    proxy = TcpProxy(f"{directory}/.s.PGSQL.5432")
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    finally:
        server.close()
        await proxy.close()
