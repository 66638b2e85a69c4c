"""Closes the sockets of charge points at a rate when a worker stops.

Otherwise all of them come back in the same second, and keep the workers that remain from serving others.
"""

import asyncio
from collections.abc import Iterable
from math import ceil
from typing import Any, Final

from app.gateway.websocket_connection import WebSocketConnection
from app.logs import get_logger

_STEP_S: Final = 0.1
LEAST_PER_S: Final = 100
"""Sockets that are closed per second at least: so many come back without a trace in the latency of others."""

_LOG = get_logger(__name__)


def sockets_per_step(count: int, drain_s: float) -> int:
    """Return how many of `count` sockets are closed in each step, so that all are closed after `drain_s`."""
    least = ceil(LEAST_PER_S * _STEP_S)
    return count if drain_s <= _STEP_S else max(least, ceil(count * _STEP_S / drain_s))


async def drain(connections: Iterable[Any], drain_s: float) -> None:
    """Close connections: those of HTTP now, those of charge points over `drain_s` seconds.

    connections: the protocols of the worker's sockets. It may change meanwhile.
    """
    sockets: list[WebSocketConnection] = []
    for connection in list(connections):
        if isinstance(connection, WebSocketConnection):
            sockets.append(connection)
        else:
            # It answers its request first. A handshake that is not decided is told to come again.
            connection.shutdown()
    if sockets:
        _LOG.info("sockets_draining", count=len(sockets))
    step = sockets_per_step(len(sockets), drain_s)
    while sockets:
        for socket in sockets[:step]:
            socket.shutdown()
        if sockets := sockets[step:]:
            await asyncio.sleep(_STEP_S)
            sockets = [socket for socket in sockets if socket.is_open]
