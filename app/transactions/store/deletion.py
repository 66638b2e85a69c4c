"""Deletes the billing records of a tenant."""

from sqlalchemy import delete

from app.database.unit_of_work import PlatformWork
from app.transactions import tables
from app.types import TenantId


async def delete_transactions_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete the billing records of a tenant, in the unit of work that deletes the tenant."""
    for table in (tables.meter_values, tables.orphan_records, tables.transactions):
        await work.connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
