"""SQL of exports: what was exported, and what has changed since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.database.prepared import Connection, Prepared
from app.database.repository import columns_of
from app.database.schema import CHARGE_POINTS, TENANTS
from app.database.statements import Statement
from app.exports import tables
from app.exports.records import ExportedFile, WrittenFile
from app.types import TenantId

_FILES: Final = tables.exported_files
_PARTITIONS: Final = tables.exported_partitions
_CHANGES: Final = tables.exported_changes

_FILES_OF: Final = Statement(
    select(*columns_of(ExportedFile, _FILES))
    .where(_FILES.c.partition == bindparam("partition", type_=Text), _FILES.c.is_current)
    .order_by(_FILES.c.tenant_id)
)
_WRITTEN: Final = Statement(
    select(*columns_of(WrittenFile, _FILES)).where(
        _FILES.c.tenant_id == bindparam("tenant_id", type_=BigInteger),
        _FILES.c.partition == bindparam("partition", type_=Text),
    )
)
_EXPORTED: Final = Statement(select(_PARTITIONS.c.partition).where(_PARTITIONS.c.dropped_at.is_(None)))
_CHANGED: Final = Statement(
    select(_CHANGES.c.tenant_id).where(_CHANGES.c.partition == bindparam("partition", type_=Text)).distinct()
)
_SLUGS: Final = Statement(
    select(TENANTS.c.id, TENANTS.c.slug).where(TENANTS.c.id == bindparam("tenant_id", type_=BigInteger))
)
_IDENTITIES: Final = Statement(
    select(CHARGE_POINTS.c.id, CHARGE_POINTS.c.identity).where(
        CHARGE_POINTS.c.tenant_id == bindparam("tenant_id", type_=BigInteger),
        CHARGE_POINTS.c.id == text("any(:ids)").bindparams(bindparam("ids", type_=ARRAY(BigInteger))),
    )
)

# Its name cannot be a parameter. It comes from the catalog of PostgreSQL.
_WATCH: Final = """
    create or replace trigger note_exported_change after insert or update or delete on {partition}
    for each row execute function note_exported_change()
"""
# A partition that was dropped may be made again, after a clock was far ahead. The files of the first one are
# noted under another name then.
_NAME_DROPPED: Final = """
    with dropped as (
        update exported_partitions set partition = partition || ' until ' || dropped_at
        where partition = $1 and dropped_at is not null returning partition
    )
    update exported_files set partition = dropped.partition from dropped
    where exported_files.partition = $1
"""
_OUTDATE_CHANGED: Final = """
    with changed as (delete from exported_changes where partition = $1 returning tenant_id)
    update exported_files set is_current = false from changed
    where exported_files.tenant_id = changed.tenant_id and exported_files.partition = $1
"""
_FORGET_PARTITION: Final = "delete from exported_partitions where partition = $1"
_OUTDATE_FILE: Final = "update exported_files set is_current = false where tenant_id = $1 and partition = $2"
_NOTE_WRITING: Final = """
    insert into exported_files (tenant_id, partition, destination, path, is_current, sha256, next_sha256)
    values ($1, $2, $3, $4, false, $5, $6)
    on conflict (tenant_id, partition) do update set destination = excluded.destination,
        path = excluded.path, sha256 = excluded.sha256, next_sha256 = excluded.next_sha256
"""
_NOTE_FILE: Final = """
    update exported_files
    set is_current = true, rows = $3, size_bytes = $4, sha256 = $5, next_sha256 = null, exported_at = $6
    where tenant_id = $1 and partition = $2
"""
_NOTE_PARTITION: Final = "insert into exported_partitions (partition, exported_at) values ($1, $2)"
_NOTE_DROPPED: Final = """
    update exported_partitions set dropped_at = $2
    where partition = $1 and dropped_at is null
        and not exists (select from exported_changes where partition = $1)
    returning partition
"""
# Any number that is the same in each process: one of them exports at a time.
_LOCK: Final = 7_216_042_717


class ExportReader:
    """Reads what was exported."""

    __slots__ = ("_reads",)

    def __init__(self, reads: Prepared) -> None:
        self._reads = reads

    async def exported(self) -> frozenset[str]:
        """Return the partitions of which all tenants had their file, and which are not dropped."""
        return frozenset(row["partition"] for row in await self._reads.rows(_EXPORTED, {}))

    async def files(self, partition: str) -> list[ExportedFile]:
        """Return the files of a partition that need not be written again."""
        rows = await self._reads.rows(_FILES_OF, {"partition": partition})
        return [ExportedFile(*row.values()) for row in rows]

    async def written(self, tenant_id: TenantId, partition: str) -> WrittenFile | None:
        """Return where a file of a tenant may be; None: none was ever begun."""
        rows = await self._reads.rows(_WRITTEN, {"tenant_id": tenant_id, "partition": partition})
        return WrittenFile(*rows[0].values()) if rows else None

    async def changed(self, partition: str) -> frozenset[int]:
        """Return the tenants that have new or changed rows in a partition since its export began."""
        return frozenset(
            row["tenant_id"] for row in await self._reads.rows(_CHANGED, {"partition": partition})
        )

    async def slug(self, tenant_id: TenantId) -> str:
        """Return the slug of a tenant."""
        [row] = await self._reads.rows(_SLUGS, {"tenant_id": tenant_id})
        slug: str = row["slug"]
        return slug

    async def identities(self, tenant_id: TenantId, ids: Sequence[int]) -> dict[int, str]:
        """Return the identities of charge points by their ids."""
        rows = await self._reads.rows(_IDENTITIES, {"tenant_id": tenant_id, "ids": list(ids)})
        return {row["id"]: row["identity"] for row in rows}


async def hold_alone(connection: Connection) -> bool:
    """Keep other exports out until the transaction ends, and return False if another one runs."""
    alone: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK)
    return alone


async def begin_export(connection: Connection, partition: str) -> None:
    """Have the changes of a partition noted from now on, and have the files that lack some written again.

    connection: in a transaction.
    """
    await connection.execute(_WATCH.format(partition=partition))
    await connection.execute(_NAME_DROPPED, partition)
    await connection.execute(_OUTDATE_CHANGED, partition)
    await connection.execute(_FORGET_PARTITION, partition)


async def note_writing(
    connection: Connection, tenant_id: TenantId, partition: str, written: WrittenFile
) -> None:
    """Note that a file is about to be written, so that it is known as one of this database after a crash."""
    await connection.execute(_NOTE_WRITING, tenant_id, partition, *written)


async def note_file(connection: Connection, file: ExportedFile) -> None:
    """Note a file that was read back. It was noted by `note_writing` before."""
    values = (file.tenant_id, file.partition, file.rows, file.size_bytes, file.sha256, file.exported_at)
    await connection.execute(_NOTE_FILE, *values)


async def outdate_file(connection: Connection, file: ExportedFile) -> None:
    """Have a file that is gone or damaged written again. connection: in a transaction."""
    await connection.execute(_OUTDATE_FILE, file.tenant_id, file.partition)
    await connection.execute(_FORGET_PARTITION, file.partition)


async def end_export(connection: Connection, partition: str, now: datetime) -> None:
    """Note that all tenants have their file of a partition."""
    await connection.execute(_NOTE_PARTITION, partition, now)


async def note_dropped(connection: Connection, partition: str, now: datetime) -> bool:
    """Note that a partition is dropped, and return False if it was not exported as it is now.

    connection: in the transaction that drops it.
    """
    return await connection.fetchval(_NOTE_DROPPED, partition, now) is not None
