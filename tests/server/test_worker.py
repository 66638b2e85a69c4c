"""A worker's signs of life: from its event loop, until that ends, whether anybody reads them or not."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from app.server import worker
from app.server.channel import HEARTBEAT, READY


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_PERIOD_S", 0.01)
    # It is the collector of the tests as well.
    monkeypatch.setattr(worker, "_freeze_collector", lambda: None)


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The supervisor's end and the worker's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class _Application:
    """It ends when it is allowed to."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ending.set()
        await self.may_end.wait()
        await send({"type": "lifespan.shutdown.complete"})


class _Noting(worker.WorkerServer):
    """Notes that it spoke, heard or not."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config, channel)
        self.spoke = asyncio.Event()

    def _send(self, word: bytes) -> None:
        super()._send(word)
        self.spoke.set()


@contextlib.contextmanager
def _accepting() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


async def test_signs_of_life_go_on_while_a_worker_stops(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    loop = asyncio.get_running_loop()
    application = _Application()
    server = worker.WorkerServer(uvicorn.Config(application, lifespan="on", log_config=None), theirs)
    with _accepting() as accepting:
        serving = asyncio.create_task(server.serve([accepting]))
        assert await loop.sock_recv(ours, 1) == READY
        assert await loop.sock_recv(ours, 1) == HEARTBEAT
        ours.shutdown(socket.SHUT_WR)
        await application.ending.wait()
        with contextlib.suppress(BlockingIOError):
            while ours.recv(4096):
                pass
        assert await loop.sock_recv(ours, 1) == HEARTBEAT
        application.may_end.set()
        await serving


async def test_a_supervisor_that_does_not_read_holds_no_worker_up(
    channel: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channel
    loop = asyncio.get_running_loop()
    application = _Application()
    server = _Noting(uvicorn.Config(application, lifespan="on", log_config=None), theirs)
    # Otherwise it would be the test that is held up.
    assert not theirs.getblocking()
    with _accepting() as accepting:
        serving = asyncio.create_task(server.serve([accepting]))
        assert await loop.sock_recv(ours, 1) == READY
        with contextlib.suppress(BlockingIOError):
            while theirs.send(HEARTBEAT):
                pass
        server.spoke.clear()
        await server.spoke.wait()
        with contextlib.suppress(BlockingIOError):
            while ours.recv(4096):
                pass
        assert await loop.sock_recv(ours, 1) == HEARTBEAT
        application.may_end.set()
        ours.shutdown(socket.SHUT_WR)
        await serving
