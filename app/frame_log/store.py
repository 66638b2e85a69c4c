"""SQL that reads the frame log. A row is a run: several frames of one connection, packed by the core."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Row, delete, select

from app.clock import microseconds_of, moment_of
from app.database.repository import Repository
from app.database.unit_of_work import PlatformWork
from app.frame_log import tables
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.rules import listed
from app.ocpp import FrameBuffer, unpack_frames
from app.types import TenantId

_RUN = tables.frame_runs
_RUN_SPAN = timedelta(microseconds=FrameBuffer.RUN_SPAN_US)
_RUNS_AT_ONCE: Final = 50
"""Few enough that the worker does other things between two reads of a search, even if each run has 64 KiB."""


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
        narrow = filters or FrameFilter()
        statement = select(_RUN).where(
            _RUN.c.tenant_id == self.tenant_id, _RUN.c.charge_point_id == charge_point_id
        )
        if after is not None:
            statement = statement.where(_RUN.c.at <= after[0])
        if narrow.from_at is not None:
            statement = statement.where(_RUN.c.at >= narrow.from_at)
        if narrow.to_at is not None:
            statement = statement.where(_RUN.c.at < narrow.to_at + _RUN_SPAN)
        # Runs of one time are read together, because their frames are listed by their numbers.
        statement = statement.order_by(_RUN.c.at.desc())
        found: list[FrameRecord] = []
        portion = min(limit, _RUNS_AT_ONCE)
        rest = statement
        while len(found) < limit:
            runs = (await self.connection.execute(rest.fetch(portion, with_ties=True))).all()
            found += listed((frame for run in runs for frame in _frames(run)), after, narrow)
            if len(runs) < portion:
                break
            portion = _RUNS_AT_ONCE
            rest = statement.where(_RUN.c.at < runs[-1].at)
        return found[:limit]


def _frames(run: Row[Any]) -> Iterator[FrameRecord]:
    """Yield the frames of a stored run in their order."""
    if run.packed is None:
        yield from _frames_in_columns(run)
        return
    connection_id, frames = unpack_frames(run.packed, microseconds_of(run.at))
    for number, (at_us, direction, text, deviations) in enumerate(frames, run.id):
        yield FrameRecord(
            id=number,
            run_at=run.at,
            charge_point_id=run.charge_point_id,
            at=moment_of(at_us),
            direction=direction,
            text=text,
            deviations=None if deviations is None else orjson.loads(deviations),
            connection_id=connection_id,
        )


def _frames_in_columns(run: Row[Any]) -> Iterator[FrameRecord]:
    """Yield the frames of a run that an older version has written."""
    deviations = run.deviations or [None] * len(run.texts)
    columns = zip(run.times, run.directions, run.texts, deviations, strict=True)
    for number, (at, direction, text, found) in enumerate(columns, run.id):
        yield FrameRecord(number, run.at, run.charge_point_id, at, direction, text, found, run.connection_id)


async def delete_frames_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete all frames of a tenant."""
    await work.connection.execute(delete(_RUN).where(_RUN.c.tenant_id == tenant_id))
