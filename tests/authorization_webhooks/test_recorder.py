"""The record of questions: what one tenant does costs the others none of theirs."""

import asyncio
from typing import Any

from sqlalchemy import text

from app.authorization_webhooks.recorder import AttemptRecorder
from app.authorization_webhooks.records import Attempt, AttemptFilter
from app.authorization_webhooks.store import AttemptStore
from app.database.database import Database
from app.database.unit_of_work import TenantReads
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.store import NOW


def attempt(tenant_id: int) -> Attempt:
    return Attempt(
        tenant_id=TenantId(tenant_id),
        at=NOW,
        action="Authorize",
        charge_point="CP1",
        connector_id=None,
        id_tag="TAG",
        reason=None,
        detail=None,
        decided_by="webhook",
        status="Accepted",
        duration_ms=1,
        is_test=False,
    )


async def kept(database: Database, tenant_id: int) -> int:
    store = AttemptStore(TenantReads(database.reads, TenantId(tenant_id)))
    return len(await store.page(100, None, AttemptFilter()))


async def test_a_tenant_that_is_being_deleted_costs_the_others_nothing(
    database: Database, tenant: TenantRecord
) -> None:
    async with database.platform() as work:
        leaving = await TenantStore(work).create("leaving", "Leaving")
    recorder = AttemptRecorder(database)
    recorder.note(attempt(leaving.id))
    recorder.note(attempt(tenant.id))
    writing: asyncio.Task[Any]
    async with database.platform() as work:
        await work.connection.execute(text("delete from tenants where id = :id"), {"id": leaving.id})
        writing = asyncio.create_task(recorder.flush())
        await asyncio.wait([writing], timeout=0.3)
    await writing
    assert await kept(database, tenant.id) == 1
    assert await kept(database, leaving.id) == 0
