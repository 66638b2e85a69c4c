"""A receiver that fails half of the time, a server that is killed twice: each event arrives, in order."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.faults.charge_point import ChargePoint
from tests.support.account import open_account
from tests.support.receiver import receiving
from tests.support.server import Operator, Served, serving

pytestmark = pytest.mark.long

SEED = 20261201
CHARGE_POINTS = 5
SESSIONS = 3
KILLED_AT = (10, 30)
"""Events that were taken when the server is killed: first its workers, then all of it."""


@pytest.mark.timeout(500)
async def test_every_event_arrives_in_order_although_all_fail(
    database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    sending = settings.model_copy(
        update={
            "rate_burst": 10_000,
            "outgoing_allowed_networks": ["127.0.0.0/8"],
            "outgoing_http_allowed": True,
            "webhook_retry_delays_s": [0.05] * 100,
            "webhook_deadline_s": 3.0,
        }
    )
    chance = random.Random(SEED)

    async def decide(_: Any) -> int:
        return chance.choice((200, 200, 200, 500, 503, 0))

    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        receiver.decide = decide
        servers: list[Served] = [await stack.enter_async_context(serving(sending, workers=2))]
        async with Operator(servers[0].url, account.token) as operator:
            await operator.post("/id-tags", {"id_tag": "TAG"})
            swarm = [
                ChargePoint(name, await operator.register(name), account.slug, lambda: servers[-1])
                for name in (f"CP-{number}" for number in range(CHARGE_POINTS))
            ]
            webhook = await operator.post("/webhooks", {"url": receiver.url})
        charging = asyncio.gather(*(one.charge(SESSIONS) for one in swarm))
        await receiver.until(lambda: len(receiver.taken()) >= KILLED_AT[0], 120)
        servers[-1].kill_workers()
        await receiver.until(lambda: len(receiver.taken()) >= KILLED_AT[1], 120)
        await servers[-1].kill()
        servers.append(await stack.enter_async_context(serving(sending, workers=2)))
        await charging
        # One that was done before the server was killed has no end of its connection yet.
        await asyncio.gather(*(one.charge(1) for one in swarm))
        async with Operator(servers[-1].url, account.token) as operator:
            events = await _events(operator, webhook["position"])
            expected = {event["id"] for event in events}
            await receiver.until(lambda: expected <= {one.event["id"] for one in receiver.taken()}, 240)
            path = f"/webhooks/{webhook['id']}/deliveries"
            assert (await operator.get(path, state="dead"))["items"] == []
    failed = [one for one in receiver.messages if one.status != 200]
    assert len(failed) > len(receiver.messages) / 3
    taken: dict[str, Any] = {}
    for one in receiver.taken():
        taken.setdefault(one.event["id"], one.event)
    assert _orders(taken.values()) == _orders(events)


async def _events(operator: Operator, after: str) -> list[dict[str, Any]]:
    """Return all events behind a cursor, after the last connection has ended."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while True:
            page = await operator.get("/events", after=after, limit=200)
            found += page["items"]
            after = page["next_cursor"]
            closed = {one["charge_point"] for one in found if one["type"] == "connection.closed"}
            if not page["items"] and len(closed) == CHARGE_POINTS:
                return found
            await asyncio.sleep(0.2)


def _orders(events: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of the events of each charge point, in their order."""
    orders: dict[str, list[str]] = defaultdict(list)
    for event in events:
        readings = event["data"].get("readings", [])
        of = {one["charge_point"] for one in readings} or {event["charge_point"]}
        for charge_point in of:
            orders[charge_point or ""].append(event["id"])
    return orders
