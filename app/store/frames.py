"""Reading the frame log. It is written by `frame_log`."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_

from app.store import tables
from app.store.filters import FrameFilter
from app.store.records import FrameRecord
from app.store.repository import Repository, columns_of, like_prefix

_TABLE = tables.frames
_COLUMNS = columns_of(FrameRecord, _TABLE)


class Frames(Repository):
    """The frames of one tenant's charge points."""

    async def page(
        self,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: FrameFilter | None = None,
    ) -> list[FrameRecord]:
        """Return frames, the newest first. after: (at, id) of the last one seen."""
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.charge_point_id == charge_point_id
        )
        if after is not None:
            statement = statement.where(tuple_(_TABLE.c.at, _TABLE.c.id) < tuple_(*after))
        statement = statement.where(*_conditions(filters or FrameFilter()))
        statement = statement.order_by(_TABLE.c.at.desc(), _TABLE.c.id.desc()).limit(limit)
        return [FrameRecord(*row) for row in await self.connection.execute(statement)]


def _conditions(filters: FrameFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.direction is not None:
        conditions.append(_TABLE.c.direction == filters.direction)
    if filters.action is not None:
        # A CALL begins with message type 2; its action is a JSON string of its own.
        conditions.append(_TABLE.c.text.regexp_match(r"^\s*\[\s*2\s*,"))
        conditions.append(_TABLE.c.text.like("%" + like_prefix(f'"{filters.action}"')))
    if filters.from_at is not None:
        conditions.append(_TABLE.c.at >= filters.from_at)
    if filters.to_at is not None:
        conditions.append(_TABLE.c.at < filters.to_at)
    return conditions
