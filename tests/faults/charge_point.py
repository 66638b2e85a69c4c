"""Virtual charge points that charge all the time, whatever happens to the server.

Like real ones they send one transaction message at a time, in order, and again until it is answered: under
the same message id or a new one, on the same socket or a new one. Sometimes they act as if an answer had been
lost, and send the message again.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.faults.ledger import Ledger, Message
from tests.support.server import ClientConnection, Place, connecting

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_COMES_AGAIN = (429, 503)
"""The refusals of a login that are not final: the server asks the charge point to come again."""


@dataclass(frozen=True)
class Habits:
    """How a charge point behaves.

    answer_s: for how long it waits for an answer, or for a connection; pause_s: the mean pause before a
    message; samples: MeterValues of a transaction; sent_again: the share of messages that it sends again
    although they are answered; same_id: the share of further tries that keep the message id; same_socket: the
    share of tries without an answer after which it stays connected.
    """

    answer_s: float = 10.0
    pause_s: float = 0.0
    samples: int = 3
    sent_again: float = 0.2
    same_id: float = 0.5
    same_socket: float = 0.0


class _Unanswered(Exception):
    """A CALLERROR instead of an answer. The charge point tries again (errata 3.2)."""


class ChargePoint:
    """One virtual charge point.

    place: where the server is, asked at each connection; answered and gave_up: called after each answer, and
    after each try without one.
    """

    def __init__(
        self, identity: str, key: str, tenant: str, place: Callable[[], Place], habits: Habits | None = None
    ) -> None:
        self.ledger = Ledger(identity)
        self.sessions = 0
        self.answered: Callable[[], None] = lambda: None
        self.gave_up: Callable[[], None] = lambda: None
        self._identity = identity
        self._key = key
        self._tenant = tenant
        self._place = place
        self._habits = habits or Habits()
        self._chance = random.Random(identity)
        self._socket: ClientConnection | None = None
        self._minute = 0
        self._meter = 0

    async def charge(self, sessions: int) -> None:
        """Charge so many times."""
        for _ in range(sessions):
            await self._session()
        await self._leave()

    async def charge_until(self, end: asyncio.Event) -> None:
        """Charge until the end is set, and finish the transaction."""
        while not end.is_set():
            await self._session()
        await self._leave()

    async def _session(self) -> None:
        start = await self._deliver(
            "StartTransaction",
            {"connectorId": 1, "idTag": "TAG", "meterStart": self._meter, "timestamp": self._time()},
        )
        transaction_id = start["transactionId"]
        for _ in range(self._habits.samples):
            self._meter += self._chance.randint(1, 200)
            sample = {"value": str(self._meter), "unit": "Wh"}
            values = [{"timestamp": self._time(), "sampledValue": [sample]}]
            await self._deliver(
                "MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": values}
            )
        await self._deliver(
            "StopTransaction",
            {
                "transactionId": transaction_id,
                "meterStop": self._meter,
                "timestamp": self._time(),
                "reason": self._chance.choice(("Local", "EVDisconnected", "Remote")),
            },
        )
        self.sessions += 1

    async def _deliver(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(self._chance.uniform(0, 2 * self._habits.pause_s))
        message = self.ledger.begin(action, payload)
        wanted = 2 if self._chance.random() < self._habits.sent_again else 1
        while len(message.answers) < wanted:
            try:
                await self._try(message)
                self.answered()
            except _Unanswered:
                await self._wait_a_little()
            except InvalidStatus as refusal:
                if refusal.response.status_code not in _COMES_AGAIN:
                    self.ledger.refused_logins.append(refusal.response.status_code)
                await self._hang_up()
            except TimeoutError:
                if self._chance.random() < self._habits.same_socket:
                    self.gave_up()
                else:
                    await self._hang_up()
            except (OSError, EOFError, ConnectionClosed, InvalidHandshake):
                await self._hang_up()
        return message.answers[0]

    async def _try(self, message: Message) -> None:
        """Send a message once, and wait for an answer to any of its tries."""
        if self._socket is None:
            self._socket = await connecting(
                self._place(), self._tenant, self._identity, self._key, open_timeout_s=self._habits.answer_s
            )
        unique_id = self._next_id(message)
        self.ledger.sending(message, unique_id)
        async with asyncio.timeout(self._habits.answer_s):
            await self._socket.send(json.dumps([2, unique_id, message.action, message.payload]))
            while True:
                frame = json.loads(await self._socket.recv())
                if frame[0] == 2:
                    self.ledger.calls[frame[1]] += 1
                    await self._socket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
                elif self.ledger.received(frame) is message:
                    if frame[0] == 4:
                        raise _Unanswered
                    return

    def _next_id(self, message: Message) -> str:
        if message.unique_ids and self._chance.random() < self._habits.same_id:
            return message.unique_ids[-1]
        return str(UUID(int=self._chance.getrandbits(128)))

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()
        await self._wait_a_little()

    async def _wait_a_little(self) -> None:
        """Wait before the next try, as a charge point does. Nothing depends on the length."""
        self.gave_up()
        await asyncio.sleep(self._chance.uniform(0.02, 0.2))

    async def _leave(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    def _time(self) -> str:
        self._minute += 1
        return (_EPOCH + timedelta(minutes=self._minute)).isoformat().replace("+00:00", "Z")
