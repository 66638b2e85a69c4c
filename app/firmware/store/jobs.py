"""SQL of firmware jobs, and of the firmware status that each charge point has last reported."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    column,
    func,
    insert,
    null,
    select,
    table,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql

from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, TIME, is_charge_point_of
from app.database.text import clean_text
from app.database.unit_of_work import PlatformWork
from app.firmware import tables
from app.firmware.records import (
    OPEN_JOB_STATES,
    FirmwareJob,
    FirmwareJobFilter,
    FirmwareJobState,
    LastFirmwareStatus,
    ReviewedJob,
)

_JOBS = tables.firmware_jobs
UUID_TYPE: Final = postgresql.UUID(as_uuid=True)


def _of_command(found: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Return what a job shows of its command."""
    is_its = and_(_COMMANDS.c.tenant_id == _JOBS.c.tenant_id, _COMMANDS.c.id == _JOBS.c.command_id)
    return select(found).where(is_its).correlate(_JOBS).scalar_subquery().label(name)


_COMMANDS = table(
    "commands",
    column("id", UUID_TYPE),
    column("tenant_id", BigInteger),
    column("state", Text),
    column("result", postgresql.JSONB),
)
"""The commands of jobs, which are shown with them."""
_COLUMNS = columns_of(
    FirmwareJob,
    _JOBS,
    identity=CHARGE_POINTS.c.identity,
    command_state=_of_command(_COMMANDS.c.state, "command_state"),
    command_status=_of_command(_COMMANDS.c.result["status"].astext, "command_status"),
)
_STATE_PLACE: Final = [field.name for field in fields(FirmwareJob)].index("state")
_STATUSES = tables.firmware_statuses
_STATUS_COLUMNS = columns_of(LastFirmwareStatus, _STATUSES)
_BOOTS = table(
    "charge_points",
    column("id", BigInteger),
    column("tenant_id", BigInteger),
    column("identity", Text),
    column("firmware_version", Text),
    column("booted_at", TIME),
)
"""The charge points, with what they reported at their last boot."""

_FIXED: Final = frozenset(
    {"id", "charge_point_id", "identity", "created_at", "created_by", "command_state", "command_status"}
)
_RECENT: Final = 20
"""Jobs of a charge point that a status may belong to. More are never open at the same time."""
_LARGEST_OWN_ID: Final = 1_000_000_000
"""Numbers above it are left to operators who send SignedUpdateFirmware themselves."""


def job_of(row: Sequence[Any]) -> FirmwareJob:
    """Return a job from its columns."""
    values = list(row)
    values[_STATE_PLACE] = FirmwareJobState(values[_STATE_PLACE])
    return FirmwareJob(*values)


def _select(*conditions: Any) -> Select[Any]:
    joined = _JOBS.join(CHARGE_POINTS, is_charge_point_of(_JOBS))
    return select(*_COLUMNS).select_from(joined).where(*conditions)


def _changeable(job: FirmwareJob) -> dict[str, Any]:
    values = {field.name: getattr(job, field.name) for field in fields(job) if field.name not in _FIXED}
    return {**values, "state": str(job.state), "statuses": list(job.statuses)}


class FirmwareJobStore(Repository):
    """The firmware jobs of one tenant."""

    async def add(self, jobs: Sequence[FirmwareJob]) -> None:
        """Store new jobs."""
        rows = [
            {
                "tenant_id": self.tenant_id,
                "id": job.id,
                "charge_point_id": job.charge_point_id,
                "created_at": job.created_at,
                "created_by": job.created_by,
                **_changeable(job),
            }
            for job in jobs
        ]
        if rows:
            await self.connection.execute(insert(_JOBS), rows)
            self.outbox.has_events = True

    async def save(self, job: FirmwareJob) -> None:
        """Store what may have changed of a job."""
        statement = update(_JOBS).where(_JOBS.c.tenant_id == self.tenant_id, _JOBS.c.id == job.id)
        await self.connection.execute(statement.values(_changeable(job)))
        self.outbox.has_events = True

    async def get(self, job_id: UUID, *, to_change: bool = False) -> FirmwareJob | None:
        """Return a job. to_change: lock it until this unit of work ends."""
        statement = _select(_JOBS.c.tenant_id == self.tenant_id, _JOBS.c.id == job_id)
        if to_change:
            statement = statement.with_for_update(of=_JOBS)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else job_of(row)

    async def page(
        self, limit: int, after: tuple[datetime, UUID] | None, filters: FirmwareJobFilter
    ) -> list[FirmwareJob]:
        """Return jobs, the newest first. after: (created_at, id) of the last one that was seen."""
        statement = _select(_JOBS.c.tenant_id == self.tenant_id)
        if filters.identity is not None:
            point = select(CHARGE_POINTS.c.id).where(
                CHARGE_POINTS.c.tenant_id == self.tenant_id, CHARGE_POINTS.c.identity == filters.identity
            )
            statement = statement.where(_JOBS.c.charge_point_id == point.scalar_subquery())
        if filters.state is not None:
            statement = statement.where(_JOBS.c.state == str(filters.state))
        if filters.campaign_id is not None:
            statement = statement.where(_JOBS.c.campaign_id == filters.campaign_id)
        if after is not None:
            statement = statement.where(tuple_(_JOBS.c.created_at, _JOBS.c.id) < after)
        ordered = statement.order_by(_JOBS.c.created_at.desc(), _JOBS.c.id.desc()).limit(limit)
        return [job_of(row) for row in await self.connection.execute(ordered)]

    async def handed_out(self, charge_point_id: int) -> list[FirmwareJob]:
        """Return the newest jobs of a charge point that were handed out, the newest first, locked."""
        statement = (
            _select(
                _JOBS.c.tenant_id == self.tenant_id,
                _JOBS.c.charge_point_id == charge_point_id,
                _JOBS.c.issued_at.is_not(None),
            )
            .order_by(_JOBS.c.created_at.desc(), _JOBS.c.id.desc())
            .limit(_RECENT)
            .with_for_update(of=_JOBS)
        )
        return [job_of(row) for row in await self.connection.execute(statement)]

    async def open_count(self, charge_point_id: int) -> int:
        """Return how many jobs of a charge point have not ended."""
        statement = select(func.count()).where(
            _JOBS.c.tenant_id == self.tenant_id,
            _JOBS.c.charge_point_id == charge_point_id,
            _JOBS.c.state.in_([str(state) for state in OPEN_JOB_STATES]),
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def next_request_id(self, charge_point_id: int) -> int:
        """Return a requestId that no job of a charge point has. The caller has locked the charge point."""
        statement = select(func.coalesce(func.max(_JOBS.c.request_id), 0) + 1).where(
            _JOBS.c.tenant_id == self.tenant_id,
            _JOBS.c.charge_point_id == charge_point_id,
            _JOBS.c.request_id.between(0, _LARGEST_OWN_ID),
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def cancel_pending(self, campaign_id: UUID, at: datetime, reason: str) -> None:
        """Cancel the jobs of a campaign that were not handed out."""
        await self.connection.execute(
            update(_JOBS)
            .where(
                _JOBS.c.tenant_id == self.tenant_id,
                _JOBS.c.campaign_id == campaign_id,
                _JOBS.c.state == str(FirmwareJobState.PENDING),
            )
            .values(state=str(FirmwareJobState.CANCELLED), reason=reason, ended_at=at, review_at=None)
        )
        self.outbox.has_events = True

    async def put_status(self, charge_point_id: int, status: LastFirmwareStatus) -> None:
        """Store the last status of a charge point, unless a newer connection has reported one."""
        values = {
            "status": clean_text(status.status),
            "is_signed": status.is_signed,
            "request_id": status.request_id,
            "received_at": status.received_at,
            "epoch": status.epoch,
            "job_id": status.job_id,
        }
        statement = postgresql.insert(_STATUSES).values(
            tenant_id=self.tenant_id, charge_point_id=charge_point_id, **values
        )
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id"],
                set_=values,
                where=_STATUSES.c.epoch <= statement.excluded.epoch,
            )
        )

    async def last_status(self, charge_point_id: int) -> LastFirmwareStatus | None:
        """Return the last status of a charge point; None: it has reported none."""
        statement = select(*_STATUS_COLUMNS).where(
            _STATUSES.c.tenant_id == self.tenant_id, _STATUSES.c.charge_point_id == charge_point_id
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else LastFirmwareStatus(*row)


class FirmwareReviewStore:
    """The firmware jobs of all tenants, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def take(
        self, now: datetime, again_at: datetime, watched_again_at: datetime, limit: int
    ) -> list[ReviewedJob]:
        """Return jobs that are to be reviewed, and set their next review.

        Args:
            now: The time of this review.
            again_at: The next one of jobs that are open.
            watched_again_at: The next one of jobs that have ended.
            limit: The most jobs to take.

        Each row is locked, so that two workers that sweep at the same time never get the same row.
        """
        pending = (
            select(_JOBS.c.tenant_id, _JOBS.c.id)
            .where(_JOBS.c.review_at <= now)
            .order_by(_JOBS.c.review_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("pending")
        )
        others = {"identity": _BOOTS.c.identity, "command_state": null(), "command_status": null()}
        returned = columns_of(FirmwareJob, _JOBS, **others)
        statement = (
            update(_JOBS)
            .where(
                and_(_JOBS.c.tenant_id == pending.c.tenant_id, _JOBS.c.id == pending.c.id),
                _BOOTS.c.tenant_id == _JOBS.c.tenant_id,
                _BOOTS.c.id == _JOBS.c.charge_point_id,
            )
            .values(review_at=case((_JOBS.c.ended_at.is_(None), again_at), else_=watched_again_at))
            .returning(_JOBS.c.tenant_id, _BOOTS.c.firmware_version, _BOOTS.c.booted_at, *returned)
        )
        rows = await self.connection.execute(statement)
        return [ReviewedJob(row[0], job_of(row[3:]), row[1], row[2]) for row in rows]


async def boot_facts(store: FirmwareJobStore, charge_point_id: int) -> tuple[str | None, datetime | None]:
    """Return the firmware version of a charge point, and when it last booted."""
    statement = text(
        "select firmware_version, booted_at from charge_points where tenant_id = :tenant_id and id = :id"
    )
    found = await store.connection.execute(statement, {"tenant_id": store.tenant_id, "id": charge_point_id})
    row = found.one_or_none()
    return (None, None) if row is None else (row[0], row[1])
