"""The session of one connection: frames come in, effects go out. No socket and no ASGI here.

The core's `Conversation` reads, validates, logs and counts every frame. The session does what it asks for.
A plain MeterValues never gets here: the conversation queues it for the ledger, and writes the answer. Nor
does a plain Heartbeat, which it answers at once. CALLs of the charge point are answered one at a time and in
order (OCPP 1.6 3.7). Results of our CALLs have a queue of their own, so the directions cannot block each
other. An idle session needs no task and no timer.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, cast

import orjson

from app import close_codes, metrics
from app.answers import Payload, Recording, Waiting
from app.connection import Connection
from app.deviations.records import SeenDeviation
from app.deviations.rules import seen_in
from app.errors import AppError, CallFailed
from app.gateway.faulty_frames import UnreadableWindow, internal_error_for
from app.gateway.serial_queue import SerialQueue, Work
from app.gateway.session_services import SessionServices, new_conversation
from app.gateway.transport import Transport
from app.logs import get_logger
from app.ocpp import CallSent, Conversation, Dispatch, Found, Ignored, Notice, Refused, Resolve
from app.ocpp.v16 import RegistrationStatus
from app.transactions.handlers.damage import keep_unanswerable
from app.types import CommandId

_LOG = get_logger(__name__)


_UNREADABLE_REASONS: Final = frozenset({"unreadable", "unknown_message_type"})
_LEAST_SILENCE_S: Final = 900.0
_DAY_S: Final = 86_400
_RATE: Final = 1
_QUEUE_FULL: Final = 2
_QUOTA: Final = 4


def silence_s(connection: Connection) -> float:
    """Return how long a charge point may be silent that answers no pings: one heartbeat may be missing.

    Some keep an interval of their own. Interval 0 lets them choose, up to a day (OCPP 1.6 5.3). One that is
    known for sending no pongs may be silent for ever: TCP ends the connection if nothing arrives.
    """
    if connection.habits.sends_no_pongs:
        return math.inf
    return max(_LEAST_SILENCE_S, 2.0 * (connection.heartbeat_interval_s or _DAY_S))


class Session:
    """The session of one connection. All methods return at once."""

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
        """Start a session.

        is_framed: the transport writes frames as bytes, and does not frame texts itself; inflates: the charge
        point may compress its messages.
        """
        self.connection = connection
        self._conversation = new_conversation(connection, services, is_framed=is_framed, inflates=inflates)
        self._transport = transport
        self._services = services
        self._inbound: SerialQueue[Dispatch] = SerialQueue(self._answer_call)
        self._results: SerialQueue[CallSent | Resolve | Ignored] = SerialQueue(self._report)
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
        """The reader of the socket. What it finds goes to `handle`."""
        return self._conversation

    def receive_text(self, text: str) -> None:
        """Receive one text message, from a server that does the framing itself."""
        self._handle_all(self._conversation.text(text))

    def receive_binary(self, data: bytes) -> None:
        """Receive one binary message. OCPP-J is text (4.1.2), but text in a binary frame is tolerated."""
        self._handle_all(self._conversation.binary(data))

    def handle(self, found: Found) -> None:
        """Do what the conversation asks for."""
        match found:
            case Dispatch():
                if found.deviations:
                    self._note(found)
                if self.connection.is_watched or found.action == "BootNotification":
                    self._services.commands.received(self.connection, found)
                self._enqueue(found)
            case bytes() | str():
                self._transport.write(found)
            case CallSent():
                self._results.push(found)
                self._services.watch_deadlines(self)
            case Resolve():
                self._note(found)
                self._results.push(found)
            case Refused():
                metrics.CALLS_REFUSED.labels(found.code).inc()
                self._note(found)
            case Ignored():
                self._note(found)
                self._count_ignored(found)
            case Notice():
                self._handle_notice(found)

    def recorded(self) -> None:
        """Answer the CALLs that waited for a record: it is committed, or the socket is gone."""
        self._inbound.resume()
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            recorded.set_result(None)

    # From the server

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL, or queue it behind the one that is out.

        Raises:
            ValueError: the payload breaks the definition, or the socket is being closed. Nothing was queued.
        """
        if self._closed:
            raise ValueError("the connection is closing")
        self._handle_all(self._conversation.call(command_id, action, payload_text, timeout_s))

    def withdraw(self, command_id: CommandId) -> bool:
        """Remove a CALL from the queue. Return False if it was sent, or is not known."""
        return self._conversation.cancel(command_id)

    def evict(self, reason: str) -> None:
        """Close, because a newer connection of this charge point has taken over."""
        self._close(close_codes.SUPERSEDED, reason, None)

    def ask(self, answered: Callable[[], None]) -> None:
        """Ping the charge point, and call `answered` when it answers."""
        self._transport.ask(answered)

    def change_registration(self, status: RegistrationStatus) -> None:
        """Let the operator's decision take effect at once, not with the next BootNotification."""
        connection = self.connection
        connection.registration_status = status
        connection.accepted_before = connection.accepted_before or status == "Accepted"
        self._register()

    def close(self, code: int, reason: str) -> None:
        """Close for a reason of the server, for example its shutdown."""
        self._close(code, reason, None)

    def slow_down(self, seconds: float) -> None:
        """Do not read the socket for some time, because the tenant is beyond a quota."""
        if not self._closed and not self._pauses & _QUOTA:
            self._pauses |= _QUOTA
            self._transport.pause_reading()
            self._services.call_later(seconds, self._speed_up)

    def expire_calls(self) -> bool:
        """End CALLs whose deadline has passed. Return False if no deadline is left to watch."""
        self._handle_all(self._conversation.expire())
        return self._conversation.next_deadline is not None and not self._closed

    def closed(self) -> None:
        """End our CALLs, because the socket is gone. Drop waiting CALLs: the charge point repeats them."""
        self._closed = True
        self._inbound.clear()
        self._handle_all(self._conversation.disconnect())
        if self._recorded is not None:
            self.recorded()

    async def settled(self) -> None:
        """Wait until everything that was received is answered and recorded."""
        while self._conversation.is_recording and not self._closed:
            if self._recorded is None:
                self._conversation.await_record()
                self._recorded = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._recorded)
        await self._inbound.settled()
        await self._results.settled()

    # What the conversation asks for

    def _handle_all(self, found: list[Found] | None) -> None:
        for one in found or ():
            self.handle(one)

    def _handle_notice(self, notice: Notice) -> None:
        match notice.kind:
            case "slow":
                self._throttle(notice.until)
            case "tolerated":
                metrics.DEVIATIONS.labels(notice.text).inc()
                self._services.deviations.note(self.connection, [SeenDeviation(notice.text or "")])
            case "too_big":
                self._close(close_codes.MESSAGE_TOO_BIG, "frame too big", "frame_bytes")
            case "not_text":
                self._close(close_codes.UNSUPPORTED_DATA, "text frames only", None)
            case "failed":
                self._core_failed(notice.text or "")

    def _note(self, found: Dispatch | Resolve | Refused | Ignored) -> None:
        """Count the deviations of a message."""
        for deviation in found.deviations if isinstance(found, Dispatch | Resolve) else ():
            metrics.DEVIATIONS.labels(deviation.kind).inc()
        seen = seen_in(found)
        if seen:
            self._services.deviations.note(self.connection, seen)

    def _enqueue(self, item: Dispatch) -> None:
        if self._conversation.is_recording:
            # A record came earlier, and has to be answered earlier.
            self._conversation.await_record()
            self._inbound.append(item)
        else:
            self._inbound.push(item)
        if len(self._inbound) >= self._services.limits.inbound_queue and not self._pauses & _QUEUE_FULL:
            self._pause(_QUEUE_FULL, "inbound_queue")

    def _answer_call(self, item: Dispatch) -> Work | None:
        """Answer one CALL of the charge point. Return the rest of the work if the answer has to wait."""
        if self._closed:
            return None
        if self._pauses & _QUEUE_FULL and len(self._inbound) * 2 <= self._services.limits.inbound_queue:
            self._resume(_QUEUE_FULL)
        services, connection = self._services, self.connection
        started = services.clock.monotonic()
        try:
            answer = services.dispatcher.answer(connection, item)
        except Exception as error:
            self._reply_error(item, error)
        else:
            if not isinstance(answer, dict):
                # Not `isinstance(answer, Mapping)`, which costs six times as much.
                return self._finish(item, cast(Waiting, answer), started)
            self._reply(item, answer)
        services.quotas.counters_of(connection.tenant_id).answered(
            item.action, services.clock.monotonic() - started
        )
        return None

    async def _finish(self, call: Dispatch, answer: Waiting, started: float) -> None:
        """Answer a CALL when its handler is done. A failure costs this message only."""
        try:
            if isinstance(answer, Recording):
                payload = answer.answer_of(await answer.future)
            else:
                payload = await asyncio.ensure_future(answer)
        except Exception as error:
            self._reply_error(call, error)
        else:
            self._reply(call, payload)
            if call.action == "BootNotification":
                self._register()
                self._transport.allow_silence(silence_s(self.connection))
        counters = self._services.quotas.counters_of(self.connection.tenant_id)
        counters.answered(call.action, self._services.clock.monotonic() - started)

    def _register(self) -> None:
        """Let a charge point send all messages if it is accepted, and large frames if it was so once."""
        self._conversation.is_accepted = self.connection.registration_status == "Accepted"
        if self.connection.registration_status == "Accepted" or self.connection.accepted_before:
            self._conversation.register()

    def _reply(self, call: Dispatch, payload: Payload) -> None:
        if self._closed:
            return
        try:
            text = orjson.dumps(payload).decode()
            frame = self._conversation.reply(call.unique_id, text)
        except (ValueError, TypeError) as error:
            self._reply_error(call, error)
        else:
            self._transport.write(frame)

    def _reply_error(self, call: Dispatch, error: Exception) -> None:
        code, description = "InternalError", ""
        if isinstance(error, CallFailed):
            code, description = error.code, error.description
        elif isinstance(error, AppError):
            description = error.title
            _LOG.warning("call_not_answered", action=call.action, detail=error.detail, **self._log_context())
        else:
            # A defect of ours. Its text is for the log, not for the charge point.
            _LOG.error("handler_failed", action=call.action, exc_info=error, **self._log_context())
        metrics.CALLS_REFUSED.labels(code).inc()
        if not self._closed:
            self._transport.write(self._conversation.reply_error(call.unique_id, code, description[:255]))

    def _core_failed(self, text: str) -> None:
        """Answer a message on which the core panicked. It costs this message, not the connection."""
        _LOG.error("core_failed", **self._log_context())
        if (answer := internal_error_for(text)) is not None:
            self._send(answer)

    def _report(self, effect: CallSent | Resolve | Ignored) -> Work | None:
        match effect:
            case CallSent():
                self._services.commands.sent(self.connection, effect.unique_id)
                return None
            case Resolve():
                return self._report_result(effect)
            case Ignored():
                return self._keep_ignored(effect)

    async def _report_result(self, effect: Resolve) -> None:
        try:
            await asyncio.ensure_future(self._services.commands.resolved(self.connection, effect))
        except Exception:
            _LOG.exception("command_not_recorded", command=effect.unique_id, **self._log_context())

    def _count_ignored(self, effect: Ignored) -> None:
        metrics.FRAMES_IGNORED.labels(effect.reason).inc()
        if effect.text is not None:
            self._results.push(effect)
        if effect.reason in _UNREADABLE_REASONS:
            if self._unreadable is None:
                self._unreadable = UnreadableWindow()
            if self._unreadable.exceeded(self._services.clock.monotonic()):
                self._close(close_codes.POLICY_VIOLATION, "too many unreadable frames", "unreadable_frames")

    async def _keep_ignored(self, effect: Ignored) -> None:
        """Keep a billing message that cannot be answered. The charge point may send it again."""
        services = self._services
        try:
            await keep_unanswerable(services.ledger, self.connection, effect, services.clock.now())
        except (AppError, CallFailed):
            _LOG.exception("frame_not_kept", action=effect.action, **self._log_context())

    # To the socket

    def _send(self, text: str) -> None:
        self._transport.write(self._conversation.send(text))

    def _close(self, code: int, reason: str, limit: str | None) -> None:
        if not self._closed:
            self._closed = True
            self._conversation.close()
            if limit is not None:
                metrics.LIMITS_HIT.labels(limit).inc()
            _LOG.info("connection_closing", code=code, reason=reason, **self._log_context())
            self._transport.close(code, reason)

    def _throttle(self, until: float) -> None:
        # All frames of one read are found at once but handled one by one: part of the pause may have passed.
        pause_s = until - self._services.clock.monotonic()
        if pause_s > 0.0 and not self._pauses & _RATE:
            self._pause(_RATE, "frame_rate")
            self._services.call_later(pause_s, self._unthrottle)

    def _unthrottle(self) -> None:
        self._resume(_RATE)

    def _speed_up(self) -> None:
        self._resume(_QUOTA)

    def _pause(self, reason: int, limit: str) -> None:
        metrics.LIMITS_HIT.labels(limit).inc()
        self._pauses |= reason
        self._transport.pause_reading()

    def _resume(self, reason: int) -> None:
        self._pauses &= ~reason
        if not self._pauses:
            self._transport.resume_reading()

    def _log_context(self) -> dict[str, str]:
        connection = self.connection
        return {
            "tenant": connection.tenant_slug,
            "charge_point": connection.identity,
            "connection": connection.connection_id,
        }
