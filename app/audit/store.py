"""SQL of the audit."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, delete, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from app.acting import note_audited
from app.audit import tables
from app.audit.records import ABOUT_BILLS, AuditEntryRecord, NewAuditEntry
from app.database.prepared import Connection
from app.database.repository import Repository, columns_of
from app.database.text import clean_json, clean_text, json_text
from app.database.unit_of_work import PlatformWork
from app.types import TenantId

_TABLE = tables.audit
_COLUMNS = columns_of(AuditEntryRecord, _TABLE)
_INSERT: Final = """
    insert into audit (tenant_id, at, actor, act, subject, reason, details)
    select tenant_id, at, actor, act, subject, reason, details::jsonb
    from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        as new (tenant_id, at, actor, act, subject, reason, details)
"""


_ADD_OF_TENANTS: Final = text(
    """
    insert into audit (tenant_id, at, actor, act, subject, reason, details)
    select tenants.id, new.at, new.actor, new.act, new.subject, new.reason, new.details::jsonb
    from unnest(:tenants, :times, :actors, :acts, :subjects, :reasons, :details)
        as new (tenant_id, at, actor, act, subject, reason, details)
    join tenants on tenants.id = new.tenant_id
    order by new.at
    for key share of tenants
    """
).bindparams(
    bindparam("tenants", type_=ARRAY(BigInteger)),
    bindparam("times", type_=ARRAY(TIMESTAMP(timezone=True))),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("actors", "acts", "subjects", "reasons", "details")),
)


async def insert_entries(connection: Connection, entries: Sequence[NewAuditEntry]) -> None:
    """Insert entries in the transaction that does what they tell."""
    rows = [
        (
            entry.tenant_id,
            entry.at,
            entry.actor,
            entry.act,
            entry.subject,
            clean_text(entry.reason),
            json_text(entry.details),
        )
        for entry in entries
    ]
    await connection.execute(_INSERT, *zip(*rows, strict=True))


async def add_of_tenants(work: PlatformWork, entries: Sequence[NewAuditEntry]) -> None:
    """Add entries of any tenants. Those of a tenant that is being deleted are dropped."""
    values = {
        "tenants": [entry.tenant_id for entry in entries],
        "times": [entry.at for entry in entries],
        "actors": [entry.actor for entry in entries],
        "acts": [entry.act for entry in entries],
        "subjects": [entry.subject for entry in entries],
        "reasons": [clean_text(entry.reason) for entry in entries],
        "details": [json_text(entry.details) for entry in entries],
    }
    await work.connection.execute(_ADD_OF_TENANTS, values)


class AuditStore(Repository):
    """The entries of one tenant."""

    async def add(self, *entries: NewAuditEntry) -> None:
        """Add entries in the unit of work that does what they tell."""
        rows = [
            {**asdict(entry), "reason": clean_text(entry.reason), "details": clean_json(entry.details)}
            for entry in entries
        ]
        if rows:
            note_audited()
            await self.connection.execute(insert(_TABLE).values(rows))

    async def page(self, limit: int, after: int | None = None) -> list[AuditEntryRecord]:
        """Return entries, the newest first. after: id of the last one seen."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_TABLE.c.id < after)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id.desc()).limit(limit))
        return [AuditEntryRecord(*row) for row in rows]


async def delete_audit_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete the entries of a tenant, except those that explain a bill."""
    statement = delete(_TABLE).where(_TABLE.c.tenant_id == tenant_id, _TABLE.c.act.not_in(ABOUT_BILLS))
    await work.connection.execute(statement)
