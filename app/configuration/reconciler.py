"""Brings charge points to their desired configuration: after a login, when it changes, and periodically.

Every worker sweeps. A charge point that has to be reviewed goes to one of them, which does one step after
the other: it reads, or changes one key, and waits for the answer. So an operator's command never waits behind
more than one of these. A change is recorded before it is sent, and `rules.plan` decides when it is repeated.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.configuration.records import RECONCILER_ISSUER, ConfigurationReview
from app.configuration.rules import (
    ChangeStep,
    KeyTypes,
    Planned,
    ReadStep,
    Situation,
    Step,
    WaitStep,
    folded,
    pause_after_silence,
    plan,
)
from app.configuration.sealing import ValueSeal
from app.configuration.service import desired_of
from app.configuration.store import ConfigurationStore, KeyStateStore, ReviewStore
from app.connection import Connection
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import AppError, ChargePointBusy, StoreUnavailable
from app.live.presence import Presence
from app.logs import get_logger
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import TenantId

_SWEEP_S: Final = 5.0
_FULL_S: Final = 0.5
_BATCH: Final = 16
"""Charge points that a worker changes at the same time."""
_STEPS: Final = 10
"""Commands of one review. What is left has its turn after the others."""
_TIMEOUT_S: Final = 30.0
_RECORDING_S: Final = 5.0
_LEASE: Final = timedelta(minutes=10)
"""Longer than `_STEPS` commands that are answered at the last moment."""
_LOGINS_LIMIT: Final = 20_000
_AGAIN: Final = timedelta(seconds=1)
_BUSY_PAUSE: Final = timedelta(minutes=5)
_BUSY_AGAIN: Final = timedelta(seconds=2)

_NOT_SENT: Final = ("offline", "expired", "cancelled")

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Review:
    """The end of a review. due_at: of the next one, None: none is needed; failures: without an answer."""

    due_at: datetime | None
    failures: int = 0
    not_before: datetime | None = None


class ConfigurationReconciler:
    """Compares the configuration of charge points with the desired one, and changes it."""

    def __init__(
        self,
        database: Database,
        commands: CommandService,
        presence: Presence,
        types: KeyTypes,
        seal: ValueSeal,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._database = database
        self._commands = commands
        self._presence = presence
        self._types = types
        self._seal = seal
        self._clock = clock
        self._interval = timedelta(seconds=settings.configuration_review_s)
        self._delay = timedelta(seconds=settings.configuration_review_delay_s)
        self._logins: set[tuple[int, int]] = set()
        self._loop: PeriodicTask | None = None
        self._running = 0
        self._tasks = BackgroundTasks()

    def start(self) -> None:
        """Sweep every few seconds in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "configuration_reviews")

    async def close(self) -> None:
        """Stop sweeping. Commands that are under way end as any other, and leases by themselves."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None
        await self._tasks.close()

    def logged_in(self, connection: Connection) -> None:
        """Have a charge point reviewed soon."""
        if len(self._logins) >= _LOGINS_LIMIT:
            # Its periodic review comes all the same.
            LIMITS_HIT.labels("configuration_logins").inc()
            return
        self._logins.add((connection.tenant_id, connection.charge_point_id))

    async def sweep(self) -> int:
        """Review the charge points whose time has come; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is taken again when its lease ends.
        """
        due = await self._take(_BATCH)
        await asyncio.gather(*(self._review(review) for review in due))
        return len(due)

    async def _take(self, limit: int) -> list[ConfigurationReview]:
        """Note the logins since the last time, and take charge points that are to be reviewed now."""
        now, logins = self._clock.now(), self._logins
        self._logins = set()
        try:
            async with self._database.platform() as work:
                await ReviewStore(work).note_logins(logins, now + self._delay)
                return await ReviewStore(work).take(now, now + _LEASE, limit)
        except StoreUnavailable:
            self._logins |= logins
            raise

    async def _sweep_and_pause(self) -> float:
        # A slow charge point takes its place only: the others go on.
        free = _BATCH - self._running
        if free == 0:
            return _FULL_S
        try:
            due = await self._take(free)
        except StoreUnavailable:
            _LOG.warning("configuration_not_reviewed")
            return _SWEEP_S
        for review in due:
            self._running += 1
            self._tasks.spawn(self._counted(review), "configuration_review")
        return _FULL_S if len(due) == free else _SWEEP_S

    async def _counted(self, review: ConfigurationReview) -> None:
        try:
            await self._review(review)
        finally:
            self._running -= 1

    async def _review(self, review: ConfigurationReview) -> None:
        try:
            end = await self._steps(review)
        except StoreUnavailable:
            # The lease ends by itself.
            _LOG.warning("configuration_review_interrupted", tenant_id=review.tenant_id)
            return
        except ChargePointBusy:
            # An operator's command comes first.
            end = Review(self._clock.now() + _BUSY_AGAIN, review.failures)
        except AppError as error:
            # A charge point that takes no command now is tried again later.
            _LOG.info("configuration_review_delayed", charge_point=review.identity, detail=error.detail)
            end = Review(self._clock.now() + _BUSY_PAUSE, review.failures)
        async with self._database.platform() as work:
            store = ReviewStore(work)
            if end.due_at is None:
                await store.remove(review)
            else:
                await store.finish(review, end.due_at, end.failures, end.not_before)

    async def _steps(self, review: ConfigurationReview) -> Review:
        """Do some steps. Each is planned with all that is known by then."""
        tenant_id = TenantId(review.tenant_id)
        for _ in range(_STEPS):
            is_connected = await self._presence.find(tenant_id, review.identity) is not None
            async with self._database.tenant(tenant_id) as work:
                planned = await self._planned(work, review, is_connected=is_connected)
            now = self._clock.now()
            if planned is None:
                return Review(None)
            if isinstance(planned.step, WaitStep):
                later = now + self._interval
                return Review(later if planned.step.until is None else min(later, planned.step.until))
            command = await self._send(tenant_id, review, planned.step)
            if command is None:
                return Review(now + self._interval)
            if command.state in _NOT_SENT:
                return Review(self._clock.now() + _BUSY_PAUSE, review.failures)
            if command.state not in ("accepted", "rejected"):
                failures = review.failures + 1
                until = self._clock.now() + pause_after_silence(failures)
                return Review(until, failures, until)
        return Review(self._clock.now() + _AGAIN)

    async def _planned(
        self, work: TenantWork, review: ConfigurationReview, *, is_connected: bool
    ) -> Planned | None:
        """Plan the next step, and store how far the keys have come; None: nothing is desired."""
        # A charge point that is being changed has one answer after the other recorded.
        charge_point = await ChargePointStore(work).get(review.identity, to_change=True)
        if charge_point is None:
            return None
        desired = await desired_of(work, charge_point)
        store, point = KeyStateStore(work), charge_point.id
        states = await store.of_charge_point(point, to_change=True)
        await store.drop(point, states.keys() - desired.keys())
        if not desired:
            return None
        if not is_connected or charge_point.registration_status == "Rejected":
            # A login brings the next review.
            return Planned(states, WaitStep(None))
        planned = plan(desired, states, await self._situation(work, charge_point))
        changed = [state for key, state in planned.states.items() if states.get(key) != state]
        await store.put(point, changed)
        return planned

    async def _situation(self, work: TenantWork, charge_point: ChargePointRecord) -> Situation:
        known = folded(await ConfigurationStore(work).for_charge_point(charge_point.id))
        return Situation(self._types, known, charge_point.booted_at, self._clock.now())

    async def _send(
        self, tenant_id: TenantId, review: ConfigurationReview, step: Step
    ) -> CommandRecord | None:
        """Send the command of a step, and wait for its end; None: the value cannot be opened."""
        match step:
            case ChangeStep(key=key, value=stored):
                value = self._seal.opened(tenant_id, key, stored)
                if value is None:
                    _LOG.warning("configuration_value_unreadable", charge_point=review.identity, key=key)
                    return None
                payload: dict[str, Any] = {"key": key, "value": value}
                action = "ChangeConfiguration"
            case ReadStep(keys=keys):
                action, payload = "GetConfiguration", {"key": list(keys)}
            case WaitStep():
                raise AssertionError("a wait sends nothing")
        text = orjson.dumps(payload).decode()
        request = CommandRequest(review.identity, action, text, RECONCILER_ISSUER, _TIMEOUT_S, gives_way=True)
        return await self._commands.issue(tenant_id, request, wait_s=_TIMEOUT_S + _RECORDING_S)
