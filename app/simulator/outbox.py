"""The messages that a charge point has yet to send: ordinary ones, and those of transactions.

Transaction messages (StartTransaction, MeterValues of a transaction, StopTransaction) are sent in the order
of their events and kept until they are answered (OCPP 1.6 3.7). Each failure makes the next pause longer
(3.7.1).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
BEFORE_ACCEPTED = frozenset({"BootNotification"})


@dataclass(slots=True)
class VirtualTransaction:
    """One transaction in the memory of the charge point. Times are virtual seconds."""

    connector_id: int
    id_tag: str
    started_s: float
    meter_start_wh: int
    transaction_id: int | None = None
    """From the answer to StartTransaction; -1 if that message was given up (errata 3.18)."""


@dataclass(slots=True)
class Request:
    """One CALL. `record` counts the transaction messages since power-up; None for an ordinary message."""

    message_id: str
    action: str
    payload: Json
    order: int
    record: int | None = None
    transaction: VirtualTransaction | None = None
    attempts: int = 0
    """Failures so far: CALLERROR or time-out. A lost connection does not count."""
    sent: bool = False

    def payload_to_send(self) -> Json:
        """Return the payload with the transaction id, which is known only once the start was answered."""
        if self.transaction is None or self.action == "StartTransaction":
            return self.payload
        known = self.transaction.transaction_id
        return {**self.payload, "transactionId": -1 if known is None else known}


@dataclass(slots=True)
class Outbox:
    """Both queues of one charge point, and the one message that is in flight."""

    transactional: deque[Request] = field(default_factory=deque)
    ordinary: deque[Request] = field(default_factory=deque)
    in_flight: Request | None = None
    discarded: int = 0
    """Transaction messages that were given up after the last attempt."""
    _held_until_s: float = 0.0

    def add(self, request: Request) -> None:
        """Queue a message after those of its kind."""
        (self.ordinary if request.record is None else self.transactional).append(request)

    def take(self, now_s: float, *, accepted: bool) -> Request | None:
        """Return the message to send next; None while one is in flight or none may be sent.

        accepted: whether the registration is Accepted; before that only BootNotification is sent (4.2).
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
        # A driver waits at the charge point, so Authorize is sent before a long queue.
        authorize = next((row for row in self.ordinary if row.action == "Authorize"), None)
        return authorize or (self.ordinary[0] if self.ordinary else None)

    def answered(self, request: Request) -> None:
        """Remove a message that was answered."""
        self._clear_in_flight(request)
        if request.record is not None and self.transactional and self.transactional[0] is request:
            self.transactional.popleft()

    def failed(self, request: Request, now_s: float, *, attempts: int, interval_s: float) -> bool:
        """Handle an error or a missing answer; return whether the message was given up.

        A transaction message waits for `interval_s` times its failures; another one is not repeated.
        """
        self._clear_in_flight(request)
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
        """Handle a lost connection: drop ordinary messages and return the one that was in flight."""
        lost, self.in_flight = self.in_flight, None
        self.ordinary.clear()
        self._held_until_s = 0.0
        return lost

    def next_s(self) -> float | None:
        """Return when a failed message is repeated; None if none is held back."""
        return self._held_until_s if self.transactional and self._held_until_s else None

    def _clear_in_flight(self, request: Request) -> None:
        if self.in_flight is request:
            self.in_flight = None
