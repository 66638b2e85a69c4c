"""A charge point on a real socket that answers commands as a test says, and remembers them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.support.gateway import GatewayServer
from tests.support.raw_client import CLOSE, TEXT, RawClient, frame_bytes

_BOOT = "boot"

Answering = Callable[[str, dict[str, Any]], dict[str, Any] | str | None]
"""Returns the payload of a result for action and payload, a code of a CALLERROR, or None for no answer."""


def agree(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Accept everything; configuration is empty."""
    return (
        {"configurationKey": [], "unknownKey": []} if action == "GetConfiguration" else {"status": "Accepted"}
    )


class AskedCharger:
    """The charge point. `asked`: what it was asked, as (action, payload)."""

    def __init__(self, client: RawClient, answering: Answering) -> None:
        self.client = client
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answering = answering
        self._results: dict[str, asyncio.Future[list[Any]]] = {}
        self._number = 0
        self._ids: list[str] = []
        self._new = asyncio.Event()

    @property
    def questions(self) -> list[str]:
        """The questions in short: the message and the connector of triggers, the action of others."""
        return [
            f"{payload['requestedMessage']} {payload.get('connectorId', '-')}"
            if action == "TriggerMessage"
            else action
            for action, payload in self.asked
        ]

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL, and return the frame that answers it."""
        self._number += 1
        unique_id = f"own-{self._number}"
        result = self.expect(unique_id)
        self.client.send(json.dumps([2, unique_id, action, payload]))
        return await asyncio.wait_for(result, 20)

    def expect(self, unique_id: str) -> "asyncio.Future[list[Any]]":
        """Return what the frame that answers a CALL of ours is put into."""
        self._results[unique_id] = asyncio.get_running_loop().create_future()
        return self._results[unique_id]

    def answer(self, place: int, payload: dict[str, Any]) -> None:
        """Answer a question that was not answered yet. place: in `asked`."""
        self.client.send(json.dumps([3, self._ids[place], payload]))

    async def until(self, count: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self._new.clear()
                await self._new.wait()

    async def read(self) -> None:
        """Read and answer until the socket ends."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while True:
                opcode, data = await self.client.frame()
                if opcode == CLOSE:
                    return
                if opcode == TEXT:
                    self._handle(json.loads(data))

    def _handle(self, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._results.pop(frame[1]).set_result(frame)
            return
        _, unique_id, action, payload = frame
        answer = self._answering(action, payload)
        self.asked.append((action, payload))
        self._ids.append(unique_id)
        self._new.set()
        if isinstance(answer, str):
            self.client.send(json.dumps([4, unique_id, answer, "", {}]))
        elif answer is not None:
            self.client.send(json.dumps([3, unique_id, answer]))


@contextlib.asynccontextmanager
async def charger(
    server: GatewayServer,
    identity: str,
    answering: Answering = agree,
    boot: dict[str, Any] | None = None,
) -> AsyncIterator[AskedCharger]:
    """Let a registered charge point log in. boot: a BootNotification that it sends with its handshake."""
    text = json.dumps([2, _BOOT, "BootNotification", boot])
    behind = b"" if boot is None else frame_bytes(text.encode())
    asked = AskedCharger(await server.connect(identity, behind=behind), answering)
    booted = asked.expect(_BOOT) if boot is not None else None
    reading = asyncio.create_task(asked.read())
    if booted is not None:
        assert (await asyncio.wait_for(booted, 20))[2]["status"] == "Accepted"
    try:
        yield asked
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await asked.client.close()
