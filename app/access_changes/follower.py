"""Ends accesses on this worker soon after they were ended anywhere.

Twice a second it reads what has changed, from the database: so it works while Redis is away, and misses
nothing. A login that was judged before a change and completed after it is found by `has_ended`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.access_changes.records import AccessChange
from app.access_changes.store import changes_since, delete_changes_before, present_xid
from app.clock import Clock
from app.connection import Connection
from app.database.database import Database
from app.errors import AppError
from app.tasks import PeriodicTask
from app.types import TenantId

_PERIOD_S: Final = 0.5
_KEPT: Final = 50_000
"""Charge points whose ended connections are remembered. A login takes some seconds."""
_CLEANED_EVERY_S: Final = 3600.0
_RETENTION: Final = timedelta(days=1)

Rank = tuple[int, int]
"""Primary key of a charge point, and epoch."""


@dataclass(frozen=True, slots=True)
class AccessEnds:
    """The functions that end accesses on this worker. None may wait.

    forget_keys: reads every key again at its next use; check_streams: checks the keys of the streams of a
    tenant now; close: closes connections of charge points for which the given function returns True.
    """

    forget_keys: Callable[[], None]
    check_streams: Callable[[TenantId], None]
    close: Callable[[Callable[[Connection], bool]], None]


class AccessFollower:
    """Follows the changes of accesses on one worker."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._ends: AccessEnds | None = None
        self._xid: int | None = None
        self._ended: OrderedDict[int, int] = OrderedDict()
        self._out: set[TenantId] = set()
        self._read: frozenset[int] = frozenset()
        self._cleaned_at = float("-inf")
        self._loop: PeriodicTask | None = None

    async def begin(self, ends: AccessEnds) -> None:
        """Note where to begin. No login may be judged before.

        Args:
            ends: what ends accesses here.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self._ends, self._xid = ends, await present_xid(self._database.reads)

    def start(self) -> None:
        """Follow in the background."""
        self._loop = PeriodicTask(self._follow_and_pause, "access_changes")

    async def close(self) -> None:
        """Stop following."""
        if self._loop is not None:
            await self._loop.stop()

    def has_ended(self, connection: Connection) -> bool:
        """Tell whether a connection may not go on: its login was judged before a change."""
        last = self._ended.get(connection.charge_point_id)
        return connection.tenant_id in self._out or (last is not None and connection.epoch <= last)

    async def follow(self) -> None:
        """Read what has changed, and end it here.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if self._ends is None or self._xid is None:
            raise RuntimeError("begin was not called")
        found = await changes_since(self._database.reads, self._xid)
        new = [change for change in found.changes if change.id not in self._read]
        # A long transaction elsewhere lets the next readings repeat these.
        self._xid, self._read = found.next_xid, frozenset(change.id for change in found.changes)
        if new:
            self._end(new, self._ends)

    def _end(self, changes: Iterable[AccessChange], ends: AccessEnds) -> None:
        tenants: set[TenantId] = set()
        closes = False
        for change in changes:
            if change.tenant_id is not None and change.kind != "charge_point":
                tenants.add(change.tenant_id)
            if change.kind == "tenant" and change.tenant_id is not None:
                (self._out.add if change.is_out else self._out.discard)(change.tenant_id)
                closes = True
            elif change.kind == "charge_point" and change.charge_point_id is not None:
                self._remember(change.charge_point_id, change.epoch or 0)
                closes = True
        if tenants:
            ends.forget_keys()
        for tenant_id in tenants:
            ends.check_streams(tenant_id)
        if closes:
            ends.close(self.has_ended)

    def _remember(self, charge_point_id: int, epoch: int) -> None:
        self._ended[charge_point_id] = max(epoch, self._ended.pop(charge_point_id, 0))
        if len(self._ended) > _KEPT:
            self._ended.popitem(last=False)

    async def _follow_and_pause(self) -> float:
        try:
            await self.follow()
            await self._clean()
        except AppError:
            # The database is away, which other parts tell. Logins need it, too.
            return _PERIOD_S
        return _PERIOD_S

    async def _clean(self) -> None:
        now = self._clock.monotonic()
        if now - self._cleaned_at < _CLEANED_EVERY_S:
            return
        self._cleaned_at = now
        async with self._database.platform() as work:
            await delete_changes_before(work, self._clock.now() - _RETENTION)
