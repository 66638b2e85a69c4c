"""Keeps the lists of charge points as they should be: after a login, a change of tags, and from time to time.

Every worker sweeps. A charge point goes to one of them, which decides the next message and issues it as an
ordinary command. Its end changes what is believed (`handlers`), and lets the charge point be looked at again.
So an update of many messages survives a restart between two of them.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import orjson

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.service import CommandService
from app.configuration.store import ConfigurationStore
from app.connection import Connection
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import AppError, ChargePointBusy, StoreUnavailable, Unavailable
from app.id_tags.selection import select_id_tags
from app.live.presence import Presence
from app.local_lists.records import (
    ISSUER,
    Believed,
    DesiredList,
    DueListCheck,
    InFlight,
    ListLimits,
    ListStateRecord,
    ListUpdate,
    LocalListRecord,
)
from app.local_lists.rules import (
    LONGEST_LIST,
    Action,
    AskVersion,
    Nothing,
    Send,
    TooLong,
    after_answer,
    desired_list,
    limits_from,
    list_for,
    plan,
)
from app.local_lists.store import ListStateStore, ListSweepStore, LocalListStore
from app.logs import get_logger
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.tasks import PeriodicTask
from app.types import ChargePointKey, Json, TenantId

_SWEEP_S: Final = 1.0
_BATCH: Final = 20
_LISTS_AT_ONCE: Final = 20
_AGAIN: Final = timedelta(minutes=1)
_BUSY_AGAIN: Final = timedelta(seconds=2)
_OFFLINE: Final = timedelta(hours=1)
"""A login comes first; this is for logins that were not noted."""
_SUPPORT_AGAIN: Final = timedelta(days=1)
"""A login after this time asks one without a list again: new firmware may have one, or it was off."""
_LIMITS_AGAIN: Final = timedelta(days=1)
_LIMIT_KEYS: Final = ("LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength")

_LOG = get_logger(__name__)


class ListSynchronizer:
    """The sweep of one worker. `logged_in` is told of each login."""

    def __init__(
        self,
        database: Database,
        commands: CommandService,
        presence: Presence,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._database = database
        self._commands = commands
        self._presence = presence
        self._clock = clock
        self._settings = settings
        self._logins: dict[ChargePointKey, None] = {}
        self._loop: PeriodicTask | None = None

    @property
    def is_running(self) -> bool:
        """Whether it sweeps in the background."""
        return self._loop is not None

    @property
    def waiting(self) -> int:
        """How many logins wait to be noted."""
        return len(self._logins)

    def start(self) -> None:
        """Sweep every second in the background, unless it is switched off."""
        if self._settings.local_list_sync:
            self._loop = PeriodicTask(self._sweep_and_pause, "local_lists")

    async def close(self) -> None:
        """Stop sweeping."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.stop()

    def logged_in(self, connection: Connection) -> None:
        """Note a login: the charge point may have lost its list, or another system changed it."""
        if not self._settings.local_list_sync:
            return
        if len(self._logins) >= self._settings.local_list_login_limit:
            # It is asked with the next periodic check.
            LIMITS_HIT.labels("local_list_logins").inc()
            return
        self._logins[ChargePointKey(connection.tenant_id, connection.charge_point_id)] = None

    async def sweep(self) -> int:
        """Look at the charge points whose time has come; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        now, settings = self._clock.now(), self._settings
        points = list(self._logins)
        async with self._database.platform() as work:
            store = ListSweepStore(work)
            if points:
                await store.wake_logins(points, now + timedelta(seconds=settings.local_list_delay_s))
            again_at = now + timedelta(seconds=settings.local_list_debounce_s)
            changed = await store.scan(now, again_at, _LISTS_AT_ONCE)
            due = await store.take(now, now + _AGAIN, _BATCH)
        for point in points:
            self._logins.pop(point, None)
        for tenant_id, name in changed:
            async with self._database.tenant(tenant_id) as tenant_work:
                # All changes until then go out together.
                if (record := await LocalListStore(tenant_work).get(name)) is not None:
                    await wake_targets(tenant_work, record, again_at)
        for one in due:
            try:
                await self.act(one)
            except StoreUnavailable:
                raise
            except AppError as error:
                # A charge point that takes no command now must not delay the others.
                _LOG.info("local_list_delayed", detail=error.detail)
        return len(due)

    async def act(self, due: DueListCheck) -> None:
        """Do the next step for one charge point."""
        tenant_id, now = TenantId(due.tenant_id), self._clock.now()
        # Before the row is locked, because it may take as long as Redis likes.
        is_connected = await self._presence.find(tenant_id, due.identity) is not None
        async with self._database.tenant(tenant_id) as work:
            store = ListStateStore(work)
            state = await store.get(due.charge_point_id, to_change=True)
            if state is None or state.check_at != due.check_at:
                # Something has woken it since, so that it is looked at again.
                return
            before, charge_point = state, await ChargePointStore(work).get(due.identity)
            if charge_point is None or charge_point.id != due.charge_point_id:
                return
            record = list_for(await LocalListStore(work).all(), charge_point)
            state, request = await self._decide(work, before, record, now, is_connected=is_connected)
            await store.put(state, before)
        if request is not None:
            action, payload = request
            await self._issue(due, state, action, payload)

    async def _decide(
        self,
        work: TenantWork,
        state: ListStateRecord,
        record: LocalListRecord | None,
        now: datetime,
        *,
        is_connected: bool,
    ) -> tuple[ListStateRecord, tuple[str, Json] | None]:
        """Return the new state of a charge point, and the command to issue, if there is one."""
        if state.in_flight is not None:
            if state.in_flight.until > now:
                return replace(state, check_at=state.in_flight.until), None
            # Its worker is gone, so that no effect has told how it ended.
            state = replace(state, believed=_without_end(state), in_flight=None)
        may_support = state.believed.supported or (is_connected and _is_to_ask_again(state, now))
        if record is None or not state.sync or not may_support:
            return replace(state, check_at=None), None
        if not is_connected:
            return replace(state, check_at=now + _OFFLINE), None
        limits, is_known = await limits_of(work, state.charge_point_id, self._settings)
        asked_at = state.limits_asked_at
        if not is_known and (asked_at is None or now - asked_at > _LIMITS_AGAIN):
            asking = replace(state, limits_asked_at=now, check_at=now + _AGAIN)
            return asking, ("GetConfiguration", {"key": list(_LIMIT_KEYS)})
        period = timedelta(seconds=self._settings.local_list_check_s)
        believed = state.believed
        if believed.verify or believed.doubt is not None:
            # Nothing depends on the tags before the version is known.
            return self._step(state, AskVersion(), now, period)
        found = await _desired(work, record, state.charge_point_id, now)
        action = plan(found.entries, believed, limits)
        if isinstance(action, Nothing) and _last_word(state, now) + period <= now:
            believed, action = replace(believed, verify=True), AskVersion()
        return self._step(replace(state, believed=believed), action, now, period)

    def _step(
        self, state: ListStateRecord, action: Action, now: datetime, period: timedelta
    ) -> tuple[ListStateRecord, tuple[str, Json] | None]:
        match action:
            case Send(update):
                return self._in_flight(state, update, now), ("SendLocalList", update.payload)
            case AskVersion():
                return self._in_flight(state, None, now), ("GetLocalListVersion", {})
            case TooLong():
                LIMITS_HIT.labels("local_list_length").inc()
                return replace(state, check_at=now + period), None
            case Nothing():
                believed = replace(state.believed, drifted=False, failures=0)
                check_at = max(_last_word(state, now) + period, now + _AGAIN)
                return replace(state, believed=believed, check_at=check_at), None

    def _in_flight(self, state: ListStateRecord, update: ListUpdate | None, now: datetime) -> ListStateRecord:
        settings = self._settings
        until = now + timedelta(seconds=settings.command_expiry_s + settings.call_timeout_s) + _AGAIN
        flight = InFlight(f"{ISSUER}:{uuid4()}", update, until)
        return replace(state, in_flight=flight, check_at=until)

    async def _issue(self, due: DueListCheck, state: ListStateRecord, action: str, payload: Json) -> None:
        key = None if state.in_flight is None else state.in_flight.key
        request = CommandRequest(
            identity=due.identity,
            action=action,
            payload_text=orjson.dumps(payload).decode(),
            issued_by=ISSUER,
            idempotency_key=key,
            gives_way=True,
        )
        try:
            command = await self._commands.issue(TenantId(due.tenant_id), request)
        except (StoreUnavailable, Unavailable):
            # It may still be sent: the end of it, or of its time, tells.
            raise
        except ChargePointBusy:
            # An operator's command comes first.
            await self._forget(due, key, _BUSY_AGAIN)
            return
        except AppError:
            await self._forget(due, key, _AGAIN)
            raise
        if command.state == "offline":
            await self._forget(due, key, _OFFLINE)

    async def _forget(self, due: DueListCheck, key: str | None, pause: timedelta) -> None:
        """Take back a command that was not sent."""
        async with self._database.tenant(due.tenant_id) as work:
            store = ListStateStore(work)
            state = await store.get(due.charge_point_id, to_change=True)
            if state is None or (key is not None and (state.in_flight is None or state.in_flight.key != key)):
                return
            after = replace(state, in_flight=None, check_at=self._clock.now() + pause)
            if key is None:
                # What was not sent was the question for its limits.
                after = replace(after, limits_asked_at=None)
            await store.put(after, state)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BATCH else _SWEEP_S
        except StoreUnavailable:
            _LOG.warning("local_lists_not_swept")
            return _SWEEP_S


async def wake_targets(work: TenantWork, record: LocalListRecord, at: datetime) -> None:
    """Let all charge points of a list be looked at. at: when."""
    filters = record.filters
    if filters is not None and not filters.is_impossible:
        await LocalListStore(work).wake(await ChargePointStore(work).ids(filters), at)


async def desired_for(work: TenantWork, charge_point: ChargePointRecord, at: datetime) -> DesiredList | None:
    """Return the list that a charge point should have; None: no list is meant for it."""
    record = list_for(await LocalListStore(work).all(), charge_point)
    return None if record is None else await _desired(work, record, charge_point.id, at)


async def _desired(
    work: TenantWork, record: LocalListRecord, charge_point_id: int, at: datetime
) -> DesiredList:
    tags = await select_id_tags(
        work,
        all_id_tags=record.all_id_tags,
        groups=record.groups,
        id_tags=record.id_tags,
        # One more, so that a list that is too long is seen.
        limit=LONGEST_LIST + 1,
    )
    return desired_list(record, tags, charge_point_id, at)


async def limits_of(work: TenantWork, charge_point_id: int, settings: Settings) -> tuple[ListLimits, bool]:
    """Return the limits of a charge point, and whether it has reported them."""
    keys = await ConfigurationStore(work).for_charge_point(charge_point_id)
    values = {key.key.lower(): key.value for key in keys}
    return limits_from(values, settings.local_list_default_length)


def _without_end(state: ListStateRecord) -> Believed:
    flight = state.in_flight
    if flight is None or flight.update is None:
        return replace(state.believed, verify=True)
    return after_answer(state.believed, flight.update, "lost")


def _is_to_ask_again(state: ListStateRecord, now: datetime) -> bool:
    """Tell whether a charge point that has logged in may have a list meanwhile."""
    return state.believed.verify and now - _last_word(state, now) >= _SUPPORT_AGAIN


def _last_word(state: ListStateRecord, now: datetime) -> datetime:
    """Return when the charge point last said something about its list."""
    times = [at for at in (state.reported_at, state.status_at) if at is not None]
    return max(times, default=now)
