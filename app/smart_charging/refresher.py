"""Keeps installed charging profiles as they are stored.

If a stored profile changes, or the offset of a calendar's zone, a sweep has it sent again until the charge
point has accepted it.
"""

from app.clock import Clock
from app.database.database import Database
from app.errors import AppError, StoreUnavailable
from app.live.presence import Presence
from app.logs import get_logger
from app.smart_charging.installer import ProfileInstaller
from app.smart_charging.rules.installation import RETRY_AFTER
from app.smart_charging.store import InstallationReviewStore
from app.tasks import PeriodicTask
from app.types import TenantId

_SWEEP_S = 5.0
_BATCH = 50

_LOG = get_logger(__name__)


class ProfileRefresher:
    """Checks installations. Every worker sweeps; each pending installation goes to one of them."""

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
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def sweep(self) -> int:
        """Check the installations whose time has come; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is checked again later.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            pending = await InstallationReviewStore(work).take(now, now + RETRY_AFTER, _BATCH)
        for installation in pending:
            owner = await self._presence.find(TenantId(installation.tenant_id), installation.identity)
            try:
                await self._installer.refresh(installation, connected=owner is not None)
            except StoreUnavailable:
                raise
            except AppError as error:
                # A charge point that takes no command now must not delay the others.
                _LOG.info("charging_profile_refresh_delayed", detail=error.detail)
        return len(pending)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BATCH else _SWEEP_S
        except StoreUnavailable:
            _LOG.warning("charging_profiles_not_refreshed")
            return _SWEEP_S
