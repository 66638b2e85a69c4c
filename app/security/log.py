"""The security log of this server: what it notices itself, such as wrong passwords and failures of TLS.

Everybody can cause such events. So none waits for the database, and under load they are dropped and counted.
Refused logins are already kept with their reason and address (`app.login_attempts`). An event here says that
there were some, and names the list that shows them.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Final

from app.clock import Clock
from app.database.prepared import Prepared
from app.errors import AppError
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.logs import get_logger
from app.metrics import LIMITS_HIT, SECURITY_EVENTS
from app.security.event_batcher import key_of
from app.security.records import NewSecurityEvent, OwnEvent
from app.security.rules import SUSPICIOUS, TLS_FAILURES, own_event
from app.security.store import add_events
from app.tasks import PeriodicTask
from app.token_buckets import TokenBuckets

_INTERVAL_S: Final = 1.0
_ROWS_LIMIT: Final = 500
"""Events that wait for a write."""
_ROWS_OF_TENANT_LIMIT: Final = 100
"""Waiting events of one tenant, so that a flood at one leaves room for the others."""
_LINES_PER_MINUTE: Final = 60
"""Lines of the log about events of one type. The metric counts all."""

_LOG = get_logger(__name__)


class SecurityLog:
    """The events that one worker notices."""

    def __init__(self, steps: Prepared, clock: Clock) -> None:
        """steps: the connections that run the statements."""
        self._steps = steps
        self._clock = clock
        self._waiting: dict[tuple[int | str, bytes], NewSecurityEvent] = {}
        self._of_tenant: Counter[int | str] = Counter()
        self._lines = TokenBuckets(_LINES_PER_MINUTE, most_keys=len(OwnEvent))
        self._writing = asyncio.Lock()
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Write in the background from now on."""
        self._task = PeriodicTask(self._step, "security_log")

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            await self._task.stop()
        await self.flush()

    def record(self, tenant: int | str | None, identity: str | None, event_type: OwnEvent, info: str) -> None:
        """Note an event. It does not wait.

        Args:
            tenant: Primary key or slug; None: it is not known, so the event is in the server's log only.
            identity: Of the charge point, as far as it is known.
            info: A few words without secrets, up to 255 characters. Equal ones within an hour are one event.
        """
        SECURITY_EVENTS.labels("central_system", event_type.value).inc()
        self._tell(tenant, identity, event_type, info)
        if tenant is None:
            return
        event = own_event(tenant, identity, event_type, info, self._clock.now())
        key = key_of(event)
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = replace(
                known, copies=known.copies + 1, received_at=max(known.received_at, event.received_at)
            )
        elif len(self._waiting) < _ROWS_LIMIT and self._of_tenant[tenant] < _ROWS_OF_TENANT_LIMIT:
            self._of_tenant[tenant] += 1
            self._waiting[key] = event
        else:
            LIMITS_HIT.labels("security_log").inc()

    def tls_failed(self, reason: str, address: str) -> None:
        """Note a failure of TLS before a login, if it may be an attack. Its tenant is not known.

        reason: as in the metric (`gateway.tls_failures`); address: of the client.
        """
        if (what := TLS_FAILURES.get(reason)) is not None:
            self.record(None, None, OwnEvent.TLS_FAILURE, f"{what}; address={address}")

    def refused(self, login: RefusedLogin) -> None:
        """Note a refused login if it may be an attack. The list of refused logins has its details."""
        info = f"reason={login.reason.value}; see /v1/login-attempts"
        if login.reason is RefusalReason.SECURITY_PROFILE:
            self.record(login.tenant, login.identity, OwnEvent.LOWER_SECURITY_PROFILE, login.detail or info)
        elif login.reason is RefusalReason.CERTIFICATE:
            self.record(login.tenant, login.identity, OwnEvent.TLS_FAILURE, info)
        elif login.reason in SUSPICIOUS:
            self.record(login.tenant, login.identity, OwnEvent.FAILED_LOGIN, info)

    def _tell(self, tenant: int | str | None, identity: str | None, event_type: OwnEvent, info: str) -> None:
        """Write a line to the log, unless there were many. Those that are left out are counted."""
        key, now = (event_type.value,), self._clock.monotonic()
        if self._lines.retry_after_s(key, now) > 0.0:
            LIMITS_HIT.labels("security_log_lines").inc()
            return
        self._lines.take(key, now)
        _LOG.warning("security_event", type=event_type.value, tenant=tenant, charge_point=identity, info=info)

    async def flush(self) -> None:
        """Write what waits, after a write that is under way. If that fails, it is dropped and counted."""
        async with self._writing:
            waiting, self._waiting = self._waiting, {}
            self._of_tenant.clear()
            if not waiting:
                return
            try:
                await add_events(self._steps.rows, list(waiting.values()))
            except AppError as error:
                LIMITS_HIT.labels("security_log").inc(len(waiting))
                _LOG.warning("security_log_not_written", count=len(waiting), detail=error.detail)

    async def _step(self) -> float:
        await self.flush()
        return _INTERVAL_S
