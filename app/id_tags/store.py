"""The id tags of one tenant. Whether one may charge is decided in `authorization`."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.database.repository import Repository, columns_of, like_prefix
from app.database.text import clean_text
from app.errors import Conflict
from app.id_tags import tables
from app.id_tags.records import IdTagFilter, IdTagRecord, IdTagStatus
from app.id_tags.rules import fold_id_tag, id_tag_info
from app.transactions import tables as transaction_tables
from app.types import Json

_TABLE = tables.id_tags
_COLUMNS = columns_of(IdTagRecord, _TABLE)
_CHANGEABLE = frozenset({"status", "expires_at", "parent_id_tag", "max_active_transactions", "note"})


class IdTagStore(Repository):
    """The id tags of one tenant; names are compared without regard to case."""

    async def create(
        self,
        id_tag: str,
        *,
        status: IdTagStatus = "Accepted",
        expires_at: datetime | None = None,
        parent_id_tag: str | None = None,
        max_active_transactions: int | None = None,
        note: str | None = None,
    ) -> IdTagRecord:
        """Create a tag.

        Raises:
            Conflict: the tenant has this tag, perhaps in another case.
        """
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            id_tag=id_tag,
            id_tag_key=fold_id_tag(id_tag),
            status=status,
            expires_at=expires_at,
            parent_id_tag=parent_id_tag,
            max_active_transactions=max_active_transactions,
            note=note,
            created_at=func.now(),
            updated_at=func.now(),
        )
        try:
            row = (await self.connection.execute(statement.returning(*_COLUMNS))).one()
        except IntegrityError as error:
            if "uq_id_tags" not in str(error):
                raise
            raise Conflict(f"The id tag {id_tag!r} exists already.", "id_tag") from None
        return IdTagRecord(*row)

    async def get(self, id_tag: str, *, to_change: bool = False) -> IdTagRecord | None:
        """Return a tag. to_change: nobody else changes it until the end of this transaction."""
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

    async def authorize(self, id_tag: str, at: datetime, *, starting: bool) -> Json:
        """Return the `idTagInfo` of a tag at a time, in wire form; unknown tags are Invalid.

        starting: count the running transactions too. Advisory only: what counts is decided in the ledger.
        """
        tag = await self.get(clean_text(id_tag))
        if tag is None or not starting or tag.max_active_transactions is None:
            return id_tag_info(tag, at)
        running = transaction_tables.transactions
        statement = select(func.count()).where(
            running.c.tenant_id == self.tenant_id,
            running.c.id_tag_key == tag.id_tag_key,
            running.c.stopped_received_at.is_(None),
            running.c.id_tag_info["status"].astext == "Accepted",
        )
        return id_tag_info(tag, at, (await self.connection.execute(statement)).scalar_one())

    def _is(self, id_tag: str) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id_tag_key == fold_id_tag(id_tag))
