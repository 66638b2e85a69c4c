"""The turns of requests of webhooks on one worker: fair among tenants.

A tenant waits for its own slots first. So however slow its receivers are, it has only a few requests among
those that wait for a slot of the worker, and these have their turns in the order in which they came.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from app.metrics import LIMITS_HIT
from app.types import TenantId


class DeliverySlots:
    """The slots of one worker."""

    def __init__(self, limit: int, limit_of_tenant: int) -> None:
        self._all = asyncio.Semaphore(limit)
        self._limit_of_tenant = limit_of_tenant
        # Held by those that use them or wait for them.
        self._of_tenants: WeakValueDictionary[TenantId, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, tenant_id: TenantId) -> AsyncIterator[None]:
        """Wait for a slot, and hold it as long as the context lasts."""
        own = self._of_tenants.get(tenant_id)
        if own is None:
            own = self._of_tenants[tenant_id] = asyncio.Semaphore(self._limit_of_tenant)
        if own.locked():
            LIMITS_HIT.labels("webhook_requests_of_tenant").inc()
        async with own:
            if self._all.locked():
                LIMITS_HIT.labels("webhook_requests").inc()
            async with self._all:
                yield
