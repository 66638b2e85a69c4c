"""Use cases of the audit: read it. What is audited writes its entry in its own transaction."""

from dataclasses import dataclass

from app.audit.records import AuditEntryRecord, NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock
from app.database.database import Database
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class AuditService:
    """The use cases of the audit."""

    database: Database
    clock: Clock

    async def note(self, entry: NewAuditEntry) -> None:
        """Store an entry about something that is done already.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self.database.tenant(entry.tenant_id) as work:
            await AuditStore(work).add(entry)

    async def page(self, tenant_id: TenantId, limit: int, after: int | None) -> list[AuditEntryRecord]:
        """Return entries, the newest first. after: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await AuditStore(work).page(limit, after)
