"""What a charge point still has to say: ordinary messages, and transaction messages that must arrive.

Transaction messages (StartTransaction, MeterValues of a transaction, StopTransaction) leave in the order in
which they happened and stay until they are answered (OCPP 1.6 3.7); each failure waits longer (3.7.1).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
BEFORE_ACCEPTED = frozenset({"BootNotification"})


@dataclass(slots=True)
class Transaction:
    """One charging session as the charge point remembers it. Times are virtual seconds."""

    connector_id: int
    id_tag: str
    started_s: float
    meter_start_wh: int
    transaction_id: int | None = None
    """Given by the answer to StartTransaction; -1 when that message had to be given up (errata 3.18)."""


@dataclass(slots=True)
class Request:
    """One CALL. `record` is its place in the transaction queue since power-up; None: an ordinary message."""

    message_id: str
    action: str
    payload: Json
    order: int
    record: int | None = None
    transaction: Transaction | None = None
    attempts: int = 0
    """Failures so far: CALLERROR or no answer in time. A lost connection is not one."""
    sent: bool = False

    def wire_payload(self) -> Json:
        """The payload with the transaction id filled in, which is known only once the start was answered."""
        if self.transaction is None or self.action == "StartTransaction":
            return self.payload
        known = self.transaction.transaction_id
        return {**self.payload, "transactionId": -1 if known is None else known}


@dataclass(slots=True)
class Outbox:
    """Both queues of one charge point, and the one message that is out."""

    transactional: deque[Request] = field(default_factory=deque)
    ordinary: deque[Request] = field(default_factory=deque)
    in_flight: Request | None = None
    discarded: int = 0
    """Transaction messages given up after the last attempt."""
    _held_until_s: float = 0.0

    def add(self, request: Request) -> None:
        """Queue a message behind those of its kind."""
        (self.ordinary if request.record is None else self.transactional).append(request)

    def take(self, now_s: float, *, accepted: bool) -> Request | None:
        """The message to send next; None while one is out or nothing may go.

        accepted: the charge point is Accepted; before that only BootNotification leaves (4.2).
        """
        if self.in_flight is not None:
            return None
        self.in_flight = self._next(now_s, accepted)
        return self.in_flight

    def _next(self, now_s: float, accepted: bool) -> Request | None:
        if not accepted:
            boot = next((row for row in self.ordinary if row.action in BEFORE_ACCEPTED), None)
            if boot is not None:
                self.ordinary.remove(boot)
            return boot
        head = self.transactional[0] if self.transactional and now_s >= self._held_until_s else None
        waiting = self._most_urgent()
        if waiting is not None and (
            head is None or waiting.action == "Authorize" or waiting.order < head.order
        ):
            self.ordinary.remove(waiting)
            return waiting
        return head

    def _most_urgent(self) -> Request | None:
        # A driver stands before the charge point: Authorize overtakes a long replay.
        authorize = next((row for row in self.ordinary if row.action == "Authorize"), None)
        return authorize or (self.ordinary[0] if self.ordinary else None)

    def answered(self, request: Request) -> None:
        """The message has its answer and leaves for good."""
        self._land(request)
        if request.record is not None and self.transactional and self.transactional[0] is request:
            self.transactional.popleft()

    def failed(self, request: Request, now_s: float, *, attempts: int, interval_s: float) -> bool:
        """The answer was an error, or none came. True: the message was given up.

        A transaction message waits `interval_s` times the failures so far; any other is not repeated.
        """
        self._land(request)
        request.attempts += 1
        if request.record is None:
            return True
        if request.attempts < max(1, attempts):
            self._held_until_s = now_s + interval_s * request.attempts
            return False
        self.transactional.remove(request)
        self.discarded += 1
        return True

    def disconnected(self) -> Request | None:
        """The socket is gone: ordinary messages die with it. Returns the one that was out."""
        lost, self.in_flight = self.in_flight, None
        self.ordinary.clear()
        self._held_until_s = 0.0
        return lost

    def next_s(self) -> float | None:
        """When the repeat of a failed message is due; None: nothing is held back."""
        return self._held_until_s if self.transactional and self._held_until_s else None

    def _land(self, request: Request) -> None:
        if self.in_flight is request:
            self.in_flight = None
