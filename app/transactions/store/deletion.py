"""Finds what belongs to the bills of a tenant, when the tenant is deleted."""

from sqlalchemy import exists, or_, select

from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.unit_of_work import PlatformWork
from app.transactions import tables
from app.types import TenantId


async def charge_points_with_bills(work: PlatformWork, tenant_id: TenantId) -> list[int]:
    """Return the charge points of a tenant that have billing records."""
    billing = (tables.transactions, tables.orphan_records, tables.meter_values)
    has_records = or_(*(exists().where(is_charge_point_of(table)) for table in billing))
    statement = select(CHARGE_POINTS.c.id).where(CHARGE_POINTS.c.tenant_id == tenant_id, has_records)
    return list((await work.connection.execute(statement)).scalars())
