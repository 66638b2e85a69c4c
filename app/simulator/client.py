"""Drives one virtual charge point: the only module that lets it act.

It moves texts between a WebSocket, the core's link (in the role of a charge point) and the pure
`charge_point`, and passes the virtual time to `charge_point`. Everything happens in one task, which rules out
races.
"""

import asyncio
import json
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from app import close_codes
from app.clock import Clock
from app.ocpp import CallSent, Dispatch, Effect, Ignored, Link, Protocol, Refused, Resolve, Send
from app.simulator import commands
from app.simulator.charge_point import Json, VirtualChargePoint
from app.simulator.connection import CentralEndpoint, open_connection
from app.simulator.distortion import distorted
from app.simulator.message_log import Event, MessageLog
from app.simulator.outbox import Request
from app.simulator.statistics import Statistics
from app.simulator.timeline import Timeline
from app.simulator.work import Work

_CALL_TIMEOUT_S = 30.0
# Doubled with a random part, as 2.0.1 part 4 5.3 asks; the upper bound keeps crash tests short.
_BACK_OFF_LEAST_S, _BACK_OFF_MOST_S = 0.25, 10.0
_LONGEST_WAIT_S, _LONGEST_WAIT_BUSY_S = 1.0, 0.05
# The codes of a server that stops in good order.
_EXPECTED_CLOSES = frozenset({close_codes.NORMAL, close_codes.GOING_AWAY, close_codes.SERVICE_RESTART})


@dataclass(frozen=True, slots=True)
class FleetContext:
    """The objects that all clients of a fleet share.

    protocol: the version of OCPP that they speak.
    credential_changed: called with the identity and the new hexadecimal key.
    certificate_changed: called with the identity, and chain and key in PEM.
    """

    protocol: Protocol
    endpoint: CentralEndpoint
    clock: Clock
    timeline: Timeline
    statistics: Statistics
    message_log: MessageLog
    credential_changed: Callable[[str, str], None]
    certificate_changed: Callable[[str, str, str], None]


class ChargePointClient:
    """Keeps one charge point connected until it is told to finish and has sent everything."""

    def __init__(self, charge_point: VirtualChargePoint, password: str | None, context: FleetContext) -> None:
        self.charge_point = charge_point
        self._identity = charge_point.persona.identity
        self._password = password
        self._shared = context
        self._link = Link(context.protocol, "charge_point")
        self._sent_at: dict[str, float] = {}
        self._timed_out: dict[str, Request] = {}
        self._in_flight: Request | None = None
        self._failures = 0
        self._working: set[asyncio.Task[None]] = set()
        self._results: list[Callable[[], None]] = []
        self._finishing = False
        self._wake = asyncio.Event()
        self._chance = random.Random(f"{self._identity}/back-off")  # noqa: S311

    def finish(self) -> None:
        """End every visit, send what is left, then close."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Run until `finish` was called and everything was sent."""
        try:
            while not self._finished():
                self._advance()
                if self.charge_point.wants_connection:
                    await self._connect_and_exchange()
                else:
                    await self._pause(self._wait_s())
        except Exception as error:
            # One failed charge point must not stop the fleet. It is counted, and the run ends as failed.
            self._shared.statistics.errors[f"simulator fault: {type(error).__name__}: {error}"] += 1
        finally:
            for task in self._working:
                task.cancel()

    async def _connect_and_exchange(self) -> None:
        try:
            socket = await open_connection(self.charge_point, self._password, self._shared.endpoint)
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError, ConnectionClosed) as error:
            await self._refused(error)
            return
        lost = False
        try:
            await self._exchange(socket)
        except ConnectionClosed as closed:
            lost = True
            self._note_closed(closed)
        finally:
            self._drop_connection()
            await socket.close()
        if lost:
            await self._back_off()

    def _note_closed(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd is not None else close_codes.ABNORMAL
        if code not in _EXPECTED_CLOSES:
            self._shared.statistics.errors[f"connection closed: {code}"] += 1

    async def _refused(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            reason = f"login refused: HTTP {error.response.status_code}"
        elif isinstance(error, ssl.SSLError):
            reason = f"no TLS: {error.reason or 'refused'}"
        else:
            reason = "no connection"
        self.charge_point.security.refused()
        self._shared.statistics.errors[reason] += 1
        await self._back_off()

    async def _exchange(self, socket: ClientConnection) -> None:
        statistics = self._shared.statistics
        statistics.connections += 1
        statistics.connected += 1
        try:
            self._link = Link(self._shared.protocol, "charge_point")
            self._advance()
            self.charge_point.connected()
            while self._stays_connected() and not self._finished():
                await self._send_pending(socket)
                text = await self._receive(socket)
                if text is not None:
                    await self._perform(socket, self._link.receive(text, self._shared.clock.monotonic()))
        finally:
            statistics.connected -= 1
        if not self._finishing:
            # In a power cut nothing is closed in good order; the central system must notice by itself.
            socket.transport.abort()

    def _stays_connected(self) -> bool:
        return self.charge_point.wants_connection and not self.charge_point.drops_connection

    async def _send_pending(self, socket: ClientConnection) -> None:
        """Run the planned events and send what follows from them."""
        self._advance()
        await self._perform(socket, self._link.expire(self._shared.clock.monotonic()))
        while (request := self.charge_point.take_request()) is not None:
            self._in_flight = request
            self._note_sent(request)
            payload = json.dumps(request.payload_to_send(), separators=(",", ":"))
            now = self._shared.clock.monotonic()
            effects = self._link.call(request.message_id, request.action, payload, now, _CALL_TIMEOUT_S)
            await self._perform(socket, effects)

    async def _receive(self, socket: ClientConnection) -> str | None:
        """Return the next text; None if something happens on this side first."""
        try:
            async with asyncio.timeout(self._wait_s()):
                received = await socket.recv()
        except TimeoutError:
            return None
        return received if isinstance(received, str) else None

    async def _perform(self, socket: ClientConnection, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    await socket.send(distorted(effect.text, self.charge_point.persona.bad_habits))
                case Dispatch():
                    await self._answer(socket, effect)
                case Resolve():
                    self._resolved(effect)
                case Refused():
                    self._shared.statistics.errors[f"refused call: {effect.code}"] += 1
                case Ignored():
                    self._shared.statistics.errors[f"ignored frame: {effect.reason}"] += 1
                case CallSent():
                    pass
                case _:
                    assert_never(effect)

    async def _answer(self, socket: ClientConnection, call: Dispatch) -> None:
        self._shared.statistics.commands[call.action] += 1
        self._advance()
        try:
            reply = commands.answer(self.charge_point, call.action, call.payload)
        except commands.ActionNotSupported:
            effects = self._link.reply_error(call.unique_id, "NotSupported")
        else:
            if reply is None:
                return
            effects = self._link.reply(call.unique_id, json.dumps(reply, separators=(",", ":")))
        await self._perform(socket, effects)
        self._take_over_secrets()

    def _take_over_secrets(self) -> None:
        """Use a new key or certificate from the next connection on, and keep it."""
        certificates = self.charge_point.certificates
        if certificates.is_new and certificates.chain is not None and certificates.key is not None:
            certificates.is_new = False
            self._shared.certificate_changed(self._identity, certificates.chain, certificates.key)
        key, self.charge_point.new_credential = self.charge_point.new_credential, None
        if key is not None:
            self._password = key
            self._shared.credential_changed(self._identity, key)

    def _resolved(self, resolve: Resolve) -> None:
        if resolve.late:
            late = self._timed_out.pop(resolve.unique_id, None)
            if late is not None:
                self._record("late", late, resolve.payload or resolve.error_code)
            return
        request = self._in_flight
        if request is None or request.message_id != resolve.unique_id:
            return
        self._in_flight = None
        statistics = self._shared.statistics
        statistics.latencies_s.append(self._shared.clock.monotonic() - self._sent_at.pop(resolve.unique_id))
        if resolve.outcome == "result" and resolve.payload is not None:
            self._failures = 0
            statistics.answered[request.action] += 1
            self._record("answered", request, resolve.payload)
            self.charge_point.answered(request, resolve.payload)
            return
        reason = resolve.error_code if resolve.outcome == "call_error" else resolve.outcome
        statistics.errors[f"{request.action}: {reason}"] += 1
        self._record("failed", request, reason)
        if resolve.outcome == "timed_out":
            self._timed_out[resolve.unique_id] = request
        if self.charge_point.failed(request) and request.record is not None:
            statistics.errors[f"{request.action}: given up"] += 1

    def _drop_connection(self) -> None:
        """Handle a lost connection: nothing is in flight, and the charge point decides what it keeps."""
        self._link.disconnect()
        if self._in_flight is not None:
            self._record("lost", self._in_flight, None)
        self._in_flight = None
        self._sent_at.clear()
        self._timed_out.clear()
        self.charge_point.disconnected()

    def _note_sent(self, request: Request) -> None:
        self._shared.statistics.sent[request.action] += 1
        self._sent_at[request.message_id] = self._shared.clock.monotonic()
        self._record("sent", request, None)

    def _record(self, event: Event, request: Request, answer: Json | str | None) -> None:
        self._shared.message_log.record(self._shared.clock.now(), event, self._identity, request, answer)

    def _advance(self) -> None:
        self.charge_point.advance(self._shared.timeline.virtual_s(self._shared.clock.monotonic()))
        results, self._results = self._results, []
        for result in results:
            result()
        for work in self.charge_point.take_work():
            task = asyncio.create_task(self._carry_out(work))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        if self._finishing and self._wake.is_set():
            self._wake.clear()
            self.charge_point.finish()

    async def _carry_out(self, work: Work) -> None:
        """Transfer a file. Its result waits for `_advance`, so that the charge point has one task only."""
        # httpx takes megabytes, which most runs do not need.
        from app.simulator import transfers

        result: Any = await transfers.carry_out(work, self._shared.endpoint.tls.shared())
        self._results.append(lambda: work.done(result))

    def _finished(self) -> bool:
        return self._finishing and not self._wake.is_set() and self.charge_point.idle

    def _wait_s(self) -> float:
        """Return the real seconds until the next event here, bounded so that `finish` is noticed soon."""
        now, next_s = self._shared.clock.monotonic(), self.charge_point.next_s
        is_busy = self._finishing or self._working or self._results
        delays = [_LONGEST_WAIT_BUSY_S if is_busy else _LONGEST_WAIT_S]
        if next_s is not None:
            delays.append(self._shared.timeline.delay_s(next_s, now))
        if self._link.next_deadline is not None:
            delays.append(max(0.0, self._link.next_deadline - now))
        return min(delays)

    async def _back_off(self) -> None:
        most_s = min(_BACK_OFF_MOST_S, _BACK_OFF_LEAST_S * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        await self._pause(most_s * self._chance.uniform(0.5, 1.0))

    async def _pause(self, seconds: float) -> None:
        if self._finishing:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
