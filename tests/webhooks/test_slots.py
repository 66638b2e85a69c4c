"""The turns of requests: fair among tenants."""

import asyncio
from contextlib import AsyncExitStack

from prometheus_client import REGISTRY

from app.types import TenantId
from app.webhooks.slots import DeliverySlots

BUSY, OTHER = TenantId(1), TenantId(2)


def hits(name: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": name}) or 0.0


async def test_a_tenant_at_its_limit_leaves_slots_for_others() -> None:
    slots = DeliverySlots(limit=3, limit_of_tenant=2)
    before = hits("webhook_requests_of_tenant")
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(slots.of(BUSY))
        waiting = asyncio.create_task(held.enter_async_context(slots.of(BUSY)))
        # It takes its place in the queue of its tenant in its first step.
        await asyncio.sleep(0)
        async with asyncio.timeout(5), slots.of(OTHER):
            assert not waiting.done()
        assert hits("webhook_requests_of_tenant") == before + 1
        waiting.cancel()


async def test_who_waits_for_a_slot_of_the_worker_has_its_turn_in_order() -> None:
    slots = DeliverySlots(limit=1, limit_of_tenant=1)
    before = hits("webhook_requests")
    turns: list[TenantId] = []

    async def take(tenant_id: TenantId) -> None:
        async with slots.of(tenant_id):
            turns.append(tenant_id)

    async with slots.of(TenantId(3)):
        tasks = [asyncio.create_task(take(tenant)) for tenant in (BUSY, BUSY, BUSY, OTHER)]
        # Each task takes its place in a queue in its first step.
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert turns[:2] == [BUSY, OTHER], "the busy tenant has one place in the queue of the worker"
    assert hits("webhook_requests") >= before + 2
