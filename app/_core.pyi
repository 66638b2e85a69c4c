"""The compiled core: frames, validation, the RPC link and the schedules of OCPP 1.6J.

Everything here is a value in, a value out: no clock, no socket, no callback. Import it through `app.ocpp`.
`now` and deadlines are monotonic seconds. Classes are frozen.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias, final

__all__ = [
    "CallSent",
    "CompositeQuestion",
    "CompositeSchedule",
    "Control",
    "Deframer",
    "Deviation",
    "Dispatch",
    "FrameBuffer",
    "FrameVerdict",
    "Ignored",
    "Link",
    "MeterRows",
    "Refused",
    "Resolve",
    "Send",
    "SiteDistribution",
    "SiteFault",
    "SiteNode",
    "SiteReserve",
    "SiteSession",
    "SiteShare",
    "Verdict",
    "Violation",
    "check_call",
    "check_frame",
    "check_payload",
    "close_frame",
    "composite_schedules",
    "describe",
    "distribute_site",
    "json_schema",
    "meter_digest",
    "ping_frame",
    "redact",
    "text_frame",
]

_Json: TypeAlias = dict[str, Any]

@final
class Violation:
    """One broken rule: `code` as in OCPP-J 4.2.3, `pointer` a JSON pointer into the payload or frame."""

    @property
    def code(self) -> str: ...
    @property
    def pointer(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...

@final
class Deviation:
    """One departure from the standard, mended or kept raw. `raw` is the text as it came, shortened."""

    @property
    def kind(self) -> str: ...
    @property
    def pointer(self) -> str: ...
    @property
    def raw(self) -> str: ...

@final
class Verdict:
    """What validation says of one payload. `payload` is None exactly when there are violations."""

    @property
    def payload(self) -> _Json | None: ...
    @property
    def violations(self) -> list[Violation]: ...
    @property
    def deviations(self) -> list[Deviation]: ...

@final
class FrameVerdict:
    """What the core says of one whole frame.

    `kind` is "call", "call_result", "call_error" or "unreadable".
    """

    @property
    def kind(self) -> str: ...
    @property
    def unique_id(self) -> str | None: ...
    @property
    def action(self) -> str | None: ...
    @property
    def payload(self) -> _Json | None: ...
    @property
    def violations(self) -> list[Violation]: ...
    @property
    def deviations(self) -> list[Deviation]: ...

@final
class FrameBuffer:
    """Frames that wait to be logged, encoded as PostgreSQL's binary COPY of the columns `COLUMNS`."""

    COLUMNS: ClassVar[list[str]]

    def __new__(cls, rows_limit: int, bytes_limit: int) -> FrameBuffer: ...
    def record(
        self,
        tenant_id: int,
        charge_point_id: int,
        at_us: int,
        direction: Literal["in", "out"],
        text: str,
        deviations: str | None,
        connection_id: str,
    ) -> bool:
        """Take one frame, its secrets hidden. False: it was dropped, for the buffer is full.

        at_us: microseconds since 1970; deviations: JSON that `jsonb` can hold.
        """

    def take(self) -> tuple[bytes, int] | None:
        """Return the COPY data of all that waits and the number of rows; None when nothing waits."""

    def __len__(self) -> int: ...

@final
class Send:
    """Write `text` to the socket."""

    @property
    def text(self) -> str: ...

@final
class Dispatch:
    """A valid CALL of the other side: answer it with `Link.reply` or `Link.reply_error`."""

    @property
    def unique_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def payload(self) -> _Json: ...
    @property
    def deviations(self) -> list[Deviation]: ...

@final
class CallSent:
    """The CALL given to `Link.call` under this id goes out with the `Send` beside this effect."""

    @property
    def unique_id(self) -> str: ...

@final
class Resolve:
    """A CALL of ours has ended. Each ends once; a `late` answer to a timed-out one may follow."""

    @property
    def unique_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def outcome(
        self,
    ) -> Literal["result", "call_error", "invalid_result", "timed_out", "connection_lost", "not_sent"]: ...
    @property
    def late(self) -> bool: ...
    @property
    def payload(self) -> _Json | None: ...
    @property
    def error_code(self) -> str | None: ...
    @property
    def error_description(self) -> str | None: ...
    @property
    def deviations(self) -> list[Deviation]: ...

@final
class Refused:
    """A CALL was refused; the CALLERROR stands beside this effect as a `Send`. For logs and metrics."""

    @property
    def unique_id(self) -> str: ...
    @property
    def action(self) -> str | None: ...
    @property
    def code(self) -> str: ...
    @property
    def violations(self) -> list[Violation]: ...

@final
class Ignored:
    """A frame was dropped: `reason` is one of the names in the core's `effect.rs`, `detail` says more."""

    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...

_Effect: TypeAlias = Send | Dispatch | CallSent | Resolve | Refused | Ignored

@final
class Link:
    """The RPC state machine of one connection (OCPP-J 4), seen from one side.

    strict: refuse what tolerance would mend.
    raw_sampled_values: judge each `sampledValue` received in full, but give it as one `str` of JSON text, the
        array as it came (or mended, where it had to be), not as a list. PostgreSQL's `jsonb` takes that text
        as it is: it holds no escape `\\u0000`.
    """

    def __new__(
        cls,
        role: Literal["central_system", "charge_point"],
        *,
        strict: bool = False,
        max_frame_bytes: int = 262_144,
        queue_limit: int = 50,
        raw_sampled_values: bool = False,
    ) -> Link: ...
    def receive(self, text: str, now: float) -> list[_Effect]:
        """Take one text message of the other side."""

    def call(self, unique_id: str, action: str, payload: str, now: float, timeout_s: float) -> list[_Effect]:
        """Send a CALL, or queue it behind the one that is out. `payload` is strict JSON text.

        Raises:
            ValueError: the payload breaks the definition; the text names pointer and rule.
        """

    def reply(self, unique_id: str, payload: str) -> list[_Effect]:
        """Answer a dispatched CALL.

        Raises:
            ValueError: the payload breaks the definition: a fault of ours.
        """

    def reply_error(self, unique_id: str, code: str, description: str = "") -> list[_Effect]:
        """Answer a dispatched CALL with a CALLERROR."""

    def expire(self, now: float) -> list[_Effect]:
        """Time out what is due."""

    def cancel(self, unique_id: str) -> bool:
        """Take a CALL that was not sent yet out of the queue. False: it is not queued any more."""

    def disconnect(self) -> list[_Effect]:
        """The socket is gone: end every CALL of ours as `connection_lost` or `not_sent`."""

    @property
    def next_deadline(self) -> float | None: ...
    @property
    def queued(self) -> int: ...

def check_payload(
    action: str, direction: Literal["request", "response"], payload: str, strict: bool = True
) -> Verdict:
    """Judge one payload given as JSON text.

    Raises:
        KeyError: the action is not of OCPP 1.6.
    """

def check_call(sender: Literal["central_system", "charge_point"], action: str, payload: str) -> Verdict:
    """Judge the payload of a CALL we mean to send: strictly, cross-field rules included."""

def check_frame(
    text: str, sender: Literal["central_system", "charge_point"], strict: bool = False
) -> FrameVerdict:
    """Judge one whole frame as the receiver of it would."""

def redact(text: str) -> str:
    """The frame with every secret in it (AuthorizationKey) replaced by `***`."""

def describe() -> str:
    """The whole protocol definition as JSON text, the source of the catalog."""

def json_schema(action: str, direction: Literal["request", "response"]) -> str:
    """JSON Schema 2020-12 of one message as JSON text.

    Raises:
        KeyError: the action is not of OCPP 1.6.
    """

@final
class Control:
    """A WebSocket event that is no message (RFC 6455 5.5): `kind` is "ping", "pong", "close" or "fail".

    A "fail" is a broken rule of the peer, or a limit of ours; after it and after a "close" nothing comes.
    """

    @property
    def kind(self) -> Literal["ping", "pong", "close", "fail"]: ...
    @property
    def code(self) -> int | None:
        """The peer's close code, None when it gave none; of a "fail", the code to close with."""

    @property
    def payload(self) -> bytes:
        """The payload of a ping or a pong, the reason of the others."""

    @property
    def answer(self) -> bytes:
        """The frame to write at once: a pong, the echo of a close, the close for a failure; else empty."""

@final
class Deframer:
    """The reading side of one WebSocket (RFC 6455 5), on the server, without extensions.

    message_bytes: most bytes of one message; fragments: most fragments of one message.
    """

    def __new__(cls, message_bytes: int, fragments: int) -> Deframer: ...
    def feed(self, data: bytes) -> str | list[str | bytes | Control] | None:
        """Take what was read from the socket.

        Returns the text where the whole of it was one text message, None where nothing is complete, else all
        that is complete, in order: text and binary messages, and control frames.
        """

def text_frame(text: str) -> bytes:
    """Return the frame of a text message to a client."""

def ping_frame(payload: bytes) -> bytes:
    """Return a ping to a client; of the payload at most 125 bytes."""

def close_frame(code: int, reason: str) -> bytes:
    """Return a close to a client; of the reason at most 123 bytes."""

_PerPhase: TypeAlias = tuple[int, int, int]
_Phase: TypeAlias = Literal["L1", "L2", "L3"]
_PhaseRotation: TypeAlias = Literal["RST", "RTS", "SRT", "STR", "TRS", "TSR", "NotApplicable", "Unknown"]
_Loading: TypeAlias = tuple[int | None, int, int, int, int]

@final
class SiteNode:
    """A place of a site that limits what flows through it: a panel, a feeder, a charge point.

    Currents (`_a`) are tenths of an ampere, powers (`_w`) tenths of a watt. `limit_a` and `uncontrolled_a`
    are for L1, L2 and L3; what is uncontrolled is drawn at the node itself, not below it. `margin_*` is never
    given away.
    By default nothing is uncontrolled.
    """

    def __new__(
        cls,
        id: str,
        parent: str | None,
        limit_a: _PerPhase | None,
        limit_w: int | None = None,
        margin_a: int = 0,
        margin_w: int = 0,
        uncontrolled_a: _PerPhase = ...,
    ) -> SiteNode: ...

@final
class SiteReserve:
    """What a charge point may draw that cannot be reached: tenths of an ampere on each of its phases."""

    def __new__(
        cls,
        id: str,
        node: str,
        current_a: int,
        phases: Sequence[_Phase],
        phase_rotation: _PhaseRotation = "Unknown",
    ) -> SiteReserve: ...

@final
class SiteSession:
    """A car that wants to charge. Currents are tenths of an ampere; its limit is a multiple of `step_a`.

    phases: terminals of the connector that it draws from; phase_rotation: how they are wired to the grid
    (OCPP 1.6 9.1.7). priority: its class, 0 to 255, a higher one first. weight: relative to others of its
    class, 1 to 10 000. charging_for_s, paused_for_s: one of them, or none for a session that has not charged
    yet.
    """

    def __new__(
        cls,
        id: str,
        node: str,
        minimum_a: int,
        maximum_a: int,
        phases: Sequence[_Phase],
        phase_rotation: _PhaseRotation = "Unknown",
        *,
        step_a: int = 1,
        priority: int = 0,
        weight: int = 10,
        charging_for_s: int | None = None,
        paused_for_s: int | None = None,
        connected_for_s: int = 0,
    ) -> SiteSession: ...

@final
class SiteFault:
    """One thing that is wrong with the input; `pointer` as if all of it were one JSON object."""

    @property
    def pointer(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...

@final
class SiteShare:
    """What one session may draw, in tenths of an ampere on each of its phases, and why it is not more.

    node: index of the node that is in the way, with its `quantity`. kept_for: index of the session that the
    room is kept for. remaining_s: how long it still rests.
    """

    @property
    def limit_a(self) -> int: ...
    @property
    def reason(
        self,
    ) -> Literal["own_maximum", "node_limit", "waiting", "kept_for_another", "resting"]: ...
    @property
    def node(self) -> int | None: ...
    @property
    def quantity(self) -> Literal["L1", "L2", "L3", "power"] | None: ...
    @property
    def kept_for(self) -> int | None: ...
    @property
    def remaining_s(self) -> int | None: ...

@final
class SiteDistribution:
    """A site's power, distributed; or `faults`, and then everything else is empty."""

    @property
    def faults(self) -> list[SiteFault]: ...
    @property
    def limits_a(self) -> list[int]:
        """The limits of the sessions alone, in their order."""

    @property
    def shares(self) -> list[SiteShare]:
        """In the order of the sessions."""

    @property
    def loadings(self) -> list[tuple[_Loading, _Loading, _Loading, _Loading]]:
        """In the order of the nodes: L1, L2, L3 and power.

        Of each limit, margin, uncontrolled, reserved and allocated, in tenths; everything below a node
        counts. A limit of None: the node does not limit it.
        """

def distribute_site(
    nodes: Sequence[SiteNode],
    sessions: Sequence[SiteSession],
    reserves: Sequence[SiteReserve] = ...,
    *,
    nominal_voltage: int = 230,
    strict_priority: bool = False,
    quantum_s: int = 900,
    minimum_on_s: int = 300,
    minimum_off_s: int = 300,
) -> SiteDistribution:
    """Distribute the power of a site over its sessions; the interpreter is released meanwhile.

    strict_priority: serve a class in full before the next one gets even its minima. quantum_s: how long a
    turn lasts when not all minima fit; minimum_on_s, minimum_off_s: how long a session charges and rests at
    least.
    """

@final
class MeterRows:
    """Meter values that name their transaction, encoded as PostgreSQL's binary COPY of `COLUMNS`."""

    COLUMNS: ClassVar[list[str]]

    def __new__(cls) -> MeterRows: ...
    def add(
        self,
        tenant_id: int,
        charge_point_id: int,
        connector_id: int,
        transaction_id: int,
        sampled_at_us: int,
        received_at_us: int,
        sampled_values: str,
    ) -> None:
        """Add one element of `meterValue`. Times in microseconds since 1970; sampled_values: JSON text."""

    def take(self) -> bytes | None:
        """Return the data of the COPY; None when there is no row."""

def meter_digest(sampled_values: str, connector_id: int, transaction_id: int) -> int:
    """Return what a repeated sample is known by. transaction_id: as reported, 0 for none."""

@final
class CompositeQuestion:
    """A question for a composite schedule, read and judged once. Computing releases the interpreter."""

    @staticmethod
    def read(text: str) -> CompositeQuestion | list[Violation]:
        """Read a question given as JSON text, or say what is wrong with it.

        The members are those of `POST /v1/smart-charging/composite-schedule`: `installed` holds payloads of
        SetChargingProfile in the order of acceptance. Bounded: 2 000 profiles, 100 connectors, 366 days, and
        200 000 periods laid out in that time.
        """

    def answer(self) -> str | list[Violation]:
        """The composite schedule as JSON text: each period with its source and the profiles it beat.

        Violations: the answer would have more than 8 MiB.
        """

    def layers(self) -> str | list[Violation]:
        """When each profile is in force, whether it leads or not, as JSON text: for pictures.

        A list of `{"source": ..., "spans": [[start, end, limit], ...]}`, in seconds after the start of the
        question; the highest rank first, caps last.
        """

@final
class CompositeSchedule:
    """The bare limits of a composite schedule."""

    @property
    def start_s(self) -> int:
        """Seconds since 1970-01-01T00:00:00Z."""

    @property
    def periods(self) -> list[tuple[int, int | None, int | None]]:
        """Start in seconds, limit in tenths of the unit (None: not known), phases if any profile says."""

def composite_schedules(
    questions: Sequence[CompositeQuestion], start_s: int | None = None
) -> list[CompositeSchedule]:
    """Answer many questions in one go, without the interpreter.

    start_s: seconds since 1970; from then on instead of each question's own start.

    Raises:
        ValueError: `start_s` lies outside the years 1 to 9999.
    """
