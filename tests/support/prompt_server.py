"""A uvicorn server that runs in the event loop of the test, and ends without waiting."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn


class PromptServer(uvicorn.Server):
    """A server that ends as soon as `ending` is set. uvicorn itself looks ten times a second, and waits."""

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
