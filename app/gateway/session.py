"""One charge point, from its login to its end: frames in, effects out. Knows no socket and no ASGI.

The core's `Link` decides what a frame means; the session carries out the effects. CALLs of the charge point
are answered one at a time in their order (OCPP 1.6 3.7); results of our CALLs are taken at once, so the
directions cannot block each other. Nothing runs for a session that has nothing to do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

import orjson

from app import metrics
from app.clock import Clock
from app.csms.connection import Connection
from app.csms.dispatch import LEDGER_ONLY_ACTIONS, Dispatcher
from app.errors import AppError, CallFailed
from app.gateway.budget import FrameBudget, UnreadableWindow
from app.gateway.frame_facts import as_internal_error, deviations_of, internal_error_for, payload_of
from app.gateway.lane import Lane, Work
from app.gateway.tally import Tally
from app.gateway.transport import Transport
from app.ids import CommandId
from app.logs import get_logger
from app.ocpp import CallSent, Dispatch, Effect, Ignored, Link, Refused, Resolve, Send
from app.ocpp.v16 import BILLING_ACTIONS
from app.store.database import Database
from app.store.entries import InvalidRecord
from app.store.records import Direction, Json

log = get_logger(__name__)

CLOSE_GOING_AWAY: Final = 1001
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_POLICY: Final = 1008
CLOSE_TOO_BIG: Final = 1009
CLOSE_SUPERSEDED: Final = 4009
"""A newer connection of the same charge point has taken over (4000-4999: private use, RFC 6455 7.4.2)."""

_UNREADABLE_REASONS: Final = frozenset({"unreadable", "unknown_message_type"})
_RATE: Final = 1
_QUEUE_FULL: Final = 2


class CommandResults(Protocol):
    """Who is told what became of our CALLs."""

    async def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket."""

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended."""


class Watcher(Protocol):
    """Who calls `Session.tick` while the session has a deadline."""

    def watch(self, session: "Session") -> None:
        """Call `tick` from now on, until it returns False."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one charge point may do. bytes are UTF-8 bytes, `inbound_queue` counts CALLs that wait."""

    frame_bytes: int
    frame_unregistered_bytes: int
    inbound_queue: int
    rate_per_s: float
    rate_burst: int


@dataclass(frozen=True, slots=True)
class SessionServices:
    """What all sessions of a worker share."""

    database: Database
    dispatcher: Dispatcher
    commands: CommandResults
    clock: Clock
    limits: SessionLimits
    tally: Tally
    watcher: Watcher
    call_later: Callable[[float, Callable[[], None]], object]


class _RefusedBilling(NamedTuple):
    """A billing CALL that was refused for its structure: to be kept before the CALLERROR goes out."""

    action: str
    raw: str
    answer: str


class Session:
    """Frames of one charge point. All methods return at once."""

    __slots__ = (
        "_budget",
        "_closed",
        "_inbound",
        "_link",
        "_pauses",
        "_results",
        "_services",
        "_transport",
        "_unreadable",
        "connection",
    )

    def __init__(
        self, connection: Connection, link: Link, transport: Transport, services: SessionServices
    ) -> None:
        self.connection = connection
        self._link = link
        self._transport = transport
        self._services = services
        limits = services.limits
        self._budget = FrameBudget(limits.rate_per_s, limits.rate_burst, services.clock.monotonic())
        self._inbound: Lane[Dispatch | _RefusedBilling] = Lane(self._work)
        self._results: Lane[CallSent | Resolve] = Lane(self._report)
        self._unreadable: UnreadableWindow | None = None
        self._pauses = 0
        self._closed = False

    # From the socket

    def receive_text(self, text: str, deviation: str | None = None) -> None:
        """Take one text message. deviation: what the byte path had to tolerate to get it."""
        if self._closed:
            return
        services = self._services
        now = services.clock.monotonic()
        self.connection.last_seen_us = at_us = services.clock.now_us()
        services.tally.frames_in += 1
        if self._too_big(text):
            self._close(CLOSE_TOO_BIG, "frame too big", "frame_bytes")
            return
        pause_s = self._budget.take(now)
        if pause_s > 0.0:
            self._throttle(pause_s)
        try:
            effects = self._link.receive(text, now)
        except RuntimeError:
            self._core_failed(text, at_us)
            return
        deviations = deviations_of(effects, deviation)
        self._log_frame("in", text, at_us, deviations)
        if len(effects) == 1 and isinstance(effects[0], Dispatch):
            self._enqueue(effects[0])
        else:
            self._apply(effects, text, now)

    def receive_binary(self, data: bytes) -> None:
        """Take one binary message: OCPP-J is text (OCPP-J 4.1.2). Text in a binary frame is tolerated."""
        if self._closed:
            return
        if not self.connection.strict and data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                pass
            else:
                self.receive_text(text, "binary_frame")
                return
        self._close(CLOSE_UNSUPPORTED, "text frames only", None)

    # From our own side

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL, or queue it behind the one that is out.

        Raises:
            ValueError: the payload breaks the definition, or the socket is being closed; nothing was queued.
        """
        if self._closed:
            raise ValueError("the connection is closing")
        now = self._services.clock.monotonic()
        self._apply(self._link.call(command_id, action, payload_text, now, timeout_s), "", now)

    def withdraw(self, command_id: CommandId) -> bool:
        """Take a CALL out of the queue. False: it was sent, or is not known."""
        return self._link.cancel(command_id)

    def evict(self, reason: str) -> None:
        """Close, for a newer connection of this charge point has taken over."""
        self._close(CLOSE_SUPERSEDED, reason, None)

    def close(self, code: int, reason: str) -> None:
        """Close for a reason of ours, a shutdown for instance."""
        self._close(code, reason, None)

    def tick(self, now: float) -> bool:
        """End CALLs that are overdue; False: no deadline is left to watch."""
        self._apply(self._link.expire(now), "", now)
        return self._link.next_deadline is not None and not self._closed

    def closed(self) -> None:
        """Note that the socket is gone: CALLs of ours end, CALLs that wait are dropped (they come again)."""
        self._closed = True
        self._inbound.clear()
        self._apply(self._link.disconnect(), "", self._services.clock.monotonic())

    async def settled(self) -> None:
        """Wait until what was received so far is answered and recorded."""
        await self._inbound.settled()
        await self._results.settled()

    # Effects

    def _apply(self, effects: list[Effect], text: str, now: float) -> None:
        """Carry out effects in their order. text: the message they come from, empty when none."""
        held: str | None = None
        for effect in effects:
            match effect:
                case Send():
                    if held is None:
                        self._send(effect.text)
                    else:
                        self._enqueue(_RefusedBilling(held, text, effect.text))
                        held = None
                case Dispatch():
                    self._enqueue(effect)
                case CallSent() | Resolve():
                    self._results.push(effect)
                case Refused():
                    metrics.CALLS_REFUSED.labels(effect.code).inc()
                    # The CALLERROR is the `Send` that follows.
                    held = effect.action if effect.action in BILLING_ACTIONS else None
                case Ignored():
                    self._ignored(effect, now)
        if self._link.next_deadline is not None:
            self._services.watcher.watch(self)

    def _enqueue(self, item: Dispatch | _RefusedBilling) -> None:
        self._inbound.push(item)
        if len(self._inbound) >= self._services.limits.inbound_queue and not self._pauses & _QUEUE_FULL:
            self._pause(_QUEUE_FULL, "inbound_queue")

    def _work(self, item: Dispatch | _RefusedBilling) -> Work | None:
        """Answer one CALL of the charge point, at once if nothing has to be waited for."""
        if self._closed:
            return None
        if self._pauses & _QUEUE_FULL and len(self._inbound) * 2 <= self._services.limits.inbound_queue:
            self._resume(_QUEUE_FULL)
        if not isinstance(item, Dispatch):
            return self._keep(item)
        services = self._services
        started = services.clock.monotonic()
        try:
            answer = services.dispatcher.answer(self.connection, item)
        except Exception as error:
            self._fail(item, error)
        else:
            if not isinstance(answer, dict):
                return self._finish(item, answer, started)
            self._reply(item, answer)
        services.tally.answered(item.action, services.clock.monotonic() - started)
        return None

    async def _finish(self, call: Dispatch, answering: Awaitable[Any], started: float) -> None:
        """Answer a CALL when its handler is done. Whatever fails costs this message only."""
        try:
            if call.action not in LEDGER_ONLY_ACTIONS:
                answering = asyncio.ensure_future(answering)
            payload = await answering
        except Exception as error:
            self._fail(call, error)
        else:
            self._reply(call, payload)
        self._services.tally.answered(call.action, self._services.clock.monotonic() - started)

    def _reply(self, call: Dispatch, payload: Any) -> None:
        if self._closed:
            return
        try:
            (effect,) = self._link.reply(call.unique_id, orjson.dumps(payload).decode())
        except (ValueError, TypeError) as error:
            self._fail(call, error)
        else:
            self._send(cast(Send, effect).text)

    def _fail(self, call: Dispatch, error: Exception) -> None:
        code, description = "InternalError", ""
        if isinstance(error, CallFailed):
            code, description = error.code, error.description
        elif isinstance(error, AppError):
            description = error.title
            log.warning("call_not_answered", action=call.action, detail=error.detail, **self._facts())
        else:
            # A defect of ours; what it says is for the log, not for the charge point.
            log.error("handler_failed", action=call.action, exc_info=error, **self._facts())
        metrics.CALLS_REFUSED.labels(code).inc()
        if not self._closed:
            (effect,) = self._link.reply_error(call.unique_id, code, description[:255])
            self._send(cast(Send, effect).text)

    def _core_failed(self, text: str, at_us: int) -> None:
        """A panic of the core: it costs this message, not the connection."""
        log.exception("core_failed", **self._facts())
        self._log_frame("in", text, at_us, None)
        if (answer := internal_error_for(text)) is not None:
            self._send(answer)

    async def _keep(self, item: _RefusedBilling) -> None:
        """Keep a refused billing message durably, then let its CALLERROR go out."""
        connection = self.connection
        record = InvalidRecord(
            connection.tenant_id,
            connection.charge_point_id,
            item.action,
            payload_of(item.raw),
            item.raw,
            self._services.clock.now(),
        )
        answer = item.answer
        try:
            await self._services.database.ledger.keep_invalid(record)
        except Exception:
            # Not kept, so the refusal must not sound final: the charge point shall come again with it.
            log.exception("invalid_record_not_kept", action=item.action, **self._facts())
            answer = as_internal_error(answer)
        if not self._closed:
            self._send(answer)

    async def _report(self, effect: CallSent | Resolve) -> None:
        commands = self._services.commands
        try:
            if isinstance(effect, CallSent):
                await asyncio.ensure_future(commands.sent(self.connection, effect.unique_id))
            else:
                await asyncio.ensure_future(commands.resolved(self.connection, effect))
        except Exception:
            log.exception("command_not_recorded", command=effect.unique_id, **self._facts())

    def _ignored(self, effect: Ignored, now: float) -> None:
        metrics.FRAMES_IGNORED.labels(effect.reason).inc()
        if effect.reason in _UNREADABLE_REASONS:
            if self._unreadable is None:
                self._unreadable = UnreadableWindow()
            if self._unreadable.exceeded(now):
                self._close(CLOSE_POLICY, "too many unreadable frames", "unreadable_frames")

    # Byte path

    def _send(self, text: str) -> None:
        self._transport.send_text(text)
        self._services.tally.frames_out += 1
        self._log_frame("out", text, self._services.clock.now_us(), None)

    def _close(self, code: int, reason: str, limit: str | None) -> None:
        if not self._closed:
            self._closed = True
            if limit is not None:
                metrics.LIMITS_HIT.labels(limit).inc()
            log.info("connection_closing", code=code, reason=reason, **self._facts())
            self._transport.close(code, reason)

    def _too_big(self, text: str) -> bool:
        limits = self._services.limits
        connection = self.connection
        unregistered = connection.registration_status != "Accepted" and not connection.accepted_before
        limit = limits.frame_unregistered_bytes if unregistered else limits.frame_bytes
        # A character is one to four bytes; the bytes are counted only where that makes a difference.
        return len(text) > limit or (len(text) * 4 > limit and len(text.encode()) > limit)

    def _throttle(self, pause_s: float) -> None:
        if not self._pauses & _RATE:
            self._pause(_RATE, "frame_rate")
            self._services.call_later(pause_s, self._unthrottle)

    def _unthrottle(self) -> None:
        self._resume(_RATE)

    def _pause(self, reason: int, limit: str) -> None:
        metrics.LIMITS_HIT.labels(limit).inc()
        self._pauses |= reason
        self._transport.pause_reading()

    def _resume(self, reason: int) -> None:
        self._pauses &= ~reason
        if not self._pauses:
            self._transport.resume_reading()

    def _log_frame(self, direction: Direction, text: str, at_us: int, deviations: list[Json] | None) -> None:
        connection = self.connection
        self._services.database.frame_log.record(
            connection.tenant_id,
            connection.charge_point_id,
            direction,
            text,
            at_us,
            connection.connection_id,
            deviations,
        )

    def _facts(self) -> dict[str, str]:
        connection = self.connection
        return {
            "tenant": connection.tenant_slug,
            "charge_point": connection.identity,
            "connection": connection.connection_id,
        }
