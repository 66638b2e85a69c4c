"""Drops old security events in the background: all after the retention, and others beyond a number.

The number is one for our own events of a tenant, and one for the events of a charge point.
"""

from collections import Counter
from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.database.database import Database
from app.errors import AppError
from app.logs import get_logger
from app.metrics import LIMITS_HIT
from app.security.store import (
    expire_events,
    prune_events_of_charge_point,
    prune_own_events,
    tenants_with_own_events,
)
from app.tasks import PeriodicTask

_SWEEP_S: Final = 600.0
_BATCH: Final = 1000
_LOOKED_AT_AFTER: Final = 1000
"""New events of a charge point after which its events are counted."""

_LOG = get_logger(__name__)


class SecurityEventKeeper:
    """Keeps the table of security events at a bounded size. Every worker sweeps; rows are deleted once."""

    def __init__(self, database: Database, clock: Clock, retention_days: int) -> None:
        self._database = database
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._loop: PeriodicTask | None = None
        self._new: Counter[tuple[int, str]] = Counter()

    def start(self) -> None:
        """Sweep every ten minutes in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "security_events_retention")

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()

    def added(self, tenant_id: int, identity: str) -> None:
        """Note that a charge point of this worker has a new event."""
        self._new[(tenant_id, identity)] += 1

    async def sweep(self) -> int:
        """Delete up to 1000 events whose time has passed, and what is too much of our own; return the first.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._database.platform() as work:
            if tenants := await tenants_with_own_events(work):
                await prune_own_events(work, tenants)
        for tenant_id, identity in [key for key, new in self._new.items() if new >= _LOOKED_AT_AFTER]:
            async with self._database.platform() as work:
                dropped = await prune_events_of_charge_point(work, tenant_id, identity)
            del self._new[(tenant_id, identity)]
            if dropped:
                LIMITS_HIT.labels("security_events").inc(dropped)
                _LOG.warning(
                    "security_events_dropped", tenant_id=tenant_id, charge_point=identity, count=dropped
                )
        async with self._database.platform() as work:
            return await expire_events(work, self._clock.now() - self._retention, _BATCH)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BATCH else _SWEEP_S
        except AppError:
            return _SWEEP_S
