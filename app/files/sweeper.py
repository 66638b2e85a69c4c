"""Deletes files and links whose time is over, contents that no file has, and temporary files left behind."""

from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.database.database import Database
from app.errors import AppError
from app.files.service import CONTENT_GRACE
from app.files.spool import Spool
from app.files.storage import FileStorage
from app.files.store import FileSweepStore
from app.logs import get_logger
from app.tasks import PeriodicTask

_SWEEP_S: Final = 60.0
_BATCH: Final = 200
_DELETED_AT_ONCE: Final = 20
"""Contents that are deleted in one transaction, which holds their rows meanwhile."""
LINK_KEPT: Final = timedelta(days=7)
"""How long a link is kept after its end, so that a late charge point is told why it is refused."""

_LOG = get_logger(__name__)


class FileSweeper:
    """Sweeps in every worker; each row goes to one of them."""

    def __init__(self, database: Database, storage: FileStorage, spool: Spool, clock: Clock) -> None:
        self._database = database
        self._storage = storage
        self._spool = spool
        self._clock = clock
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Sweep every minute in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "files_sweep")

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def sweep(self) -> bool:
        """Delete one batch of everything; return whether there may be more.

        Raises:
            AppError: the database or the storage does not answer. The next sweep goes on.
        """
        now = self._clock.now()
        try:
            await self._spool.sweep()
        except OSError as error:
            # The folder of this server must not keep the files of all from being deleted.
            _LOG.warning("temporary_files_not_swept", error=str(error))
        async with self._database.platform() as work:
            store = FileSweepStore(work)
            files = await store.delete_expired_files(now, now + CONTENT_GRACE, _BATCH)
            links = await store.delete_old_links(now - LINK_KEPT, _BATCH)
        async with self._database.platform() as work:
            store = FileSweepStore(work)
            unused = await store.unused_contents(now, _DELETED_AT_ONCE)
            for key in unused:
                await self._storage.delete(key)
            await store.forget_contents(unused)
        return _BATCH in (files, links) or len(unused) == _DELETED_AT_ONCE

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() else _SWEEP_S
        except AppError as error:
            _LOG.warning("files_not_swept", detail=error.detail)
            return _SWEEP_S
