"""The compiled core: frames, validation, the RPC link and the schedules of OCPP 1.6J.

Everything here takes values and returns values, except conversations. A conversation reads a clock, wakes
the writer of records, and writes the answers when a `MeterBatch` or `MeterQueue` settles the records.
Import it through `app.ocpp`. `now` and deadlines are monotonic seconds.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, final

__all__ = [
    "COMPILER_VERSION",
    "DEVIATION_CODES",
    "CallSent",
    "CompositeQuestion",
    "CompositeSchedule",
    "Control",
    "Conversation",
    "Counters",
    "Deframer",
    "Deviation",
    "Dispatch",
    "Encryption",
    "FrameBuffer",
    "FrameVerdict",
    "Ignored",
    "Link",
    "MeterBatch",
    "MeterQueue",
    "Notice",
    "Protocol",
    "Refused",
    "Resolve",
    "Send",
    "SiteDistribution",
    "SiteFault",
    "SiteMemory",
    "SiteNode",
    "SiteOverload",
    "SiteReserve",
    "SiteSession",
    "SiteShare",
    "Socket",
    "Sockets",
    "TlsContext",
    "Verdict",
    "Violation",
    "close_frame",
    "composite_schedules",
    "distribute_site",
    "is_secret_name",
    "meter_digest",
    "pack_samples",
    "ping_frame",
    "redact",
    "redact_fault_text",
    "text_frame",
    "unpack_frames",
    "unpack_samples",
]

_Json: TypeAlias = dict[str, Any]

COMPILER_VERSION: str
"""The version of the Rust compiler that built this module, such as `1.95.0`."""

DEVIATION_CODES: tuple[str, ...]
"""Every `Deviation.kind`."""

@final
class Violation:
    """One broken rule. code: as in OCPP-J 4.2.3; pointer: a JSON pointer into the payload or frame."""

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
    """One deviation from the standard, repaired or kept raw. `raw` is the received text, shortened."""

    @property
    def kind(self) -> str: ...
    @property
    def pointer(self) -> str: ...
    @property
    def raw(self) -> str: ...

@final
class Verdict:
    """The result of judging one payload. `payload` is None exactly when there are violations."""

    @property
    def payload(self) -> _Json | None: ...
    @property
    def violations(self) -> list[Violation]: ...
    @property
    def deviations(self) -> list[Deviation]: ...

@final
class FrameVerdict:
    """The result of judging one whole frame.

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
class Protocol:
    """One version of OCPP: definition, error codes and limits. Make it once, and pass it on.

    A protocol lives until the process ends.
    """

    @staticmethod
    def v16() -> Protocol:
        """Read OCPP 1.6 from the definition files in the core."""

    @staticmethod
    def v201() -> Protocol:
        """Read OCPP 2.0.1 from the definition files in the core: messages and types, no rules."""

    @staticmethod
    def v21() -> Protocol:
        """Read OCPP 2.1 from the definition files in the core: messages and types, no rules."""

    @staticmethod
    def load(
        version: str,
        profiles: Sequence[str],
        *,
        types: str = "",
        errors: str = "",
        configuration_keys: str = "",
        documents: str = "",
        security_events: str = "",
    ) -> Protocol:
        """Read another version from the texts of its definition files (TOML).

        Raises:
            ValueError: the files are malformed or contradict each other.
        """

    @property
    def version(self) -> str: ...
    def describe(self) -> str:
        """Return the whole definition as JSON text, the source of the catalog."""

    def json_schema(self, action: str, direction: Literal["request", "response"]) -> str:
        """Return the JSON Schema 2020-12 of one payload as JSON text.

        Raises:
            KeyError: the protocol has no such action.
        """

    def check_payload(
        self, action: str, direction: Literal["request", "response"], payload: str, strict: bool = True
    ) -> Verdict:
        """Judge one payload given as JSON text.

        Raises:
            KeyError: the protocol has no such action.
        """

    def check_call(
        self, sender: Literal["central_system", "charge_point"], action: str, payload: str
    ) -> Verdict:
        """Judge the payload of a CALL that we will send: strictly, including rules between fields.

        Raises:
            KeyError: the protocol has no such action, or the other side sends it.
        """

    def check_frame(
        self, text: str, sender: Literal["central_system", "charge_point"], strict: bool = False
    ) -> FrameVerdict:
        """Judge one whole frame as its receiver would."""

@final
class FrameBuffer:
    """Frames that wait to be logged. Conversations add them, with secrets removed.

    They are taken out as PostgreSQL's binary COPY of the columns `COLUMNS`, with one row for each run: frames
    of one connection within `RUN_SPAN_US` microseconds.
    """

    COLUMNS: ClassVar[list[str]]
    RUN_SPAN_US: ClassVar[int]

    def __new__(cls, frames_limit: int, bytes_limit: int, tenant_bytes_per_day: int) -> FrameBuffer: ...
    def take(self) -> tuple[bytes, int] | None:
        """Return the oldest frames as COPY data, and their number; None: the buffer is empty."""

    def take_shed(self) -> int:
        """Return how many frames were dropped since the last call, because the buffer was full."""

    def take_beyond_quota(self) -> dict[int, int]:
        """Return how many frames were dropped since the last call, beyond the quotas of their tenants."""

    def __len__(self) -> int: ...

def unpack_frames(
    packed: bytes, last_at_us: int
) -> tuple[str, list[tuple[int, Literal["in", "out"], str, str | None]]]:
    """Return the connection id of a stored run and its frames: time, direction, text, deviations as JSON.

    Args:
        packed: the column of that name.
        last_at_us: the time of the last frame in microseconds since 1970, the column `at`.

    Raises:
        ValueError: the bytes are damaged, or a newer version has packed them.
    """

@final
class Send:
    """Write `text` to the socket."""

    @property
    def text(self) -> str: ...

@final
class Dispatch:
    """A CALL of the other side. Answer it with `Link.reply` or `Link.reply_error`.

    It is valid or repaired. A billing message comes however damaged it is: then `payload` has what can be
    read of it. text: a billing message as it came.
    """

    @property
    def unique_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def payload(self) -> _Json: ...
    @property
    def deviations(self) -> list[Deviation]: ...
    @property
    def text(self) -> str | None: ...

@final
class CallSent:
    """A CALL of `Link.call` is about to be sent: it is the `Send` that follows this effect."""

    @property
    def unique_id(self) -> str: ...

@final
class Resolve:
    """A CALL of ours has ended. Each CALL ends once; if it timed out, a `late` answer may follow."""

    @property
    def unique_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def outcome(
        self,
    ) -> Literal[
        "result",
        "call_error",
        "invalid_result",
        "unreadable_answer",
        "timed_out",
        "connection_lost",
        "not_sent",
    ]: ...
    @property
    def late(self) -> bool: ...
    @property
    def payload(self) -> _Json | None: ...
    @property
    def error_code(self) -> str | None: ...
    @property
    def error_description(self) -> str | None: ...
    @property
    def text(self) -> str | None:
        """The text of an answer that is damaged or breaks the definition: without secrets, and cut."""

    @property
    def deviations(self) -> list[Deviation]: ...

@final
class Refused:
    """A CALL was refused; the CALLERROR is the `Send` that follows. For logs and metrics."""

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
    """A frame was dropped. `reason` is one of the names in the core's `link/effect.rs`.

    action, text: the billing message that it names, and the frame: it cannot be answered, but it is kept.
    """

    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def action(self) -> str | None: ...
    @property
    def text(self) -> str | None: ...

_Effect: TypeAlias = Send | Dispatch | CallSent | Resolve | Refused | Ignored

@final
class Link:
    """The RPC state machine of one connection (OCPP-J 4), seen from one side.

    strict: refuse what tolerance would repair.
    raw_sampled_values: judge each `sampledValue` received in full, but give it as one `str` of JSON text, the
        array as it came (or repaired, if necessary), not as a list. PostgreSQL's `jsonb` takes that text
        as it is: it holds no escape `\\u0000`.
    """

    def __new__(
        cls,
        protocol: Protocol,
        role: Literal["central_system", "charge_point"],
        *,
        strict: bool = False,
        max_frame_bytes: int = 262_144,
        queue_limit: int = 50,
        raw_sampled_values: bool = False,
    ) -> Link: ...
    def receive(self, text: str, now: float) -> list[_Effect]:
        """Receive one text message of the other side."""

    def call(self, unique_id: str, action: str, payload: str, now: float, timeout_s: float) -> list[_Effect]:
        """Send a CALL, or queue it until the one before is answered. payload: strict JSON text.

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
        """Time out the outstanding CALL if its deadline has passed."""

    def cancel(self, unique_id: str) -> bool:
        """Remove a CALL that was not sent yet from the queue. False: it is not queued any longer."""

    def disconnect(self) -> list[_Effect]:
        """End all CALLs of ours as `connection_lost` or `not_sent`, because the socket is closed."""

    @property
    def next_deadline(self) -> float | None: ...
    @property
    def queued(self) -> int: ...

@final
class Notice:
    """Something that a `Conversation` has found in addition to the effects of its link.

    "slow": too many frames; do not read before the monotonic second `until`. "tolerated": a deviation of the
    kind `text` outside of the frame. After "too_big" and "not_text" the conversation receives nothing.
    "failed": the core failed at `text`.
    """

    @property
    def kind(self) -> Literal["slow", "tolerated", "too_big", "not_text", "failed"]: ...
    @property
    def until(self) -> float: ...
    @property
    def text(self) -> str | None: ...

_Found: TypeAlias = Dispatch | CallSent | Resolve | Refused | Ignored | Notice | Control | str | bytes

@final
class Counters:
    """Counters of the frame path of one tenant, on one worker.

    bounds_s: upper bounds of the histogram buckets, in seconds, ascending.
    """

    def __new__(cls, bounds_s: Sequence[float]) -> Counters: ...
    def answered(self, action: str, seconds: float) -> None:
        """Count an answered CALL. seconds: from its arrival to its answer."""

    def take(self) -> tuple[int, int, int, dict[str, tuple[list[int], float]]]:
        """Return and reset the frames received, their bytes, the frames sent, and answered CALLs by action.

        An action has counts by bucket, the last one above all bounds, and their sum in seconds.
        """

_Record: TypeAlias = tuple[int, int, int, int, int, list[tuple[int, str]]]
_Answered: TypeAlias = tuple[int, list[Exception]]

@final
class MeterBatch:
    """Meter values of one group commit, and the connections that wait for their answers.

    The methods that settle records write the answers. They return the number of answers, and the exceptions
    that some of them raised. Each record is answered once; closed connections get no answer.
    """

    COLUMNS: ClassVar[list[str]]

    def copy(self) -> bytes:
        """Return PostgreSQL's binary COPY of all readings into the columns `COLUMNS`."""

    def events(self) -> list[tuple[int, bytes]]:
        """Return the tenants of the batch, each with its event as `app.events.packed` reads it."""

    def records(self) -> list[_Record]:
        """Return tenant, charge point, connector, transaction, received_at_us and readings of each record.

        A reading is its time in microseconds since 1970 and its `sampledValue` as JSON text.
        """

    def acknowledge(self, now: float, at_us: int) -> _Answered:
        """Answer all messages that still wait, because the records are stored."""

    def refuse_overdue(self, since: float, code: str, description: str, now: float, at_us: int) -> _Answered:
        """Answer with a CALLERROR all that have waited since `since` (monotonic) or longer."""

    def settle_one(
        self, place: int, now: float, at_us: int, code: str | None = None, description: str = ""
    ) -> _Answered:
        """Answer only the record at `place`: it is stored. With `code` it is not stored."""

    @property
    def waiting(self) -> int:
        """The number of records that are not answered yet."""

    def __len__(self) -> int: ...

@final
class MeterQueue:
    """Meter values of all conversations of a worker that wait to be stored.

    batch_limit: most records of one batch; limit: most records that wait. Above it, and after `close`,
    conversations dispatch MeterValues like any other CALL. wake: is called when enough records wait.
    """

    def __new__(cls, batch_limit: int, limit: int, wake: Callable[[], object]) -> MeterQueue: ...
    def take(self) -> MeterBatch | None:
        """Return the oldest batch, which must be written now; None: the queue is empty."""

    def wake_at(self, records: int) -> None:
        """Set how many waiting records wake the writer. The first one always does."""

    def close(self) -> None:
        """Refuse further records. Those that wait stay in the queue."""

    def refuse_overdue(self, since: float, code: str, description: str, now: float, at_us: int) -> _Answered:
        """Do as in `MeterBatch`, and drop batches that have been answered in full."""

    def __len__(self) -> int: ...

@final
class Conversation:
    """One connection of a charge point: every byte in and every frame out (OCPP-J 4, RFC 6455 5).

    It reads, judges, logs and counts frames, puts plain MeterValues directly into `meters`, and answers plain
    Heartbeats. Everything else it returns, in order: effects of its link, `Control`, `Notice`, and data to
    write: bytes if it `is_framed`, otherwise text. What a `Socket` can send before all else it sends itself.
    None means an empty list. When a record is settled its answer goes to the
    `write` of `transport`; `await_record` makes it tell the `owner` by `recorded`, too. `disconnect` forgets
    both.

    inflates: messages may come compressed (RFC 7692, no context takeover); none is sent compressed.
    frame_bytes, unregistered_bytes: the largest frame, after and before `register`; queue_limit: CALLs of
    ours that may wait; rate_per_s, burst: limits of frames; clock: has `monotonic` and `now_us`; None: the
    clock of the machine, which costs no call.
    """

    owner: Any
    transport: Any
    has_spoken: bool
    """Whether anything was received since this was set to False."""

    is_accepted: bool
    """Whether the registration is Accepted now, so that a plain Heartbeat is answered here. Write only."""

    is_watched: bool
    """Whether plain CALLs are returned, too, because the caller waits for one of them. Write only."""

    def __new__(
        cls,
        protocol: Protocol,
        tenant_id: int,
        charge_point_id: int,
        connection_id: str,
        *,
        is_framed: bool,
        inflates: bool,
        strict: bool,
        frame_bytes: int,
        unregistered_bytes: int,
        queue_limit: int,
        rate_per_s: float,
        burst: int,
        meters: MeterQueue,
        counters: Counters,
        frames: FrameBuffer,
        clock: Any,
    ) -> Conversation: ...
    def register(self) -> None:
        """Allow records and large frames, because the charge point is or was registered."""

    def close(self) -> None:
        """Ignore further messages. Control frames are still returned."""

    def await_record(self) -> None:
        """Call the `owner` once, when the record that the conversation waits for is settled."""

    def feed(self, data: bytes) -> list[_Found] | None:
        """Receive bytes of the socket."""

    def text(self, text: str) -> list[_Found] | None:
        """Receive one text message."""

    def binary(self, data: bytes) -> list[_Found] | None:
        """Receive one binary message."""

    def call(self, unique_id: str, action: str, payload: str, timeout_s: float) -> list[_Found] | None:
        """Do as `Link.call`."""

    def reply(self, unique_id: str, payload: str) -> str | bytes:
        """Answer a dispatched CALL with JSON text; return what to write.

        Raises:
            ValueError: the payload breaks the definition: a fault of ours.
        """

    def reply_error(self, unique_id: str, code: str, description: str) -> str | bytes:
        """Answer a dispatched CALL with a CALLERROR; return what to write."""

    def send(self, text: str) -> str | bytes:
        """Count and log a frame that the link did not make; return what to write."""

    def expire(self) -> list[_Found] | None:
        """Time out the outstanding CALL if its deadline has passed."""

    def cancel(self, unique_id: str) -> bool:
        """Do as `Link.cancel`."""

    def disconnect(self) -> list[_Found] | None:
        """End all CALLs of ours, because the socket is closed."""

    @property
    def heard_us(self) -> int:
        """The time of the last read in microseconds since 1970; at first, the time of its start."""

    @property
    def next_deadline(self) -> float | None: ...
    @property
    def calls_received(self) -> int:
        """How many CALLs the charge point has sent, repeated and refused ones too."""

    @property
    def is_recording(self) -> bool:
        """Whether a CALL waits in the queue of meter values."""

def redact(text: str) -> str:
    """Return a frame, or other JSON text, with every secret in it replaced by `***`.

    Secret are the values of names that say so in any spelling (AuthorizationKey, StationPassword, G_CardPin),
    and the passwords in URLs.
    """

def redact_fault_text(text: str) -> str:
    """Return the text of a status or of a security event with every secret in it replaced by `***`.

    Only what cannot be about a fault is hidden: secrets of URLs, long credentials behind `Basic` or `Bearer`,
    and values behind the name of a secret. A pin of a plug is none.
    """

def is_secret_name(name: str) -> bool:
    """Tell whether a name, such as that of a configuration key, says that its value is secret."""

@final
class Sockets:
    """The sockets of one event loop. Their bytes go to conversations without a call of the loop.

    call_soon: that of the loop, to call `settle`; failed: gets an exception of a protocol, which ends that
    connection.
    """

    def __new__(
        cls, call_soon: Callable[[Callable[[], object]], object], failed: Callable[[Exception], object]
    ) -> Sockets: ...
    def fileno(self) -> int:
        """Return the descriptor to watch. When it is readable, call `serve`."""

    def adopt(self, descriptor: int, transport: Any, protocol: Any, reader: Any) -> Socket:
        """Take over a connected stream socket, which is closed here from now on. Keep it until it is opened.

        transport: has the connection until then, and is aborted if it ends before. protocol: gets the calls
        `pause_writing`, `resume_writing` and `connection_lost` as from a transport. reader: if it is a
        `Conversation`, it is fed, and its `found` gets the results; otherwise `data_received` gets the bytes.

        Raises:
            OSError: it is not an open socket.
        """

    def accept_tls(self, descriptor: int, context: TlsContext, protocol: Any) -> Socket:
        """Take over a TCP socket that was just accepted, and do the handshake of TLS when its peer begins it.

        `data_received` of the protocol gets the decrypted bytes. `connection_lost` gets an `OSError` that
        begins with "TLS: " if the peer broke the rules of TLS or no suite, version or certificate was
        acceptable.

        Raises:
            OSError: it is not an open socket.
        """

    def serve(self) -> None:
        """Handle the sockets that are ready: read, deliver, send. It never waits."""

    def settle(self) -> None:
        """Carry out what was requested meanwhile: send, read on, report lost connections."""

    def close(self) -> None:
        """Close all connections."""

    def __len__(self) -> int:
        """Return how many sockets are kept or open."""

@final
class Socket:
    """One connection, with the interface of an asyncio transport. It never calls its protocol at once."""

    def open(self) -> None:
        """Begin to read and send. The transport must not do so any longer."""

    def write(self, data: bytes) -> None:
        """Send, or keep the data until the peer can receive it."""

    def close(self) -> None:
        """Send all data that was written, and close."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`."""

    def resume_reading(self) -> None:
        """Continue to read."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not sent yet."""

    def is_closing(self) -> bool:
        """Tell whether nothing more is read: it was closed, the peer has ended, or it is lost."""

    def switch(self, protocol: Any, reader: Any) -> None:
        """Go on with another protocol. reader: see `Sockets.adopt`."""

    def encryption(self) -> Encryption | None:
        """Return the facts of its TLS session, None if it has none or the connection is lost."""

@final
class TlsContext:
    """Certificates of the server, and trust anchors for those of clients. It does not change.

    certificates: paths of PEM files, each a certificate with its chain and its private key. The first one
    serves clients that ask for no name, or for an unknown one. ticket_keys: 80 bytes, the same in all
    workers. anchors: PEM; None: clients are not asked for certificates. revoked: the name of the issuer, DER,
    and the serial number, big endian without zeros in front. accepts_unverified: certificates that lead to no
    anchor are accepted, too; the program must verify them.

    Raises:
        ValueError: a file cannot be used. The text does not contain the private key.
    """

    def __new__(
        cls,
        certificates: list[tuple[str, str]],
        ticket_keys: bytes,
        anchors: bytes | None,
        revoked: list[tuple[bytes, bytes]],
        accepts_unverified: bool,
    ) -> TlsContext: ...

@final
class Encryption:
    """The facts of one TLS session. `version` and `suite` are in the words of OpenSSL."""

    @property
    def is_established(self) -> bool: ...
    @property
    def is_resumed(self) -> bool: ...
    @property
    def version(self) -> str: ...
    @property
    def suite(self) -> str: ...
    @property
    def certificate(self) -> bytes | None:
        """The certificate of the client, DER; None: it has shown none."""

    @property
    def others(self) -> list[bytes]:
        """The other certificates that it has sent, DER."""

    @property
    def anchor(self) -> bytes | None:
        """The trust anchor at the end of its chain, DER; None: it is not verified."""

@final
class Control:
    """A WebSocket event that is not a message (RFC 6455 5.5): `kind` is "ping", "pong", "close" or "fail".

    A "fail" is a rule that the peer broke, or a limit of ours. Nothing follows it, or a "close".
    """

    @property
    def kind(self) -> Literal["ping", "pong", "close", "fail"]: ...
    @property
    def code(self) -> int | None:
        """The close code of the peer; None: it gave none. For a "fail": the code to close with."""

    @property
    def payload(self) -> bytes:
        """The payload of a ping or pong; the reason of a close or fail."""

    @property
    def answer(self) -> bytes:
        """The frame to write at once: a pong, the echo of a close, the close for a fail; otherwise empty."""

@final
class Deframer:
    """The reading side of one WebSocket (RFC 6455 5), on the server, without extensions.

    message_bytes: most bytes of one message; fragments: most fragments of one message.
    """

    has_spoken: bool
    """Whether anything was received since this was set to False."""

    def __new__(cls, message_bytes: int, fragments: int) -> Deframer: ...
    def feed(self, data: bytes) -> list[str | bytes | Control] | None:
        """Receive bytes of the socket. Return complete messages and events, in order."""

def text_frame(text: str) -> bytes:
    """Return the frame of a text message to a client."""

def ping_frame(payload: bytes) -> bytes:
    """Return a ping to a client. The payload is cut to 125 bytes."""

def close_frame(code: int, reason: str) -> bytes:
    """Return a close to a client. The reason is cut to 123 bytes."""

_PerPhase: TypeAlias = tuple[int, int, int]
_Phase: TypeAlias = Literal["L1", "L2", "L3"]
_PhaseRotation: TypeAlias = Literal["RST", "RTS", "SRT", "STR", "TRS", "TSR", "NotApplicable", "Unknown"]
_Loading: TypeAlias = tuple[int | None, int, int, int, int]
_Quantity: TypeAlias = Literal["L1", "L2", "L3", "power", "unbalance_L1", "unbalance_L2", "unbalance_L3"]

@final
class SiteNode:
    """A place of a site that limits the power through it: a panel, a feeder, a charge point.

    Currents (`_a`) are tenths of an ampere, powers (`_w`) tenths of a watt. `limit_a` and `uncontrolled_a`
    are for L1, L2 and L3. The uncontrolled load is at the node itself, not below it; negative: it feeds in;
    default: none. `margin_*` is never allocated. unbalance_a: the most by which the current of one phase may
    exceed that of another; None: any amount.
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
        unbalance_a: int | None = None,
    ) -> SiteNode: ...

@final
class SiteReserve:
    """The power that an unreachable charge point may draw: tenths of an ampere on each of its phases."""

    def __new__(
        cls,
        id: str,
        node: str,
        current_a: int,
        phases: Sequence[_Phase],
        phase_rotation: _PhaseRotation = "Unknown",
    ) -> SiteReserve: ...

@final
class SiteMemory:
    """The memory of one decision about a session, for the next one; each share of a distribution has it.

    for_s: how long the activity has lasted. served_s: how much longer the session has charged than others of
    its class. single_phase_for_s: since when it is switched to one phase; None: it is not.
    """

    def __new__(
        cls,
        activity: Literal["charging", "paused", "new"],
        for_s: int,
        connected_for_s: int = 0,
        served_s: int = 0,
        single_phase_for_s: int | None = None,
    ) -> SiteMemory: ...
    def after(self, elapsed_s: int) -> SiteMemory:
        """Return what is remembered after the decision has been in force for some seconds."""

    @property
    def activity(self) -> Literal["charging", "paused", "new"]: ...
    @property
    def for_s(self) -> int: ...
    @property
    def connected_for_s(self) -> int: ...
    @property
    def served_s(self) -> int: ...
    @property
    def single_phase_for_s(self) -> int | None: ...

@final
class SiteSession:
    """A charging session that takes part in the distribution. Currents are tenths of an ampere.

    step_a: the limit is a multiple of it. phases: the terminals of the connector that the current flows
    through; phase_rotation: how they are wired to the grid (OCPP 1.6 9.1.7). priority: the class, 0 to 255; a
    higher class is served first. weight: relative to other sessions of the class, 1 to 10 000.
    charging_for_s, paused_for_s: at most one of them; neither for a session that has not charged yet.
    maximum_a: below minimum_a, the session gets 0. present_a: the limit in force now; None: not known.
    can_switch_phases: its charge point can switch it to one phase. memory: from the decision before; other
    arguments count more.
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
        present_a: int | None = None,
        can_switch_phases: bool = False,
        memory: SiteMemory | None = None,
    ) -> SiteSession: ...

@final
class SiteFault:
    """One fault in the input. pointer: as if the whole input were one JSON object."""

    @property
    def pointer(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...

@final
class SiteOverload:
    """A limit that uncontrolled loads and reserves alone exceed. node: its index. excess: in tenths."""

    @property
    def node(self) -> int: ...
    @property
    def quantity(self) -> _Quantity: ...
    @property
    def excess(self) -> int: ...

@final
class SiteShare:
    """The limit of one session, in tenths of an ampere on each of its phases, and why it is not more.

    below_signalled: the limit is too low to be signalled to a vehicle. phases: the terminals that the current
    flows through. memory: for the next decision. node: index of the node that limits it, with the `quantity`.
    kept_for: index of the session that the capacity is reserved for. remaining_s: how long the session still
    rests.
    """

    @property
    def limit_a(self) -> int: ...
    @property
    def below_signalled(self) -> bool: ...
    @property
    def phases(self) -> list[_Phase]: ...
    @property
    def memory(self) -> SiteMemory: ...
    @property
    def reason(
        self,
    ) -> Literal[
        "own_maximum", "node_limit", "waiting", "kept_for_another", "resting", "held", "cannot_charge"
    ]: ...
    @property
    def node(self) -> int | None: ...
    @property
    def quantity(self) -> _Quantity | None: ...
    @property
    def kept_for(self) -> int | None: ...
    @property
    def remaining_s(self) -> int | None: ...

@final
class SiteDistribution:
    """The distribution of the power of a site. If there are `faults`, everything else is empty."""

    @property
    def faults(self) -> list[SiteFault]: ...
    @property
    def limits_a(self) -> list[int]:
        """Only the limits of the sessions, in their order."""

    @property
    def shares(self) -> list[SiteShare]:
        """The shares in the order of the sessions."""

    @property
    def overloads(self) -> list[SiteOverload]:
        """The limits that are exceeded whatever sessions get, in the order of the nodes."""

    @property
    def loadings(self) -> list[list[_Loading]]:
        """The loadings in the order of the nodes, each for L1, L2, L3, power and three unbalances.

        A loading is limit, margin, uncontrolled, reserved and allocated, in tenths, including everything
        below the node. A limit of None: the node does not limit it.
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
    minimum_single_phase_s: int = 600,
    dead_band_a: int = 10,
    dead_band_percent: int = 5,
    rise_a: int | None = None,
) -> SiteDistribution:
    """Distribute the power of a site to its sessions. The interpreter is released meanwhile.

    strict_priority: a class is served in full before the next one gets even its minima. quantum_s: the length
    of a turn if not all minima fit; minimum_on_s, minimum_off_s: the shortest time that a session charges and
    rests; minimum_single_phase_s: the shortest time on one phase. dead_band_a, dead_band_percent: the larger
    one counts; a present limit does not change by less as far as it fits. rise_a: the most by which a limit
    rises at once; None: any amount.
    """

def pack_samples(sampled_values: str) -> bytes:
    """Return the JSON text of `sampledValue` in few bytes, as it is stored."""

def unpack_samples(packed_values: bytes) -> str:
    """Return the exact text that was packed.

    Raises:
        ValueError: the bytes are damaged, or a newer version has packed them.
    """

def meter_digest(sampled_values: str, connector_id: int, transaction_id: int) -> int:
    """Return the digest that identifies a repeated sample. transaction_id: as reported, 0: none."""

@final
class CompositeQuestion:
    """A question for a composite schedule, read and judged once. Computing releases the interpreter."""

    @staticmethod
    def read(protocol: Protocol, text: str) -> CompositeQuestion | list[Violation]:
        """Read a question given as JSON text. Violations: it is not valid.

        The members are those of `POST /v1/smart-charging/composite-schedule`: `installed` holds payloads of
        SetChargingProfile in the order of acceptance. At most 2 000 profiles, 100 connectors, 366 days, and
        200 000 periods within that time.
        """

    def answer(self) -> str | list[Violation]:
        """Return the composite schedule as JSON text: each period with its source and those that it beat.

        Violations: the answer would have more than 8 MiB.
        """

    def layers(self) -> str | list[Violation]:
        """Return when each profile is in force, whether it is the source or not, as JSON text for drawings.

        A list of `{"source": ..., "spans": [[start, end, limit], ...], "chargingRateUnit": ...}`, in seconds
        after the start of the question. A profile's limits are in its own unit. The highest rank is first;
        the limits of the charge point are last.
        """

@final
class CompositeSchedule:
    """The limits of a composite schedule, without their sources."""

    @property
    def start_s(self) -> int:
        """The start in seconds since 1970-01-01T00:00:00Z."""

    @property
    def periods(self) -> list[tuple[int, int | None, int | None]]:
        """Start in seconds, limit in tenths of the unit (None: unknown), and phases if a profile has them."""

def composite_schedules(
    questions: Sequence[CompositeQuestion], start_s: int | None = None
) -> list[CompositeSchedule]:
    """Answer many questions in one call. The interpreter is released meanwhile.

    start_s: seconds since 1970, instead of the start of each question.

    Raises:
        ValueError: `start_s` is outside the years 1 to 9999.
    """
