"""Keeps the questions that were asked: a row of the tenant for each, written in the background.

No question waits for it. Under load rows are dropped and counted.
"""

import asyncio
from collections import Counter
from typing import Final

from app.authorization_webhooks.records import Attempt
from app.authorization_webhooks.store import add_attempts
from app.database.database import Database
from app.errors import AppError
from app.logs import get_logger
from app.metrics import AUTHORIZATION_ATTEMPTS_SHED
from app.tasks import PeriodicTask
from app.types import TenantId

_INTERVAL_S: Final = 1.0
_ROWS_LIMIT: Final = 2000
"""Rows of one write."""
_ROWS_OF_TENANT_LIMIT: Final = 200
"""Rows of one tenant in a write, so that a busy one leaves room for the others."""

_LOG = get_logger(__name__)


class AttemptRecorder:
    """The attempts of one worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Attempt] = []
        self._of_tenant: Counter[TenantId] = Counter()
        self._writing = asyncio.Lock()
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Write in the background from now on."""
        self._task = PeriodicTask(self._step, "authorization_attempts")

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            await self._task.stop()
        await self.flush()

    def note(self, attempt: Attempt) -> None:
        """Keep an attempt for the next write."""
        if len(self._waiting) >= _ROWS_LIMIT or self._of_tenant[attempt.tenant_id] >= _ROWS_OF_TENANT_LIMIT:
            AUTHORIZATION_ATTEMPTS_SHED.labels("full").inc()
            return
        self._of_tenant[attempt.tenant_id] += 1
        self._waiting.append(attempt)

    async def flush(self) -> None:
        """Write what waits, behind a write that runs. If that fails, it is dropped and counted."""
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            self._of_tenant.clear()
            if not waiting:
                return
            try:
                async with self._database.platform() as work:
                    await add_attempts(work, waiting)
            except AppError as error:
                AUTHORIZATION_ATTEMPTS_SHED.labels("not_written").inc(len(waiting))
                _LOG.warning("authorization_attempts_not_written", count=len(waiting), detail=error.detail)

    async def _step(self) -> float:
        await self.flush()
        return _INTERVAL_S
