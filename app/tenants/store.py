"""Tenants: the only table that is not inside one. For the platform's administrators."""

from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.charge_points import tables as charge_point_tables
from app.charge_points.records import RegistrationStatus
from app.database.repository import columns_of
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.frame_log import tables as frame_log_tables
from app.tenants import tables
from app.tenants.records import TenantRecord
from app.transactions import tables as transaction_tables

_TABLE = tables.tenants
_COLUMNS = columns_of(TenantRecord, _TABLE)
_CHANGEABLE = frozenset({"name", "strict_protocol", "default_registration"})
# Children first: these are not removed by the cascade, or block it.
_CHILDREN = (
    transaction_tables.meter_values,
    frame_log_tables.frame_runs,
    transaction_tables.orphan_records,
    transaction_tables.transactions,
)


class TenantStore:
    """All tenants of the platform."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def create(
        self,
        slug: str,
        name: str,
        *,
        strict_protocol: bool = False,
        default_registration: RegistrationStatus = "Accepted",
    ) -> TenantRecord:
        """Create a tenant. slug: `[a-z0-9-]{1,40}`.

        Raises:
            Conflict: the slug is taken.
        """
        statement = insert(_TABLE).values(
            slug=slug,
            name=name,
            strict_protocol=strict_protocol,
            default_registration=default_registration,
            created_at=func.now(),
        )
        try:
            row = (await self.connection.execute(statement.returning(*_COLUMNS))).one()
        except IntegrityError as error:
            if "uq_tenants_slug" not in str(error):
                raise
            raise Conflict(f"The tenant {slug!r} exists already.", "slug") from None
        return TenantRecord(*row)

    async def get(self, tenant_id: int) -> TenantRecord | None:
        """Return a tenant by its key."""
        return await self._one(_TABLE.c.id == tenant_id)

    async def by_slug(self, slug: str, *, to_change: bool = False) -> TenantRecord | None:
        """Return a tenant by the name it has in addresses.

        to_change: nobody else changes it until the end of this transaction.
        """
        return await self._one(_TABLE.c.slug == slug, to_change)

    async def page(self, limit: int, after: str | None = None) -> list[TenantRecord]:
        """Return tenants in the order of their slug. after: slug of the last one seen."""
        statement = select(*_COLUMNS).order_by(_TABLE.c.slug).limit(limit)
        if after is not None:
            statement = statement.where(_TABLE.c.slug > after)
        return [TenantRecord(*row) for row in await self.connection.execute(statement)]

    async def update(self, slug: str, **changes: Any) -> TenantRecord | None:
        """Change name, strict_protocol or default_registration; None: there is no such tenant."""
        _refuse_unknown(changes)
        if not changes:
            return await self.by_slug(slug)
        statement = update(_TABLE).where(_TABLE.c.slug == slug).values(**changes).returning(*_COLUMNS)
        row = (await self.connection.execute(statement)).one_or_none()
        return TenantRecord(*row) if row is not None else None

    async def identities(self, tenant_id: int) -> list[str]:
        """Return the identities of all charge points of a tenant."""
        points = charge_point_tables.charge_points
        statement = select(points.c.identity).where(points.c.tenant_id == tenant_id)
        return list((await self.connection.execute(statement)).scalars())

    async def delete(self, slug: str) -> bool:
        """Remove a tenant and everything it owns, billing records included. False: there is none."""
        tenant = await self.by_slug(slug)
        if tenant is None:
            return False
        for table in _CHILDREN:
            await self.connection.execute(delete(table).where(table.c.tenant_id == tenant.id))
        await self.connection.execute(delete(_TABLE).where(_TABLE.c.id == tenant.id))
        return True

    async def _one(self, condition: Any, to_change: bool = False) -> TenantRecord | None:
        statement = select(*_COLUMNS).where(condition)
        if to_change:
            statement = statement.with_for_update(key_share=True)
        row = (await self.connection.execute(statement)).one_or_none()
        return TenantRecord(*row) if row is not None else None


def _refuse_unknown(changes: dict[str, Any]) -> None:
    unknown = changes.keys() - _CHANGEABLE
    if unknown:
        raise TypeError(f"a tenant's {sorted(unknown)} cannot be changed")
