"""SQL of id tags: those of one tenant in a unit of work, and those of a batch of the ledger.

Whether a tag may charge is decided in `rules`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.database.prepared import Connection
from app.database.repository import Repository, columns_of, like_prefix
from app.errors import Conflict
from app.id_tags import tables
from app.id_tags.records import IdTagFilter, IdTagKey, IdTagRecord, NewIdTag
from app.id_tags.rules import fold_id_tag

_TABLE = tables.id_tags
_COLUMNS = columns_of(IdTagRecord, _TABLE)
_CHANGEABLE = frozenset({"status", "expires_at", "parent_id_tag", "max_active_transactions", "note"})

_FIND: Final = """
    select tag.tenant_id, tag.id_tag, tag.id_tag_key, tag.status, tag.expires_at, tag.parent_id_tag,
        tag.max_active_transactions, tag.note, tag.created_at, tag.updated_at
    from id_tags as tag
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
"""

# In one order everywhere, so that two ledgers cannot wait for each other.
_LOCK: Final = """
    select from id_tags as tag
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
    order by tag.tenant_id, tag.id_tag_key
    for update of tag
"""


class IdTagStore(Repository):
    """The id tags of one tenant; names are compared without regard to case."""

    async def create(self, new: NewIdTag) -> IdTagRecord:
        """Create a tag.

        Raises:
            Conflict: the tenant has this tag, perhaps in another case.
        """
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            id_tag_key=fold_id_tag(new.id_tag),
            created_at=func.now(),
            updated_at=func.now(),
            **asdict(new),
        )
        try:
            row = (await self.connection.execute(statement.returning(*_COLUMNS))).one()
        except IntegrityError as error:
            if "pk_id_tags" not in str(error):
                raise
            raise Conflict(f"The id tag {new.id_tag!r} exists already.", "id_tag") from None
        return IdTagRecord(*row)

    async def get(self, id_tag: str, *, to_change: bool = False) -> IdTagRecord | None:
        """Return a tag. to_change: lock it until the end of this transaction."""
        statement = select(*_COLUMNS).where(*self._is(id_tag))
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return IdTagRecord(*row) if row is not None else None

    async def page(
        self, limit: int, after: str | None = None, filters: IdTagFilter | None = None
    ) -> list[IdTagRecord]:
        """Return tags in the order of their folded form. after: `id_tag_key` of the last one seen."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_TABLE.c.id_tag_key > after)
        if filters is not None and filters.prefix is not None:
            pattern = like_prefix(fold_id_tag(filters.prefix))
            statement = statement.where(_TABLE.c.id_tag_key.like(pattern))
        if filters is not None and filters.status is not None:
            statement = statement.where(_TABLE.c.status == filters.status)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id_tag_key).limit(limit))
        return [IdTagRecord(*row) for row in rows]

    async def update(self, id_tag: str, **changes: Any) -> IdTagRecord | None:
        """Change status, expires_at, parent_id_tag, max_active_transactions or note; None: no such tag."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"an id tag's {sorted(unknown)} cannot be changed")
        statement = update(_TABLE).where(*self._is(id_tag)).values(updated_at=func.now(), **changes)
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one_or_none()
        return IdTagRecord(*row) if row is not None else None

    async def delete(self, id_tag: str) -> bool:
        """Remove a tag; its transactions stay. False: there is none."""
        statement = delete(_TABLE).where(*self._is(id_tag)).returning(_TABLE.c.id_tag_key)
        return (await self.connection.execute(statement)).one_or_none() is not None

    def _is(self, id_tag: str) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id_tag_key == fold_id_tag(id_tag))


async def find_id_tags(connection: Connection, keys: Sequence[IdTagKey]) -> dict[IdTagKey, IdTagRecord]:
    """Return the tags among the given ones that are stored, of any tenant, by one statement."""
    if not keys:
        return {}
    tags = [IdTagRecord(*row.values()) for row in await connection.fetch(_FIND, *zip(*keys, strict=True))]
    return {IdTagKey(tag.tenant_id, tag.id_tag_key): tag for tag in tags}


async def lock_id_tags(connection: Connection, keys: Sequence[IdTagKey]) -> None:
    """Lock tags until the transaction ends, so that parallel starts cannot exceed the limit of a tag."""
    await connection.execute(_LOCK, *zip(*keys, strict=True))
