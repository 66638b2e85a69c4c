"""One charge point, from its login to its end: frames in, effects out. Knows no socket and no ASGI.

The core's `Conversation` reads, judges, logs and counts every frame and decides what it means; the session
does what it finds. Plain MeterValues are not among that: they wait in the ledger's queue, and the
conversation writes their answers. CALLs of the charge point are answered one at a time in their order (OCPP
1.6 3.7); results of our CALLs are taken at once, so the directions cannot block each other. Nothing runs for
a session that has nothing to do.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import orjson

from app import metrics
from app.csms.connection import Connection
from app.csms.dispatch import STEPPED_ACTIONS
from app.errors import AppError, CallFailed
from app.gateway.frame_facts import as_internal_error, internal_error_for, payload_of
from app.gateway.lane import Lane, Work
from app.gateway.session_services import SessionServices, new_conversation
from app.gateway.transport import Transport
from app.gateway.unreadable import UnreadableWindow
from app.ids import CommandId
from app.logs import get_logger
from app.ocpp import (
    CallSent,
    Conversation,
    Deviation,
    Dispatch,
    Found,
    Ignored,
    Notice,
    Refused,
    Resolve,
)
from app.store.entries import InvalidRecord

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


class Session:
    """Frames of one charge point. All methods return at once."""

    __slots__ = (
        "_closed",
        "_conversation",
        "_inbound",
        "_pauses",
        "_recorded",
        "_results",
        "_services",
        "_transport",
        "_unreadable",
        "connection",
    )

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        services: SessionServices,
        *,
        is_framed: bool,
        inflates: bool = False,
    ) -> None:
        """is_framed: the transport writes bytes as they are, and does not frame texts itself; inflates: the
        charge point may compress its messages.
        """
        self.connection = connection
        self._conversation = new_conversation(connection, services, is_framed=is_framed, inflates=inflates)
        self._transport = transport
        self._services = services
        self._inbound: Lane[Dispatch | Refused] = Lane(self._work)
        self._results: Lane[CallSent | Resolve] = Lane(self._report)
        self._unreadable: UnreadableWindow | None = None
        self._recorded: asyncio.Future[None] | None = None
        self._pauses = 0
        self._closed = False
        self._conversation.transport, self._conversation.owner = transport, self
        connection.conversation = self._conversation
        self._register()

    # From the socket

    @property
    def reader(self) -> Conversation:
        """Takes bytes of the socket, and returns what `take` is to be given."""
        return self._conversation

    def receive_text(self, text: str) -> None:
        """Take one text message from a byte path that has no bytes to give."""
        self._take_all(self._conversation.text(text))

    def receive_binary(self, data: bytes) -> None:
        """Take one binary message: OCPP-J is text (OCPP-J 4.1.2). Text in a binary frame is tolerated."""
        self._take_all(self._conversation.binary(data))

    def take(self, found: Found) -> None:
        """Do what the conversation has found."""
        match found:
            case Dispatch():
                _count(found.deviations)
                self._enqueue(found)
            case bytes() | str():
                self._transport.write(found)
            case CallSent():
                self._results.push(found)
                self._services.watcher.watch(self)
            case Resolve():
                _count(found.deviations)
                self._results.push(found)
            case Refused():
                metrics.CALLS_REFUSED.labels(found.code).inc()
                if found.answer is not None:
                    self._enqueue(found)
            case Ignored():
                self._ignored(found)
            case Notice():
                self._note(found)

    def recorded(self) -> None:
        """Take up what has waited for a record: it is settled, or the socket is gone."""
        self._inbound.resume()
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            recorded.set_result(None)

    # From our own side

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL, or queue it behind the one that is out.

        Raises:
            ValueError: the payload breaks the definition, or the socket is being closed; nothing was queued.
        """
        if self._closed:
            raise ValueError("the connection is closing")
        self._take_all(self._conversation.call(command_id, action, payload_text, timeout_s))

    def withdraw(self, command_id: CommandId) -> bool:
        """Take a CALL out of the queue. False: it was sent, or is not known."""
        return self._conversation.cancel(command_id)

    def evict(self, reason: str) -> None:
        """Close, for a newer connection of this charge point has taken over."""
        self._close(CLOSE_SUPERSEDED, reason, None)

    def close(self, code: int, reason: str) -> None:
        """Close for a reason of ours, a shutdown for instance."""
        self._close(code, reason, None)

    def tick(self) -> bool:
        """End CALLs that are overdue; False: no deadline is left to watch."""
        self._take_all(self._conversation.expire())
        return self._conversation.next_deadline is not None and not self._closed

    def closed(self) -> None:
        """Note that the socket is gone: CALLs of ours end, CALLs that wait are dropped (they come again)."""
        self._closed = True
        self._inbound.clear()
        self._take_all(self._conversation.disconnect())
        if self._recorded is not None:
            self.recorded()

    async def settled(self) -> None:
        """Wait until what was received so far is answered and recorded."""
        while self._conversation.is_recording and not self._closed:
            if self._recorded is None:
                self._conversation.await_record()
                self._recorded = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._recorded)
        await self._inbound.settled()
        await self._results.settled()

    # What was found

    def _take_all(self, found: list[Found] | None) -> None:
        for one in found or ():
            self.take(one)

    def _note(self, notice: Notice) -> None:
        match notice.kind:
            case "slow":
                self._throttle(notice.until)
            case "tolerated":
                metrics.DEVIATIONS.labels(notice.text).inc()
            case "too_big":
                self._close(CLOSE_TOO_BIG, "frame too big", "frame_bytes")
            case "not_text":
                self._close(CLOSE_UNSUPPORTED, "text frames only", None)
            case "failed":
                self._core_failed(notice.text or "")

    def _enqueue(self, item: Dispatch | Refused) -> None:
        if self._conversation.is_recording:
            # A record came before it, and is answered before it.
            self._conversation.await_record()
            self._inbound.hold(item)
        else:
            self._inbound.push(item)
        if len(self._inbound) >= self._services.limits.inbound_queue and not self._pauses & _QUEUE_FULL:
            self._pause(_QUEUE_FULL, "inbound_queue")

    def _work(self, item: Dispatch | Refused) -> Work | None:
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
        services.counters.answered(item.action, services.clock.monotonic() - started)
        return None

    async def _finish(self, call: Dispatch, answering: Awaitable[Any], started: float) -> None:
        """Answer a CALL when its handler is done. Whatever fails costs this message only."""
        try:
            if call.action not in STEPPED_ACTIONS:
                answering = asyncio.ensure_future(answering)
            payload = await answering
        except Exception as error:
            self._fail(call, error)
        else:
            self._reply(call, payload)
            if call.action == "BootNotification":
                self._register()
        self._services.counters.answered(call.action, self._services.clock.monotonic() - started)

    def _register(self) -> None:
        """Let a charge point send records and large frames once it is registered, or was."""
        if self.connection.registration_status == "Accepted" or self.connection.accepted_before:
            self._conversation.register()

    def _reply(self, call: Dispatch, payload: Any) -> None:
        if self._closed:
            return
        try:
            text = orjson.dumps(payload).decode()
            frame = self._conversation.reply(call.unique_id, text)
        except (ValueError, TypeError) as error:
            self._fail(call, error)
        else:
            self._transport.write(frame)

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
            self._transport.write(self._conversation.reply_error(call.unique_id, code, description[:255]))

    def _core_failed(self, text: str) -> None:
        """A panic of the core: it costs this message, not the connection."""
        log.error("core_failed", **self._facts())
        if (answer := internal_error_for(text)) is not None:
            self._send(answer)

    async def _keep(self, item: Refused) -> None:
        """Keep a refused billing message durably, then let its CALLERROR go out."""
        connection = self.connection
        raw, answer = item.raw or "", item.answer or ""
        record = InvalidRecord(
            connection.tenant_id,
            connection.charge_point_id,
            item.action or "",
            payload_of(raw),
            raw,
            self._services.clock.now(),
        )
        try:
            await self._services.database.ledger.keep_invalid(record)
        except Exception:
            # Not kept, so the refusal must not sound final: the charge point shall come again with it.
            log.exception("invalid_record_not_kept", action=item.action, **self._facts())
            answer = as_internal_error(answer)
        if not self._closed:
            self._send(answer)

    def _report(self, effect: CallSent | Resolve) -> Work | None:
        if isinstance(effect, CallSent):
            self._services.commands.sent(self.connection, effect.unique_id)
            return None
        return self._resolve(effect)

    async def _resolve(self, effect: Resolve) -> None:
        try:
            await asyncio.ensure_future(self._services.commands.resolved(self.connection, effect))
        except Exception:
            log.exception("command_not_recorded", command=effect.unique_id, **self._facts())

    def _ignored(self, effect: Ignored) -> None:
        metrics.FRAMES_IGNORED.labels(effect.reason).inc()
        if effect.reason in _UNREADABLE_REASONS:
            if self._unreadable is None:
                self._unreadable = UnreadableWindow()
            if self._unreadable.exceeded(self._services.clock.monotonic()):
                self._close(CLOSE_POLICY, "too many unreadable frames", "unreadable_frames")

    # Byte path

    def _send(self, text: str) -> None:
        self._transport.write(self._conversation.send(text))

    def _close(self, code: int, reason: str, limit: str | None) -> None:
        if not self._closed:
            self._closed = True
            self._conversation.close()
            if limit is not None:
                metrics.LIMITS_HIT.labels(limit).inc()
            log.info("connection_closing", code=code, reason=reason, **self._facts())
            self._transport.close(code, reason)

    def _throttle(self, until: float) -> None:
        # What came in one read is found at once and handed on bit by bit: part of the pause may be over.
        pause_s = until - self._services.clock.monotonic()
        if pause_s > 0.0 and not self._pauses & _RATE:
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

    def _facts(self) -> dict[str, str]:
        connection = self.connection
        return {
            "tenant": connection.tenant_slug,
            "charge_point": connection.identity,
            "connection": connection.connection_id,
        }


def _count(deviations: list[Deviation]) -> None:
    for found in deviations:
        metrics.DEVIATIONS.labels(found.kind).inc()
