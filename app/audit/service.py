"""Use cases of the audit: read it. What is audited writes its entry in its own transaction."""

from dataclasses import dataclass

from app.audit.records import AuditEntryRecord
from app.audit.store import AuditStore
from app.database.database import Database
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class AuditService:
    """The use cases of the audit."""

    database: Database

    async def page(self, tenant_id: TenantId, limit: int, after: int | None) -> list[AuditEntryRecord]:
        """Return entries, the newest first. after: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await AuditStore(work).page(limit, after)
