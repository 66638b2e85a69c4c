"""SIGKILL under load: what was acknowledged is stored exactly once, the rest arrives by retry, and no answer
ever changes.
"""

import asyncio
import random
from collections.abc import Callable

import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.faults.charge_point import ChargePoint
from tests.faults.judge import Verdict, judge
from tests.faults.stored import stored_records
from tests.support.account import open_account
from tests.support.server import Operator, Served, serving

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
    async with serving(generous, workers=2) as served, Operator(served.url, account.token) as operator:
        await operator.post("/id-tags", {"id_tag": "TAG"})
        swarm = [
            ChargePoint(name, await operator.register(name), account.slug, lambda: served)
            for name in (f"SWARM-{number}" for number in range(CHARGE_POINTS))
        ]
        charging = asyncio.gather(*(one.charge(SESSIONS) for one in swarm))
        kills = await _kill_at_marks(served, charging, lambda: sum(one.sessions for one in swarm), chance)
        await charging
    assert kills == KILLS
    assert any(message.was_cut_off for one in swarm for message in one.ledger), (
        "the kills came at the wrong time"
    )
    assert settings.database_url is not None
    stored = await stored_records(settings.database_url, tenant)
    verdict = Verdict.of_all(judge(one.ledger, stored[one.ledger.identity]) for one in swarm)
    assert verdict.findings == ()
    assert verdict.sent == verdict.answered == verdict.stored == CHARGE_POINTS * SESSIONS * 5


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
