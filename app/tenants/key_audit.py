"""Keeps acts about API keys in the audit, for the API and the command line."""

from datetime import datetime

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.database.unit_of_work import PlatformWork, TenantWork
from app.tenants.records import ApiKeyRecord
from app.types import TenantId


async def audit_key(work: PlatformWork, key: ApiKeyRecord, act: Act, actor: str, at: datetime) -> None:
    """Keep an act about a key in the audit of its tenant. The platform has none."""
    if key.tenant_id is None:
        return
    details = {"name": key.name, "prefix": key.prefix, "scopes": list(key.scopes)}
    entry = NewAuditEntry(key.tenant_id, at, actor, act, f"/v1/api-keys/{key.id}", "", details)
    await AuditStore(TenantWork(work.connection, TenantId(key.tenant_id))).add(entry)
