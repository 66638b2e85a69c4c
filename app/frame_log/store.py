"""SQL that reads the frame log. A row is a run: several frames of one connection, packed by the core."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Row, delete, func, select

from app.clock import microseconds_of, moment_of
from app.database.repository import Repository
from app.database.unit_of_work import PlatformWork
from app.frame_log import tables
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.rules import FrameCondition
from app.ocpp import FrameBuffer, unpack_frames
from app.types import TenantId

_RUN = tables.frame_runs
_RUN_SPAN = timedelta(microseconds=FrameBuffer.RUN_SPAN_US)
_RUNS_AT_ONCE: Final = 50
_BYTES_AT_ONCE: Final = 1_000_000
"""Packed bytes of the runs that are read at once. One frame may have megabytes; its run is read alone."""
_BYTES_OF_OLD_RUN: Final = 65_536
"""The most that a run of an older version has."""


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where a search goes on: at runs of a time or earlier, or only at earlier ones."""

    at: datetime
    is_included: bool


class FrameStore(Repository):
    """The frames of one tenant's charge points."""

    async def runs(
        self, charge_point_id: int, filters: FrameFilter, place: SearchPlace | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Return the newest runs in which frames may be, not many bytes of them; none: that was the last one.

        Runs of one time come together, because their frames are listed by their numbers.

        Args:
            charge_point_id: Whose frames.
            filters: Only runs of its times.
            place: Where the search goes on; None: at the newest run.
            limit: How many frames are wanted: each run has one or more.
        """
        statement = select(_RUN).where(
            _RUN.c.tenant_id == self.tenant_id, _RUN.c.charge_point_id == charge_point_id
        )
        if place is not None:
            statement = statement.where(_RUN.c.at <= place.at if place.is_included else _RUN.c.at < place.at)
        if filters.from_at is not None:
            statement = statement.where(_RUN.c.at >= filters.from_at)
        if filters.to_at is not None:
            statement = statement.where(_RUN.c.at < filters.to_at + _RUN_SPAN)
        statement = statement.order_by(_RUN.c.at.desc()).fetch(min(limit, _RUNS_AT_ONCE), with_ties=True)
        newest = statement.subquery()
        size = func.coalesce(func.octet_length(newest.c.packed), _BYTES_OF_OLD_RUN)
        # Both sums include all runs of the same time.
        up_to_here = func.sum(size).over(order_by=newest.c.at.desc())
        of_this_time = func.sum(size).over(partition_by=newest.c.at)
        sized = select(newest, (up_to_here - of_this_time).label("bytes_before")).subquery()
        columns = [column for column in sized.c if column.name != "bytes_before"]
        few = select(*columns).where(sized.c.bytes_before < _BYTES_AT_ONCE).order_by(sized.c.at.desc())
        return (await self.connection.execute(few)).all()


def frames_of(run: Row[Any], condition: FrameCondition) -> Iterator[FrameRecord]:
    """Yield the frames of a stored run that pass, in their order."""
    if run.packed is None:
        yield from _frames_in_columns(run, condition)
        return
    connection_id, frames = unpack_frames(run.packed, microseconds_of(run.at))
    for number, (at_us, direction, text, deviations) in enumerate(frames, run.id):
        at = moment_of(at_us)
        if condition.passes(direction, at, text):
            yield FrameRecord(
                id=number,
                run_at=run.at,
                charge_point_id=run.charge_point_id,
                at=at,
                direction=direction,
                text=text,
                deviations=None if deviations is None else orjson.loads(deviations),
                connection_id=connection_id,
            )


def _frames_in_columns(run: Row[Any], condition: FrameCondition) -> Iterator[FrameRecord]:
    """Yield the frames of a run that an older version has written."""
    deviations = run.deviations or [None] * len(run.texts)
    columns = zip(run.times, run.directions, run.texts, deviations, strict=True)
    for number, (at, direction, text, found) in enumerate(columns, run.id):
        if condition.passes(direction, at, text):
            yield FrameRecord(
                number, run.at, run.charge_point_id, at, direction, text, found, run.connection_id
            )


async def delete_frames_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete all frames of a tenant."""
    await work.connection.execute(delete(_RUN).where(_RUN.c.tenant_id == tenant_id))
