"""SQL of changes of accesses."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, literal_column, select, text
from sqlalchemy.sql.expression import ColumnElement

from app.access_changes import tables
from app.access_changes.records import AccessChange, NewChanges
from app.database.prepared import Prepared
from app.database.repository import columns_of
from app.database.statements import Statement
from app.database.unit_of_work import PlatformWork

_TABLE = tables.access_changes
_COLUMNS = columns_of(AccessChange, _TABLE)
_NEXT: Final[ColumnElement[int]] = literal_column("(pg_snapshot_xmin(pg_current_snapshot())::text)::bigint")
"""Transactions below it have ended, so their rows are visible."""
# One statement, so that rows and the next beginning are of one snapshot.
_SINCE: Final = Statement(
    select(_NEXT.label("next_xid"), *_COLUMNS)
    .select_from(select(text("1")).subquery("once").outerjoin(_TABLE, _TABLE.c.xid >= bindparam("xid")))
    .order_by(_TABLE.c.id)
)
_HERE: Final = Statement(select(_NEXT.label("next_xid")))


async def present_xid(reads: Prepared) -> int:
    """Return where a reading begins that is to see what changes from now on."""
    (row,) = await reads.rows(_HERE, {})
    return int(row["next_xid"])


async def changes_since(reads: Prepared, xid: int) -> NewChanges:
    """Return the changes of transactions that had not ended at an earlier reading, in their order."""
    rows = await reads.rows(_SINCE, {"xid": xid})
    changes = [AccessChange(*list(row.values())[1:]) for row in rows if row["id"] is not None]
    return NewChanges(changes, int(rows[0]["next_xid"]))


async def delete_changes_before(work: PlatformWork, before: datetime) -> None:
    """Delete old changes: each worker has read them long ago."""
    await work.connection.execute(delete(_TABLE).where(_TABLE.c.at < before))
