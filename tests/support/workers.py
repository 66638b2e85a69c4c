"""Whole workers without sockets, and charge points with a real link."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.charge_points.records import ChargePointRecord
from app.clock import Clock
from app.commands.context import CommandContext
from app.commands.owner import CommandOwner
from app.commands.reaper import CommandReaper
from app.commands.service import CommandService
from app.composition import command_effects
from app.connection import Connection
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.connect import open_redis
from app.live.presence import Presence
from app.ocpp import CallSent, Effect, Link, Resolve, Send
from app.ocpp.v16 import RegistrationStatus
from app.settings import Settings
from app.storage import Storage
from app.tracing.spans import NoTracing, Tracing
from app.types import ChargePointId, CommandId, TenantId, WorkerId
from tests.support.protocol import OCPP16

Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]
"""Returns the payload of a result for action and payload; None: the charge point does not answer."""


class Worker:
    """One worker. Its periodic tasks do not run; tests call `renew` and `reap`."""

    def __init__(
        self,
        name: str,
        redis_url: str,
        storage: Storage,
        clock: Clock,
        settings: Settings,
        tracing: Tracing | None = None,
    ) -> None:
        self.name = WorkerId(name)
        self.redis = open_redis(redis_url)
        self.clock = clock
        self.presence = Presence(self.redis, self.name, clock, lease_s=600.0)
        self.bus = CommandBus(self.redis, self.name, settings.credential_pepper)
        self.registry = Registry(self.presence, self.bus, clock)
        context = CommandContext(
            storage.database,
            storage.command_steps,
            self.bus,
            command_effects(settings),
            OCPP16,
            clock,
            settings,
            tracing=tracing or NoTracing(),
        )
        self.owner = CommandOwner(context, self.registry, self.presence)
        self.commands = CommandService(context, self.owner, self.presence)
        self.reaper = CommandReaper(context, self.owner, self.presence)
        self.waiting = self.commands.waiting
        self.receivers = {**self.registry.receivers(), **self.commands.receivers()}
        self.presence._listener = self.registry
        self._chargers: list[Charger] = []

    async def start(self) -> None:
        """Take the lease and read the inbox."""
        await self.presence.renew()
        await self.bus.start(self.receivers)

    async def stop(self) -> None:
        """End like a process at SIGTERM: messages of charge points are not accepted any longer."""
        await asyncio.gather(*(charger.leave() for charger in self._chargers))
        await self.commands.close()
        await self.bus.close()
        await self.registry.close()
        await self.redis.aclose()

    async def connect(self, storage: Storage, record: ChargePointRecord, answer: Answer) -> "Charger":
        """Let a charge point log in here."""
        epoch = await storage.login_batcher.next_epoch(record.tenant_id, record.id, self.clock.now())
        assert epoch is not None
        charger = Charger(self, record, epoch, answer)
        self._chargers.append(charger)
        await self.registry.admit(charger)
        self.waiting.logged_in(charger.connection)
        return charger


class Charger:
    """A charge point and its session in one. The link is real, the socket is a list."""

    def __init__(self, worker: Worker, record: ChargePointRecord, epoch: int, answer: Answer) -> None:
        self.worker = worker
        self.answer = answer
        self.received: list[tuple[str, str, dict[str, Any]]] = []
        self.arrived = asyncio.Event()
        self.evicted = False
        self._link = Link(OCPP16, "central_system")
        self._reports: asyncio.Queue[CallSent | Resolve] = asyncio.Queue()
        self._reporter = asyncio.create_task(self._report())
        self._connection = Connection(
            tenant_id=TenantId(record.tenant_id),
            tenant_slug="tenant",
            protocol=OCPP16,
            charge_point_id=ChargePointId(record.id),
            identity=record.identity,
            connection_id=f"connection-{record.identity}-{epoch}",
            epoch=epoch,
            strict=False,
            registration_status=record.registration_status,
            heartbeat_interval_s=300,
            remote="192.0.2.1",
            subprotocol="ocpp1.6",
            connected_at=worker.clock.now(),
        )

    @property
    def connection(self) -> Connection:
        """The connection."""
        return self._connection

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL or queue it."""
        now = self.worker.clock.monotonic()
        self._apply(self._link.call(command_id, action, payload_text, now, timeout_s))

    def ask(self, answered: Callable[[], None]) -> None:
        """Answer at once."""
        answered()

    def change_registration(self, status: RegistrationStatus) -> None:
        self.connection.registration_status = status

    def withdraw(self, command_id: CommandId) -> bool:
        """Remove a CALL from the queue."""
        return self._link.cancel(command_id)

    def evict(self, reason: str) -> None:
        """Record the eviction."""
        self.evicted = True

    def say(self, text: str) -> None:
        """Send a frame to the central system."""
        self._apply(self._link.receive(text, self.worker.clock.monotonic()))

    def reply(self, number: int, payload: dict[str, Any]) -> None:
        """Answer a CALL that was received. The first one has the number 0."""
        self.say(json.dumps([3, self.received[number][0], payload]))

    def expire(self) -> None:
        """Let the link time out CALLs."""
        self._apply(self._link.expire(self.worker.clock.monotonic()))

    async def disconnect(self) -> None:
        """Lose the socket."""
        self._apply(self._link.disconnect())
        await self.worker.registry.leave(self)

    async def reported(self) -> None:
        """Wait until all events are recorded."""
        await self._reports.join()
        await self.worker.commands.settle()
        await self.worker.waiting.close()

    def vanish(self) -> None:
        """Act like a worker after SIGKILL: nothing is reported any longer."""
        self._reporter.cancel()

    async def leave(self) -> None:
        """Stop reporting, and wait until its task has ended."""
        self.vanish()
        await asyncio.wait({self._reporter})

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, CallSent | Resolve):
                self._reports.put_nowait(effect)
        for effect in effects:
            if isinstance(effect, Send):
                self._take(effect.text)

    def _take(self, text: str) -> None:
        _, unique_id, action, payload = json.loads(text)
        self.received.append((unique_id, action, payload))
        self.arrived.set()
        result = self.answer(action, payload)
        if result is not None:
            self.say(json.dumps([3, unique_id, result]))

    async def _report(self) -> None:
        while True:
            effect = await self._reports.get()
            try:
                if isinstance(effect, CallSent):
                    self.worker.owner.sent(self._connection, effect.unique_id)
                else:
                    await self.worker.owner.resolved(self._connection, effect)
            finally:
                self._reports.task_done()


def accept(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Accept everything."""
    return {"status": "Accepted"}


def silence(action: str, payload: dict[str, Any]) -> None:
    """Answer nothing."""


@asynccontextmanager
async def running_workers(
    redis_url: str,
    storage: Storage,
    clock: Clock,
    settings: Settings,
    *names: str,
    tracing: Tracing | None = None,
) -> AsyncIterator[list[Worker]]:
    """Start workers, and stop them at the end."""
    async with AsyncExitStack() as stack:
        workers = [Worker(name, redis_url, storage, clock, settings, tracing) for name in names]
        for worker in workers:
            await worker.start()
            stack.push_async_callback(worker.stop)
        yield workers
