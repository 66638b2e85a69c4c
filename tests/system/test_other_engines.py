"""A server of two workers behind PgBouncer in transaction mode, with its live state in a Redis Cluster."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.faults.charge_point import ChargePoint
from tests.support.account import open_account
from tests.support.pgbouncer import pgbouncer
from tests.support.redis_topologies import cluster
from tests.support.server import Operator, serving

_CHARGE_POINTS = 6
_SESSIONS = 2


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_charge_points_charge_behind_a_pooler_and_with_a_cluster(
    database: Database,
    settings: Settings,
    tenant: TenantRecord,
    engine_directory: Path,
    tmp_path: Path,
) -> None:
    assert settings.database_url is not None
    account = await open_account(database, settings, tenant)
    with (
        pgbouncer(engine_directory, settings.database_url, "transaction") as pooled,
        cluster(tmp_path) as (redis_url, _, _),
    ):
        urls = {"database_url": f"{pooled}&pooler=transaction", "redis_url": redis_url}
        changed = settings.model_copy(update={"rate_burst": 10_000, "workers": 2, **urls})
        async with serving(changed, workers=2) as served, Operator(served.url, account.token) as operator:
            await operator.post("/id-tags", {"id_tag": "TAG"})
            swarm = [
                ChargePoint(name, await operator.register(name), account.slug, lambda: served)
                for name in (f"POOLED-{number}" for number in range(_CHARGE_POINTS))
            ]
            await asyncio.gather(*(one.charge(_SESSIONS) for one in swarm))
            shown = await operator.get("/transactions", limit=100)
    assert len(shown["items"]) == _CHARGE_POINTS * _SESSIONS
    connection = await asyncpg.connect(settings.database_url)
    stopped = await connection.fetchval(
        "select count(*) from transactions where tenant_id = $1 and stopped_at is not null", tenant.id
    )
    await connection.close()
    assert stopped == _CHARGE_POINTS * _SESSIONS
