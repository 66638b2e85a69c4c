"""The record of refused logins: what one tenant does costs the others none of theirs."""

import asyncio

from sqlalchemy import text

from app.database.database import Database
from app.database.unit_of_work import TenantReads
from app.login_attempts.recorder import RefusedLogins
from app.login_attempts.records import LoginAttemptFilter, RefusalReason, RefusedLogin
from app.login_attempts.store import LoginAttemptStore
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.store import NOW


async def test_a_tenant_that_is_being_deleted_costs_the_others_nothing(
    database: Database, tenant: TenantRecord
) -> None:
    async with database.platform() as work:
        leaving = await TenantStore(work).create("leaving", "Leaving")
    recorder = RefusedLogins(database)
    for slug in (leaving.slug, tenant.slug):
        recorder.note(RefusedLogin(NOW, RefusalReason.CREDENTIAL_WRONG, "192.0.2.1", slug, "CP1"))
    async with database.platform() as work:
        await work.connection.execute(text("delete from tenants where id = :id"), {"id": leaving.id})
        writing = asyncio.create_task(recorder.flush())
        await asyncio.wait([writing], timeout=0.3)
    await writing
    store = LoginAttemptStore(TenantReads(database.reads, TenantId(tenant.id)))
    assert len(await store.page(10, None, LoginAttemptFilter())) == 1


async def test_a_flush_waits_for_a_write_that_is_under_way(database: Database, tenant: TenantRecord) -> None:
    recorder = RefusedLogins(database)
    recorder.note(RefusedLogin(NOW, RefusalReason.CREDENTIAL_WRONG, "192.0.2.1", tenant.slug, "CP1"))
    writing = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0)
    await recorder.flush()
    store = LoginAttemptStore(TenantReads(database.reads, TenantId(tenant.id)))
    assert len(await store.page(10, None, LoginAttemptFilter())) == 1
    await writing
