"""Units of work: one transaction on the rows of one tenant, or above the tenants.

A store is made for a unit of work: `ChargePointStore(work)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.prepared import Row
from app.database.statements import Statement
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class TenantWork:
    """A transaction on the rows of one tenant. `Database.tenant` makes it."""

    connection: AsyncConnection
    tenant_id: TenantId

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement inside the transaction."""
        return (await self.connection.execute(statement.clause, dict(values))).mappings().all()


@dataclass(frozen=True, slots=True)
class PlatformWork:
    """A transaction above the tenants. `Database.platform` makes it."""

    connection: AsyncConnection
