"""Ends uploads whose time is over, and deletes old jobs."""

from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.database.database import Database
from app.diagnostics.service import DiagnosticsService
from app.diagnostics.store import DiagnosticsSweepStore
from app.errors import StoreUnavailable
from app.logs import get_logger
from app.tasks import PeriodicTask

_SWEEP_S: Final = 10.0
_BATCH: Final = 100
KEPT: Final = timedelta(days=365)
"""How long a job is kept after its end."""

_LOG = get_logger(__name__)


class DiagnosticsSweeper:
    """Sweeps in every worker. A job that two of them find is ended by one."""

    def __init__(self, database: Database, service: DiagnosticsService, clock: Clock) -> None:
        self._database = database
        self._service = service
        self._clock = clock
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Sweep every few seconds in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "diagnostics_sweep")

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def sweep(self) -> bool:
        """End and delete one batch; return whether there may be more.

        Raises:
            StoreUnavailable: the database does not answer. The next sweep goes on.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            store = DiagnosticsSweepStore(work)
            overdue = await store.overdue(now, _BATCH)
            deleted = await store.delete_old(now - KEPT, _BATCH)
        for tenant_id, job_id in overdue:
            await self._service.time_out(tenant_id, job_id)
        return _BATCH in (len(overdue), deleted)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() else _SWEEP_S
        except StoreUnavailable:
            _LOG.warning("diagnostics_not_swept")
            return _SWEEP_S
