"""Units of work: one transaction on the rows of one tenant, or on those of the platform.

A store takes its unit of work: `ChargePointStore(work)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.prepared import Prepared, Row
from app.database.statements import Statement
from app.types import TenantId


class TenantRows(Protocol):
    """What reads the rows of one tenant: a unit of work, or connections with prepared statements."""

    @property
    def tenant_id(self) -> TenantId:
        """The tenant whose rows are read."""

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that selects."""


@dataclass(frozen=True, slots=True)
class TenantReads:
    """Reads the rows of one tenant without a unit of work, each statement a transaction by itself."""

    reads: Prepared
    tenant_id: TenantId

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that selects."""
        return await self.reads.rows(statement, values)


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
