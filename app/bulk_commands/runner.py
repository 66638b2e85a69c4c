"""Sends the commands of bulks, a bounded number at a time. Every worker runs it; each takes other bulks."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.bulk_commands.rules import NEXT_LOOK, NEXT_LOOK_WAITING, is_over, room
from app.bulk_commands.service import BulkCommandService
from app.bulk_commands.store import BulkStore, BulkSweepStore
from app.commands.store.waiting import WaitingStore
from app.errors import StoreUnavailable
from app.logs import get_logger
from app.tasks import PeriodicTask
from app.types import TenantId

_SWEEP_S: Final = 0.5
_BULKS: Final = 10
"""Bulks that one sweep takes."""
_AT_ONCE: Final = 8
"""Charge points of one bulk that are looked at at the same time."""
_CLAIMED: Final = timedelta(seconds=30)
"""Another worker takes a bulk that one had taken, after this time."""

_LOG = get_logger(__name__)


class BulkRunner:
    """The bulks of all tenants, as one worker sees them."""

    def __init__(self, bulks: BulkCommandService) -> None:
        self._bulks = bulks
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Send what bulks have, from now on."""
        self._loop = PeriodicTask(self._sweep_and_pause, "bulk_commands")

    async def close(self) -> None:
        """Stop. Another worker goes on with the bulks."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.stop()

    async def sweep(self) -> int:
        """Take bulks and send what they have room for; return how many bulks.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is taken again later.
        """
        now = self._bulks.clock.now()
        async with self._bulks.database.platform() as work:
            taken = await BulkSweepStore(work).take(now, now + _CLAIMED, _BULKS)
        for tenant_id, bulk_id in taken:
            await self._run(tenant_id, bulk_id)
        return len(taken)

    async def _run(self, tenant_id: TenantId, bulk_id: UUID) -> None:
        now, bulks = self._bulks.clock.now(), self._bulks
        async with bulks.database.tenant(tenant_id) as work:
            counts = await WaitingStore(work).counts_of_bulk(bulk_id)
            if is_over(counts):
                await BulkStore(work).end(bulk_id, now)
                return
            free = room(counts, bulks.settings.command_bulk_concurrency)
            due = await WaitingStore(work).due_of_bulk(bulk_id, now, free)
        for start in range(0, len(due), _AT_ONCE):
            chosen = due[start : start + _AT_ONCE]
            await asyncio.gather(*(bulks.commands.waiting.look_or_leave(tenant_id, *one) for one in chosen))
        is_active = due or counts.get("queued") or counts.get("sent")
        pause = NEXT_LOOK if is_active else NEXT_LOOK_WAITING
        async with bulks.database.tenant(tenant_id) as work:
            await BulkStore(work).check_later(bulk_id, now + pause)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() == _BULKS else _SWEEP_S
        except StoreUnavailable:
            _LOG.warning("bulk_commands_not_sent")
            return _SWEEP_S
