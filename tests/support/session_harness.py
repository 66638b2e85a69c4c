"""A session for unit tests. Everything around it is replaced by lists."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from app.answers import Handler, RecordHandler
from app.authorization_webhooks.authorizer import ExternalAuthorizer
from app.capability import handlers_of as handlers_of_capabilities
from app.clock import Clock, microseconds_of
from app.composition import WorkerParts, compose_capabilities, message_handlers
from app.connection import Connection
from app.database.database import Database
from app.deviations.recorder import DeviationRecorder
from app.deviations.records import SeenDeviation
from app.errors import StoreUnavailable
from app.frame_log.recorder import FrameLog
from app.gateway.dispatch import Dispatcher
from app.gateway.session import Session
from app.gateway.session_services import SessionLimits, SessionServices
from app.gateway.tenant_quotas import TenantQuotas
from app.gateway.ticker import CallDeadlines
from app.ocpp import Dispatch, FrameBuffer, MeterQueue, Resolve
from app.settings import Settings
from app.transactions.batch_writer import answered
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers import transaction_handlers
from app.transactions.ledger import Ledger
from app.transactions.records import DamagedRecord, MeterReadings
from app.transactions.store.meter_values import readings_of
from app.types import ChargePointId, TenantId
from tests.support.conversations import logged
from tests.support.protocol import OCPP16

Record = TypeVar("Record")

LIMITS = SessionLimits(
    frame_bytes=4096,
    frame_unregistered_bytes=1024,
    inbound_queue=4,
    rate_per_s=20.0,
    rate_burst=200,
    command_queue=50,
)


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000.0)

    def now_us(self) -> int:
        return microseconds_of(self.now())

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class ListTransport:
    """A transport that records what is written, in order."""

    sent: list[str] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    reading: bool = True
    silence_s: float | None = None

    def write(self, frame: str | bytes) -> None:
        assert isinstance(frame, str)
        self.sent.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def ask(self, answered: Callable[[], None]) -> None:
        """Answer at once."""
        answered()

    def allow_silence(self, seconds: float) -> None:
        self.silence_s = seconds

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@dataclass
class FakeLedger:
    """A ledger that commits at once, or not at all."""

    kept: list[DamagedRecord] = field(default_factory=list)
    readings: list[MeterReadings] = field(default_factory=list)
    available: bool = True
    sent_before_commit: list[list[str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    meters: MeterQueue = field(init=False)

    def __post_init__(self) -> None:
        self.meters = MeterQueue(512, 1000, lambda: self.wake())

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.write_meters)

    def write_meters(self) -> None:
        """Commit the records of the queue."""
        self.sent_before_commit.append(list(self.sent))
        while (batch := self.meters.take()) is not None:
            if not self.available:
                answered(batch.refuse_overdue(float("inf"), "InternalError", "", 0.0, 0))
                continue
            self.readings += map(readings_of, batch.records())
            answered(batch.acknowledge(0.0, 0))

    def keep_damaged(self, record: DamagedRecord) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._commit(self.kept, record))

    def meter_values(self, readings: MeterReadings) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._commit(self.readings, readings))

    async def _commit(self, records: list[Record], record: Record) -> None:
        self.sent_before_commit.append(list(self.sent))
        if not self.available:
            raise StoreUnavailable()
        records.append(record)


@dataclass
class FakeFrameLog:
    buffer: FrameBuffer = field(default_factory=lambda: FrameBuffer(1000, 1_000_000, 1_000_000))

    @property
    def rows(self) -> list[tuple[str, str, Any]]:
        """Return direction, text and deviations of the frames that were logged since the last call."""
        return logged(self.buffer)


@dataclass
class FakeStorage:
    database: None = None
    login_batcher: None = None
    message_steps: None = None
    quirks: None = None
    ledger: FakeLedger = field(default_factory=FakeLedger)
    frame_log: FakeFrameLog = field(default_factory=FakeFrameLog)


@dataclass
class FakeCommands:
    """Records what sessions report about our CALLs."""

    events: list[tuple[str, str]] = field(default_factory=list)
    resolves: list[Resolve] = field(default_factory=list)
    received_calls: list[tuple[str, str]] = field(default_factory=list)

    def sent(self, connection: Connection, unique_id: str) -> None:
        self.events.append(("sent", unique_id))

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        self.events.append((resolve.outcome, resolve.unique_id))
        self.resolves.append(resolve)

    def received(self, connection: Connection, call: Dispatch) -> None:
        self.received_calls.append((call.action, call.unique_id))


class NoWebhooks:
    """An authorizer of tenants without a webhook."""

    asking_tenants: frozenset[int] = frozenset()

    async def authorize(self, connection: Connection, id_tag: str, at: datetime) -> dict[str, Any]:
        return {"status": "Invalid"}


def starts_of(storage: Any) -> ExternalStarts:
    """Return the way of starts to the ledger of a storage, without a webhook."""
    return ExternalStarts(storage.ledger, cast(ExternalAuthorizer, NoWebhooks()))


def handlers_of(storage: Any, clock: Clock) -> dict[str, Handler]:
    """Return the handlers of all messages over a storage that may be a fake."""
    parts = SimpleNamespace(
        protocol=OCPP16,
        storage=storage,
        presence=None,
        commands=None,
        bus=None,
        redis=None,
        events=None,
        starts=starts_of(storage),
        authorization=SimpleNamespace(authorizer=NoWebhooks()),
        clock=clock,
        settings=Settings(credential_pepper="pepper"),
    )
    worker = cast(WorkerParts, parts)
    return {**message_handlers(worker), **handlers_of_capabilities(compose_capabilities(worker))}


def record_handlers_of(storage: Any, clock: Clock) -> dict[str, RecordHandler]:
    """Return the handlers of billing messages over a storage that may be a fake."""
    return transaction_handlers(storage.ledger, starts_of(storage), clock)


class ListRecorder(DeviationRecorder):
    """Lists the codes that sessions count. It has no database."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(cast(Database, None), clock, lambda: [])
        self.codes: list[str] = []

    def note(self, connection: Connection, seen: Sequence[SeenDeviation]) -> None:
        """List the deviations of one message."""
        super().note(connection, seen)
        self.codes += [one.code for one in seen]


class SessionHarness:
    """One session and everything that it uses."""

    def __init__(
        self,
        handlers: Mapping[str, Handler] | None = None,
        *,
        strict: bool = False,
        registration: Any = "Accepted",
        accepted_before: bool = True,
        limits: SessionLimits = LIMITS,
        tenant_id: int = 1,
        quotas: TenantQuotas | None = None,
        frames: FrameBuffer | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.transport = ListTransport()
        self.storage = FakeStorage()
        self.storage.ledger.sent = self.transport.sent
        if frames is not None:
            self.storage.frame_log.buffer = frames
        self.commands = FakeCommands()
        self.deadlines = CallDeadlines()
        self.deviations = ListRecorder(self.clock)
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.connection = Connection(
            tenant_id=TenantId(tenant_id),
            tenant_slug="demo",
            protocol=OCPP16,
            charge_point_id=ChargePointId(7),
            identity="CP1",
            connection_id="connection-1",
            epoch=1,
            strict=strict,
            registration_status=registration,
            heartbeat_interval_s=300,
            remote="192.0.2.1",
            subprotocol="ocpp1.6",
            connected_at=self.clock.now(),
            accepted_before=accepted_before,
        )
        ledger, frame_log = cast(Ledger, self.storage.ledger), cast(FrameLog, self.storage.frame_log)
        self.services = SessionServices(
            ledger=ledger,
            frame_log=frame_log,
            dispatcher=Dispatcher(
                OCPP16,
                {**handlers_of(self.storage, self.clock), **(handlers or {})},
                record_handlers_of(self.storage, self.clock),
            ),
            commands=self.commands,
            deviations=self.deviations,
            clock=self.clock,
            limits=limits,
            quotas=quotas
            or TenantQuotas(
                Settings(credential_pepper="pepper"), self.clock, frame_log.buffer, lambda *_: None
            ),
            watch_deadlines=self.deadlines.sessions.add,
            call_later=lambda seconds, callback: self.later.append((seconds, callback)),
        )
        self.session = Session(self.connection, self.transport, self.services, is_framed=False)

    async def receive(self, *texts: str) -> list[str]:
        """Receive texts, wait until all is done, and return what was sent since."""
        before = len(self.transport.sent)
        for text in texts:
            self.session.receive_text(text)
        await self.session.settled()
        return self.transport.sent[before:]

    def close_code(self) -> int | None:
        """The code that the session closed with."""
        return self.transport.closed[0] if self.transport.closed else None

    def is_reading(self) -> bool:
        """Whether the session reads messages."""
        return self.transport.reading

    @property
    def kinds(self) -> list[str]:
        """The kinds of the deviations in the frame log."""
        return [found["kind"] for _, _, found_all in self.storage.frame_log.rows for found in found_all or []]
