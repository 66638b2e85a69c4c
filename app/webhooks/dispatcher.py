"""Takes webhooks that no worker sends, and runs them. Each worker has one dispatcher.

A worker that is killed loses its leases after `_LEASE`; then others take its webhooks.
"""

import asyncio
import contextlib
from collections.abc import Set
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.errors import StoreUnavailable
from app.logs import get_logger
from app.tasks import PeriodicTask
from app.webhooks.runner import WebhookRunner
from app.webhooks.sending import RunnerParts
from app.webhooks.store.leases import LeaseStore

_LOG = get_logger(__name__)

_LEASE: Final = timedelta(seconds=15)
_SWEEP_S: Final = 2.0
_TAKEN_AT_ONCE: Final = 20
"""Webhooks that one sweep takes, so that the workers share them."""


class WebhookDispatcher:
    """The webhooks that one worker sends."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._runners: dict[UUID, WebhookRunner] = {}
        self._awake = asyncio.Event()
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Send from now on."""
        self._loop = PeriodicTask(self._wait_and_sweep, "webhooks")

    def wake(self) -> None:
        """Look at the webhooks soon: an operator has changed one."""
        self._awake.set()

    async def close(self) -> None:
        """Stop, and let other workers take the webhooks."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.stop()
        await self._end(set(self._runners))
        with contextlib.suppress(StoreUnavailable):
            async with self._parts.database.platform() as work:
                await LeaseStore(work, self._parts.worker).release()

    async def sweep(self) -> None:
        """Take webhooks, renew leases, and begin or end to send.

        Raises:
            StoreUnavailable: the database does not answer. What runs stops at the end of its lease.
        """
        asked_at = self._parts.clock.monotonic()
        async with self._parts.database.platform() as work:
            mine = await LeaseStore(work, self._parts.worker).take(_LEASE, _TAKEN_AT_ONCE)
        await self._end({one for one, runner in self._runners.items() if runner.is_over})
        for leased in mine:
            runner = self._runners.get(leased.webhook.id)
            if runner is None:
                runner = self._runners[leased.webhook.id] = WebhookRunner(self._parts, leased)
                runner.start()
            runner.renew(leased, asked_at)
        await self._end(self._runners.keys() - {leased.webhook.id for leased in mine})

    async def _end(self, webhook_ids: Set[UUID]) -> None:
        ended = [self._runners.pop(webhook_id) for webhook_id in webhook_ids]
        await asyncio.gather(*(runner.close() for runner in ended))

    async def _wait_and_sweep(self) -> float:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SWEEP_S):
                await self._awake.wait()
        self._awake.clear()
        try:
            await self.sweep()
        except StoreUnavailable:
            _LOG.warning("webhooks_not_taken")
        return 0.0
