"""A worker that stops closes the sockets of charge points at a rate, and everything else at once."""

import asyncio
from typing import Any

import pytest

from app.gateway.websocket_connection import WebSocketConnection
from app.server.drain import drain, sockets_per_step


class Socket(WebSocketConnection):
    """A socket of a charge point that is told to close."""

    def __init__(self, closed: list["Socket"]) -> None:
        super().__init__(asyncio.get_running_loop())
        self._closed = closed
        self.leaves = False

    @property
    def is_open(self) -> bool:
        return not self.leaves

    def shutdown(self) -> None:
        self._closed.append(self)


class Http:
    """A connection of a REST client."""

    def __init__(self) -> None:
        self.closed = 0

    def shutdown(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("count", "drain_s", "in_each_step"),
    [
        (10_000, 30.0, 34),
        (3_000, 30.0, 10),
        # A hundred a second do not disturb others.
        (5, 30.0, 10),
        (100, 600.0, 10),
        (100_000, 30.0, 334),
        (500, 0.0, 500),
        (0, 30.0, 10),
    ],
)
def test_all_sockets_are_closed_within_the_drain(count: int, drain_s: float, in_each_step: int) -> None:
    assert sockets_per_step(count, drain_s) == in_each_step
    assert in_each_step * max(1, drain_s * 10) >= count


async def test_sockets_are_closed_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Socket] = []
    steps: list[int] = []
    sockets = [Socket(closed) for _ in range(35)]
    connections: set[Any] = {*sockets, http := Http()}

    async def step(_: float) -> None:
        assert http.closed == 1
        steps.append(len(closed))
        # Four that have not been told to yet leave by themselves.
        for socket in [socket for socket in sockets if socket not in closed and not socket.leaves][:4]:
            socket.leaves = True
            connections.discard(socket)

    monkeypatch.setattr(asyncio, "sleep", step)
    await drain(connections, 30.0)
    assert steps == [10, 20]
    assert len(closed) + sum(socket.leaves and socket not in closed for socket in sockets) == 35


async def test_a_few_sockets_are_closed_at_once() -> None:
    closed: list[Socket] = []
    sockets = [Socket(closed) for _ in range(10)]
    await drain(set(sockets), 30.0)
    assert len(closed) == 10
