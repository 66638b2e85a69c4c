"""SQL of diagnostics."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, insert, literal, select, text, tuple_, update
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.expression import ColumnElement

from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, charge_point_named, is_charge_point_of
from app.database.text import clean_json, clean_optional, clean_text
from app.database.unit_of_work import PlatformWork
from app.diagnostics import tables
from app.diagnostics.records import (
    DiagnosticsJob,
    JobFilter,
    JobKind,
    ReportedStatus,
)
from app.types import Json

_JOBS: Final = tables.diagnostics_jobs
_STATUSES: Final = tables.diagnostics_statuses
_JOB_COLUMNS: Final = columns_of(DiagnosticsJob, _JOBS, identity=CHARGE_POINTS.c.identity)
_STATUS_COLUMNS: Final = columns_of(ReportedStatus, _STATUSES)
_OF_STATUS: Final = 5
"""Jobs that are looked at to find the one that a status belongs to."""


class DiagnosticsStore(Repository):
    """The jobs of one tenant."""

    async def charge_point_id(self, identity: str) -> int | None:
        """Return the primary key of a charge point; None: the tenant has none of this identity."""
        statement = select(CHARGE_POINTS.c.id).where(
            CHARGE_POINTS.c.tenant_id == self.tenant_id, CHARGE_POINTS.c.identity == identity
        )
        found: int | None = (await self.connection.execute(statement)).scalar_one_or_none()
        return found

    async def next_request_id(self) -> int:
        """Return a requestId that was never used."""
        number = NumberSequence("diagnostics_request_ids", data_type=Integer).next_value()
        return int((await self.connection.execute(select(number))).scalar_one())

    async def create(self, job: DiagnosticsJob) -> None:
        """Record a job."""
        values = {
            name: getattr(job, name) for name in DiagnosticsJob.__dataclass_fields__ if name != "identity"
        }
        values |= {
            "location": clean_optional(job.location),
            "file_name": clean_optional(job.file_name),
            "events": clean_json(job.events),
        }
        await self.connection.execute(insert(_JOBS).values(values))
        self.outbox.has_events = True

    async def get(self, job_id: UUID, *, to_change: bool = False) -> DiagnosticsJob | None:
        """Return a job. to_change: lock it until the end of this transaction."""
        found = await self._find(_JOBS.c.id == job_id, to_change=to_change)
        return found[0] if found else None

    async def of_command(self, command_id: UUID) -> DiagnosticsJob | None:
        """Return and lock the job of a command, which is locked already."""
        found = await self._find(_JOBS.c.command_id == command_id, to_change=True)
        return found[0] if found else None

    async def of_upload(self, upload_id: UUID) -> DiagnosticsJob | None:
        """Return the job of a link for an upload."""
        found = await self._find(_JOBS.c.upload_id == upload_id)
        return found[0] if found else None

    async def of_request(self, charge_point_id: int, request_id: int) -> DiagnosticsJob | None:
        """Return the newest job of a requestId."""
        found = await self._find(_JOBS.c.charge_point_id == charge_point_id, _JOBS.c.request_id == request_id)
        return found[0] if found else None

    async def newest(self, charge_point_id: int, kinds: Sequence[JobKind]) -> list[DiagnosticsJob]:
        """Return the newest jobs of a charge point, the newest first."""
        return await self._find(_JOBS.c.charge_point_id == charge_point_id, _JOBS.c.kind.in_(kinds))

    async def page(
        self, limit: int, after: tuple[datetime, UUID] | None, filters: JobFilter
    ) -> list[DiagnosticsJob]:
        """Return jobs, the newest first. after: (created_at, id) of the last one that was seen."""
        conditions: list[ColumnElement[bool]] = []
        if filters.identity is not None:
            conditions.append(_JOBS.c.charge_point_id == charge_point_named(filters.identity))
        if filters.kind is not None:
            conditions.append(_JOBS.c.kind == filters.kind)
        if filters.state is not None:
            conditions.append(_JOBS.c.state == filters.state)
        if after is not None:
            conditions.append(tuple_(_JOBS.c.created_at, _JOBS.c.id) < tuple_(*map(literal, after)))
        return await self._find(*conditions, limit=limit)

    async def save(self, job: DiagnosticsJob) -> None:
        """Store what a job may change to."""
        await self.connection.execute(
            update(_JOBS)
            .where(_JOBS.c.tenant_id == self.tenant_id, _JOBS.c.id == job.id)
            .values(
                state=job.state,
                file_id=job.file_id,
                file_name=clean_optional(job.file_name),
                reported_status=job.reported_status,
                reported_at=job.reported_at,
                command_id=job.command_id,
                events=clean_json(job.events),
                ended_at=job.ended_at,
            )
        )
        self.outbox.has_events = True

    async def delete(self, job_id: UUID) -> None:
        """Delete a job."""
        await self.connection.execute(
            delete_from(_JOBS).where(_JOBS.c.tenant_id == self.tenant_id, _JOBS.c.id == job_id)
        )

    async def report(self, charge_point_id: int, status: ReportedStatus) -> None:
        """Keep the last status of a charge point."""
        values: Json = {
            "status": clean_text(status.status),
            "request_id": status.request_id,
            "job_id": status.job_id,
            "received_at": status.received_at,
        }
        place = {"tenant_id": self.tenant_id, "charge_point_id": charge_point_id, "action": status.action}
        await self.connection.execute(
            upsert(_STATUSES)
            .values({**place, **values})
            .on_conflict_do_update(index_elements=list(place), set_=values)
        )

    async def statuses(self, charge_point_id: int) -> list[ReportedStatus]:
        """Return the last statuses of a charge point, by action."""
        statement = (
            select(*_STATUS_COLUMNS)
            .where(_STATUSES.c.tenant_id == self.tenant_id, _STATUSES.c.charge_point_id == charge_point_id)
            .order_by(_STATUSES.c.action)
        )
        return [ReportedStatus(*row) for row in await self.connection.execute(statement)]

    async def exists(self, charge_point_id: int) -> bool:
        """Tell whether a charge point still exists, and keep it from being deleted until the end."""
        statement = (
            select(CHARGE_POINTS.c.id)
            .where(CHARGE_POINTS.c.tenant_id == self.tenant_id, CHARGE_POINTS.c.id == charge_point_id)
            .with_for_update(read=True, key_share=True)
        )
        return (await self.connection.execute(statement)).one_or_none() is not None

    async def _find(
        self, *conditions: ColumnElement[bool], limit: int = _OF_STATUS, to_change: bool = False
    ) -> list[DiagnosticsJob]:
        statement = (
            select(*_JOB_COLUMNS)
            .select_from(_JOBS.join(CHARGE_POINTS, is_charge_point_of(_JOBS)))
            .where(_JOBS.c.tenant_id == self.tenant_id, *conditions)
            .order_by(_JOBS.c.created_at.desc(), _JOBS.c.id.desc())
            .limit(limit)
        )
        if to_change:
            statement = statement.with_for_update(of=_JOBS)
        values: dict[str, Any] = {"tenant_id": self.tenant_id}
        rows = await self.connection.execute(statement, values)
        return [DiagnosticsJob(*row) for row in rows]


_OVERDUE: Final = text(
    """
    select tenant_id, id from diagnostics_jobs where ended_at is null and deadline_at <= :now
    order by deadline_at limit :limit for update skip locked
    """
)
_OLD: Final = text(
    """
    delete from diagnostics_jobs using (
        select tenant_id, id from diagnostics_jobs where ended_at <= :before
        order by ended_at limit :limit for update skip locked
    ) as old
    where diagnostics_jobs.tenant_id = old.tenant_id and diagnostics_jobs.id = old.id
    returning 1
    """
)


class DiagnosticsSweepStore:
    """The jobs of all tenants, for the sweep. Two workers never take the same row."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def overdue(self, now: datetime, limit: int) -> list[tuple[int, UUID]]:
        """Return tenant and id of open jobs whose time is over."""
        rows = await self.connection.execute(_OVERDUE, {"now": now, "limit": limit})
        return [(row.tenant_id, row.id) for row in rows]

    async def delete_old(self, before: datetime, limit: int) -> int:
        """Delete jobs that ended before a time; return how many."""
        return len((await self.connection.execute(_OLD, {"before": before, "limit": limit})).all())
