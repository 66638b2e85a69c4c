"""Keeps installed charging profiles as they are stored.

A profile that is installed follows its stored form: when that changes, or the clocks of a calendar's zone do,
the sweep has it sent again, until the charge point has accepted it.
"""

import structlog

from app.clock import Clock
from app.database.database import Database
from app.errors import AppError, StoreUnavailable
from app.live.presence import Presence
from app.smart_charging.installer import RETRY_AFTER, ProfileInstaller
from app.smart_charging.store import InstallationReviewStore
from app.tasks import PeriodicTask
from app.types import TenantId

_SWEEP_S = 5.0
_BATCH = 50

log = structlog.get_logger(__name__)


class ProfileRefresher:
    """Sweeps the installations that are due. Every worker does; each installation goes to one of them."""

    def __init__(
        self, database: Database, presence: Presence, installer: ProfileInstaller, clock: Clock
    ) -> None:
        self._database = database
        self._presence = presence
        self._installer = installer
        self._clock = clock
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Sweep every few seconds in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "charging_profiles_refresh")

    async def close(self) -> None:
        """Sweep no more."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def sweep(self) -> int:
        """Look at the installations that are due; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer; what was taken is due again later.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            due = await InstallationReviewStore(work).take(now, now + RETRY_AFTER, _BATCH)
        for installation in due:
            owner = await self._presence.find(TenantId(installation.tenant_id), installation.identity)
            try:
                await self._installer.refresh(installation, connected=owner is not None)
            except StoreUnavailable:
                raise
            except AppError as error:
                # One charge point that takes no command now must not hold up the others.
                log.info("charging_profile_refresh_delayed", detail=error.detail)
        return len(due)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BATCH else _SWEEP_S
        except StoreUnavailable:
            log.warning("charging_profiles_not_refreshed")
            return _SWEEP_S
