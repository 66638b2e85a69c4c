"""Units of work: one transaction on the rows of one tenant, or above the tenants.

A store is made for a unit of work: `ChargePointStore(work)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.prepared import Prepared, Row
from app.database.statements import Statement
from app.types import TenantId


class TenantRows(Protocol):
    """The interface that reads rows of one tenant: a unit of work, or prepared statements."""

    @property
    def tenant_id(self) -> TenantId:
        """The tenant whose rows are read."""

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that only reads."""


@dataclass(frozen=True, slots=True)
class TenantReads:
    """Reads the rows of one tenant without a unit of work. Each statement is a transaction."""

    reads: Prepared
    tenant_id: TenantId

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that only reads."""
        return await self.reads.of(self.tenant_id)(statement, values)


@dataclass(slots=True)
class EventOutbox:
    """Whether a transaction has written events, so that they are numbered soon after its commit."""

    has_events: bool = False


@dataclass(frozen=True, slots=True)
class TenantWork:
    """A transaction on the rows of one tenant. `Database.tenant` makes it."""

    connection: AsyncConnection
    tenant_id: TenantId
    outbox: EventOutbox = field(default_factory=EventOutbox)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement in the transaction."""
        if statement.writes_events:
            self.outbox.has_events = True
        return (await self.connection.execute(statement.clause, dict(values))).mappings().all()


@dataclass(frozen=True, slots=True)
class PlatformWork:
    """A transaction above the tenants. `Database.platform` makes it."""

    connection: AsyncConnection
    outbox: EventOutbox = field(default_factory=EventOutbox)
