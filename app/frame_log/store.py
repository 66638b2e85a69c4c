"""SQL that reads the frame log. A row is a run: several frames of one connection."""

import re
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Text, column, delete, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from app.database.repository import Repository, columns_of, like_prefix
from app.database.unit_of_work import PlatformWork
from app.frame_log import tables
from app.frame_log.records import FrameFilter, FrameRecord
from app.ocpp import FrameBuffer
from app.types import TenantId

_RUN = tables.frame_runs
_FRAME = (
    func.unnest(_RUN.c.times, _RUN.c.directions, _RUN.c.texts, _RUN.c.deviations)
    .table_valued(
        column("at", TIMESTAMP(timezone=True)),
        column("direction", Text),
        column("text", Text),
        column("deviations", JSONB),
        with_ordinality="place",
        name="frame",
    )
    .render_derived()
)
_NUMBER = _RUN.c.id + _FRAME.c.place - 1
_COLUMNS = columns_of(
    FrameRecord,
    _RUN,
    id=_NUMBER,
    run_at=_RUN.c.at,
    **{name: _FRAME.c[name] for name in ("at", "direction", "text", "deviations")},
)
_RUN_SPAN = timedelta(microseconds=FrameBuffer.RUN_SPAN_US)


class FrameStore(Repository):
    """The frames of one tenant's charge points."""

    async def page(
        self,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: FrameFilter | None = None,
    ) -> list[FrameRecord]:
        """Return frames, the newest first. after: (run_at, id) of the last one seen."""
        statement = (
            select(*_COLUMNS)
            .join(_FRAME, true())
            .where(_RUN.c.tenant_id == self.tenant_id, _RUN.c.charge_point_id == charge_point_id)
        )
        if after is not None:
            # The condition on the run comes first, so that the index is used.
            statement = statement.where(_RUN.c.at <= after[0], tuple_(_RUN.c.at, _NUMBER) < tuple_(*after))
        statement = statement.where(*_conditions(filters or FrameFilter()))
        statement = statement.order_by(_RUN.c.at.desc(), _NUMBER.desc()).limit(limit)
        return [FrameRecord(*row) for row in await self.connection.execute(statement)]


def _conditions(filters: FrameFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.direction is not None:
        conditions.append(_FRAME.c.direction == filters.direction)
    if filters.action is not None:
        # A CALL begins with message type 2, and its action is a JSON string.
        conditions.append(_FRAME.c.text.regexp_match(r"^\s*\[\s*2\s*,"))
        conditions.append(_FRAME.c.text.like("%" + like_prefix(f'"{filters.action}"')))
    if filters.message_id is not None:
        # The second member of a frame. Some charge points write it as a number.
        written = re.escape(orjson.dumps(filters.message_id).decode()[1:-1])
        conditions.append(_FRAME.c.text.regexp_match(rf'^\s*\[\s*[2-4]\s*,\s*"?{written}"?\s*,'))
    if filters.from_at is not None:
        conditions += [_FRAME.c.at >= filters.from_at, _RUN.c.at >= filters.from_at]
    if filters.to_at is not None:
        conditions += [_FRAME.c.at < filters.to_at, _RUN.c.at < filters.to_at + _RUN_SPAN]
    return conditions


async def delete_frames_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete all frames of a tenant."""
    await work.connection.execute(delete(_RUN).where(_RUN.c.tenant_id == tenant_id))
