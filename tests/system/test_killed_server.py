"""SIGKILL under load: what was acknowledged is stored exactly once, the rest arrives by retry, and no answer
ever changes.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable

import asyncpg
import pytest

from app.database.database import Database
from app.ocpp import unpack_samples
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import Operator, Served, serving
from tests.support.swarm import LedgeredChargePoint, Message

SEED = 20260501
CHARGE_POINTS = 20
SESSIONS = 10
KILLS = 6


@pytest.mark.timeout(300)
async def test_a_killed_server_loses_and_repeats_nothing(
    database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    generous = settings.model_copy(update={"rate_burst": 10_000, "workers": 2})
    account = await open_account(database, settings, tenant)
    chance = random.Random(SEED)
    done = 0

    def progress() -> None:
        nonlocal done
        done += 1

    async with serving(generous, workers=2) as served, Operator(served.url, account.token) as operator:
        await operator.post("/id-tags", {"id_tag": "TAG"})
        swarm = [
            LedgeredChargePoint(name, await operator.register(name), account.slug, random.Random(name))
            for name in (f"SWARM-{number}" for number in range(CHARGE_POINTS))
        ]
        charging = asyncio.gather(*(one.charge(lambda: served, SESSIONS, progress) for one in swarm))
        kills = await _kill_at_marks(served, charging, lambda: done, chance)
        await charging
    assert kills == KILLS
    tries = Counter(message.tries > len(message.answers) for one in swarm for message in one.ledger)
    assert tries[True] > 0, "no message was ever cut off: the kills came at the wrong time"
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url)
    try:
        for one in swarm:
            await _check(connection, tenant, one)
        strays = await connection.fetchval(
            "select count(*) from orphan_records where tenant_id = $1", tenant.id
        )
        assert strays == 0
    finally:
        await connection.close()


async def _kill_at_marks(
    served: Served, charging: "asyncio.Future[list[None]]", done: Callable[[], int], chance: random.Random
) -> int:
    """Kill all workers each time another share of the sessions is done; how often that was."""
    kills = 0
    total = CHARGE_POINTS * SESSIONS
    while kills < KILLS and not charging.done():
        mark = total * (kills + 1) // (KILLS + 2)
        if done() >= mark:
            served.kill_workers()
            kills += 1
        # Looks, and lets the load run on; which moment it hits within a message is left to chance.
        await asyncio.sleep(chance.uniform(0.005, 0.03))
    return kills


async def _check(
    connection: "asyncpg.Connection[asyncpg.Record]", tenant: TenantRecord, one: LedgeredChargePoint
) -> None:
    for message in one.ledger:
        assert message.answers, "every message was answered in the end"
        assert all(answer == message.answers[0] for answer in message.answers), message
    charge_point_id = await connection.fetchval(
        "select id from charge_points where tenant_id = $1 and identity = $2", tenant.id, one.identity
    )
    rows = await connection.fetch(
        "select * from transactions where charge_point_id = $1 order by started_at", charge_point_id
    )
    starts = _of(one, "StartTransaction")
    assert [row["id"] for row in rows] == [start.answers[0]["transactionId"] for start in starts]
    assert [row["meter_start_wh"] for row in rows] == [start.payload["meterStart"] for start in starts]
    stops = {stop.payload["transactionId"]: stop.payload["meterStop"] for stop in _of(one, "StopTransaction")}
    assert {row["id"]: row["meter_stop_wh"] for row in rows} == stops
    values = await connection.fetch(
        "select transaction_id, packed_values from meter_values "
        "where charge_point_id = $1 order by sampled_at",
        charge_point_id,
    )
    sent = [
        (message.payload["transactionId"], message.payload["meterValue"][0]["sampledValue"][0]["value"])
        for message in _of(one, "MeterValues")
    ]
    stored = [(row["transaction_id"], _value(unpack_samples(row["packed_values"]))) for row in values]
    assert stored == sent


def _value(sampled_values: str) -> str:
    value: str = json.loads(sampled_values)[0]["value"]
    return value


def _of(one: LedgeredChargePoint, action: str) -> list[Message]:
    return [message for message in one.ledger if message.action == action]
