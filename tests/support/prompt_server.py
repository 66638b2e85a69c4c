"""A uvicorn that runs beside the test, in its event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn


class PromptServer(uvicorn.Server):
    """A server that ends at once when it is told to. uvicorn's own looks ten times a second, and pauses."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # Let the connections see that they are closed.
        await asyncio.sleep(0)
        await self._wait_tasks_to_complete()
        await self.lifespan.shutdown()
