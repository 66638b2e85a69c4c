"""A central system that breaks the schemas, to see that a client of others notices it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.system.clients.bench import IDENTITY, Door, free_port, until
from tests.system.clients.peer import Peer

BROKEN_CALL = [2, "1", "ChangeConfiguration", {"key": "HeartbeatInterval"}]
"""A request without its `value`."""


@asynccontextmanager
async def careless_door() -> AsyncIterator[Door]:
    """Serve one charge point: each message of it is answered wrongly, after a request that is wrong, too."""
    port = free_port()

    async def answer(connection: ServerConnection) -> None:
        await connection.send(json.dumps(BROKEN_CALL))
        async for text in connection:
            frame: list[Any] = json.loads(text)
            if frame[0] == 2:
                await connection.send(json.dumps([3, frame[1], {"currentTime": 7}]))

    async with serve(answer, "127.0.0.1", port, subprotocols=["ocpp1.6"]):  # type: ignore[list-item]
        yield Door(f"ws://127.0.0.1:{port}/ocpp/acme", IDENTITY, "00" * 20, None)


async def expect_violations(peer: Peer) -> None:
    """Check that the wrong request and the wrong answer are noticed."""

    async def violations() -> int:
        return len(peer.violations)

    await until(violations, lambda count: count > 0, lambda: "no violation")
    assert "ChangeConfiguration" in peer.violations[0]
    assert peer.asked == []
    with pytest.raises(Exception, match="string"):
        await peer.call("Heartbeat", {})
