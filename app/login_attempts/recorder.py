"""Notes refused logins: one log line each, a metric, and a row of the tenant, written in the background.

Everybody can cause them. So none waits for the database, and under load rows are dropped and counted.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.database.database import Database
from app.errors import AppError
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.login_attempts.store import add_login_attempts
from app.logs import get_logger
from app.metrics import LOGIN_ATTEMPTS_SHED, LOGINS_REFUSED
from app.tasks import PeriodicTask

_INTERVAL_S: Final = 1.0
_ROWS_LIMIT: Final = 1000
"""Rows of one write."""
_ROWS_OF_TENANT_LIMIT: Final = 200
"""Rows of one tenant in a write, so that a flood at one leaves room for the others."""
_DETAIL_LIMIT: Final = 200

_LOG = get_logger(__name__)
_Key = tuple[str, str | None, RefusalReason, str]


class RefusedLogins:
    """The refused logins of one worker."""

    def __init__(
        self, database: Database, noticed: Callable[[RefusedLogin], None] = lambda login: None
    ) -> None:
        """noticed: told of each refused login. It must not wait."""
        self._database = database
        self._noticed = noticed
        self._waiting: dict[_Key, tuple[RefusedLogin, int]] = {}
        self._of_tenant: Counter[str] = Counter()
        self._writing = asyncio.Lock()
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Write in the background from now on."""
        self._task = PeriodicTask(self._step, "login_attempts")

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            await self._task.stop()
        await self.flush()

    def note(self, login: RefusedLogin) -> None:
        """Log and count a refused login, and keep it for the next write."""
        LOGINS_REFUSED.labels(login.reason).inc()
        self._noticed(login)
        _LOG.warning(
            "login_refused",
            reason=login.reason.value,
            tenant=login.tenant,
            charge_point=login.identity,
            remote=login.remote,
            detail=login.detail,
        )
        if login.tenant is None:
            return
        key = (login.tenant, login.identity, login.reason, login.remote)
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = (known[0], known[1] + 1)
        elif len(self._waiting) < _ROWS_LIMIT and self._of_tenant[login.tenant] < _ROWS_OF_TENANT_LIMIT:
            self._of_tenant[login.tenant] += 1
            detail = None if login.detail is None else login.detail[:_DETAIL_LIMIT]
            self._waiting[key] = (replace(login, detail=detail), 1)
        else:
            LOGIN_ATTEMPTS_SHED.labels("full").inc()

    async def flush(self) -> None:
        """Write what waits, after a write that is under way. If that fails, it is dropped and counted."""
        async with self._writing:
            waiting, self._waiting = self._waiting, {}
            self._of_tenant.clear()
            if not waiting:
                return
            try:
                async with self._database.platform() as work:
                    await add_login_attempts(work, list(waiting.values()))
            except AppError as error:
                LOGIN_ATTEMPTS_SHED.labels("not_written").inc(len(waiting))
                _LOG.warning("login_attempts_not_written", count=len(waiting), detail=error.detail)

    async def _step(self) -> float:
        await self.flush()
        return _INTERVAL_S
