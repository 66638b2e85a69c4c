"""Charge points that record every transaction message that they sent, and every answer.

Like real ones they send one message at a time, in order, and send it again after each lost connection until
it is answered. Sometimes they act as if an answer had been lost, and send it again.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.support.server import ClientConnection, Served, connecting

_ANSWER_S = 10.0
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Message:
    """One transaction message and all answers to it. `tries`: how often it was sent."""

    action: str
    payload: dict[str, Any]
    tries: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class LedgeredChargePoint:
    """One charge point of the swarm."""

    identity: str
    key: str
    tenant: str
    random: random.Random
    ledger: list[Message] = field(default_factory=list)
    _socket: ClientConnection | None = None
    _minute: int = 0

    async def charge(self, served: Callable[[], Served], sessions: int, progress: Callable[[], None]) -> None:
        """Charge several times, whatever happens to the server meanwhile."""
        meter = 0
        for _ in range(sessions):
            start = await self._deliver(
                served,
                "StartTransaction",
                {"connectorId": 1, "idTag": "TAG", "meterStart": meter, "timestamp": self._time()},
            )
            transaction_id = start["transactionId"]
            for _ in range(3):
                meter += 100
                sample = {"value": str(meter), "unit": "Wh"}
                values = [{"timestamp": self._time(), "sampledValue": [sample]}]
                await self._deliver(
                    served,
                    "MeterValues",
                    {"connectorId": 1, "transactionId": transaction_id, "meterValue": values},
                )
            await self._deliver(
                served,
                "StopTransaction",
                {"transactionId": transaction_id, "meterStop": meter, "timestamp": self._time()},
            )
            progress()
        if self._socket is not None:
            await self._socket.close()

    async def _deliver(
        self, served: Callable[[], Served], action: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        message = Message(action, payload)
        self.ledger.append(message)
        answers_wanted = 2 if self.random.random() < 0.2 else 1
        while len(message.answers) < answers_wanted:
            try:
                socket = await self._connected(served)
                message.tries += 1
                message.answers.append(await self._ask(socket, action, payload))
            except InvalidStatus as refusal:
                # 503: the database is not available yet. Any other refusal would be final.
                if refusal.response.status_code != 503:
                    raise
                await self._hang_up()
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                await self._hang_up()
        return message.answers[0]

    async def _ask(self, socket: ClientConnection, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send one CALL with a new id. A CALLERROR does not count as an answer (errata 3.2)."""
        unique_id = str(UUID(int=self.random.getrandbits(128)))
        await socket.send(json.dumps([2, unique_id, action, payload]))
        async with asyncio.timeout(_ANSWER_S):
            while True:
                answer = json.loads(await socket.recv())
                if answer[:2] == [3, unique_id]:
                    result: dict[str, Any] = answer[2]
                    return result
                if answer[:2] == [4, unique_id]:
                    assert answer[2] == "InternalError", answer
                    raise TimeoutError

    async def _connected(self, served: Callable[[], Served]) -> ClientConnection:
        if self._socket is None:
            self._socket = await connecting(served(), self.tenant, self.identity, self.key)
        return self._socket

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()
        # A short pause between retries. No test depends on its length.
        await asyncio.sleep(self.random.uniform(0.02, 0.2))

    def _time(self) -> str:
        self._minute += 1
        return (_EPOCH + timedelta(minutes=self._minute)).isoformat().replace("+00:00", "Z")
