"""Keeps the messages that were exchanged: a row for each, written in the background, and dropped in time.

No message waits for it. Under load rows are left out and counted.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.computation import OWN, compute
from app.data_transfer.records import NewTransfer
from app.data_transfer.rules import kept_data
from app.data_transfer.store import add_transfers, expire_transfers, prune_transfers
from app.database.database import Database
from app.errors import AppError
from app.logs import get_logger
from app.metrics import DATA_TRANSFERS_SHED
from app.settings import Settings
from app.tasks import PeriodicTask

_INTERVAL_S: Final = 1.0
_ROWS_LIMIT: Final = 1000
"""Rows of one write."""
_ROWS_OF_TENANT_LIMIT: Final = 200
"""Rows of one tenant in a write, so that a busy one leaves room for the others."""
_CHARACTERS_LIMIT: Final = 8_000_000
"""Characters of data that wait together."""
_SWEEP_S: Final = 60.0
"""Seconds between two looks for surplus rows: to count the rows of a tenant reads all that are kept."""
_BATCH: Final = 1000

_LOG = get_logger(__name__)


class TransferRecorder:
    """The messages of one worker."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._kept = settings.data_transfers_of_tenant_limit
        self._retention = timedelta(days=settings.data_transfer_retention_days)
        self._waiting: list[NewTransfer] = []
        self._of_tenant: Counter[int] = Counter()
        self._characters = 0
        self._written: set[int] = set()
        self._writing = asyncio.Lock()
        self._tasks: list[PeriodicTask] = []

    def start(self) -> None:
        """Write in the background from now on, and drop old rows."""
        self._tasks = [
            PeriodicTask(self._step, "data_transfers"),
            PeriodicTask(self._sweep_and_pause, "data_transfers_retention"),
        ]

    async def close(self) -> None:
        """Write what waits, and stop."""
        for task in self._tasks:
            await task.stop()
        await self.flush()

    def note(self, transfer: NewTransfer) -> None:
        """Keep a message for the next write, with its secrets until then."""
        size = len(transfer.data or "") + len(transfer.answer_data or "")
        if (
            len(self._waiting) >= _ROWS_LIMIT
            or self._of_tenant[transfer.tenant_id] >= _ROWS_OF_TENANT_LIMIT
            or self._characters + size > _CHARACTERS_LIMIT
        ):
            DATA_TRANSFERS_SHED.labels("full").inc()
            return
        self._of_tenant[transfer.tenant_id] += 1
        self._characters += size
        self._waiting.append(transfer)

    async def flush(self) -> None:
        """Write what waits, behind a write that runs. If that fails, it is dropped and counted."""
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            self._of_tenant.clear()
            self._characters = 0
            if not waiting:
                return
            shown = await compute(OWN, lambda: [_without_secrets(one) for one in waiting])
            try:
                async with self._database.platform() as work:
                    await add_transfers(work, shown)
                self._written.update(one.tenant_id for one in shown)
            except AppError as error:
                DATA_TRANSFERS_SHED.labels("not_written").inc(len(waiting))
                _LOG.warning("data_transfers_not_written", count=len(waiting), detail=error.detail)

    async def sweep(self) -> int:
        """Delete up to 1000 messages whose time has passed, and surplus ones; return the first.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        written, self._written = sorted(self._written), set()
        async with self._database.platform() as work:
            if written:
                await prune_transfers(work, written, self._kept)
            return await expire_transfers(work, self._clock.now() - self._retention, _BATCH)

    async def _step(self) -> float:
        await self.flush()
        return _INTERVAL_S

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BATCH else _SWEEP_S
        except AppError:
            return _SWEEP_S


def _without_secrets(transfer: NewTransfer) -> NewTransfer:
    return replace(transfer, data=kept_data(transfer.data), answer_data=kept_data(transfer.answer_data))
