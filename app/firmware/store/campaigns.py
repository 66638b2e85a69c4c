"""SQL of campaigns and their targets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from app.database.repository import Repository, columns_of
from app.database.unit_of_work import PlatformWork
from app.firmware import tables
from app.firmware.records import (
    OPEN_JOB_STATES,
    CampaignState,
    CampaignTarget,
    FirmwareCampaign,
    FirmwareJobState,
    TargetState,
    WaveProgress,
)

_CAMPAIGNS = tables.firmware_campaigns
_COLUMNS = columns_of(FirmwareCampaign, _CAMPAIGNS)
_TARGETS = tables.firmware_campaign_targets
_JOBS = tables.firmware_jobs
_OPEN: Final = [str(state) for state in OPEN_JOB_STATES]

_TARGET_COLUMNS: Final = """
    target.charge_point_id, point.identity, target.wave, target.state, target.reason, target.job_id,
    target.ended_at, point.firmware_version, job.state as job_state, job.reason as job_reason
"""
_TARGETS_FROM: Final = """
    from firmware_campaign_targets as target
    join charge_points as point on point.tenant_id = target.tenant_id and point.id = target.charge_point_id
    left join firmware_jobs as job on job.tenant_id = target.tenant_id and job.id = target.job_id
    where target.tenant_id = :tenant_id and target.campaign_id = :campaign_id
"""
_PAGE: Final = text(
    f"""
    select {_TARGET_COLUMNS}, false as is_busy {_TARGETS_FROM}
        and (cast(:state as text) is null or target.state = :state)
        and (cast(:after as text) is null or point.identity > :after)
    order by point.identity limit :limit
    """
).bindparams(bindparam("state", type_=Text), bindparam("after", type_=Text))

_SETTLED: Final = text(
    f"""
    select {_TARGET_COLUMNS}, false as is_busy {_TARGETS_FROM}
        and (target.state = 'updating' and (job.id is null or job.state <> all(:open))
            or target.state = 'updated' and job.state = 'failed'
            or target.state = 'failed' and job.state in ('installed', 'installed_seen_by_boot'))
    limit :limit
    """
).bindparams(bindparam("open", type_=ARRAY(Text)))

_WAITING: Final = text(
    f"""
    select {_TARGET_COLUMNS}, exists (
        select from firmware_jobs as other
        where other.tenant_id = target.tenant_id and other.charge_point_id = target.charge_point_id
            and other.state = any(:open)
    ) as is_busy {_TARGETS_FROM} and target.state = 'waiting'
    order by target.wave, target.checked_at nulls first, target.charge_point_id limit :limit
    """  # noqa: S608 - constants of our own
).bindparams(bindparam("open", type_=ARRAY(Text)))


_TAKE: Final = text(
    """
    with pending as (
        select tenant_id, id from firmware_campaigns
        where next_step_at <= :now
        order by next_step_at
        limit :limit
        for update skip locked
    )
    update firmware_campaigns as taken set next_step_at = :again_at
    from pending where taken.tenant_id = pending.tenant_id and taken.id = pending.id
    returning taken.tenant_id, taken.id
    """
)


class CampaignStore(Repository):
    """The campaigns of one tenant."""

    async def add(self, campaign: FirmwareCampaign, waves: Mapping[int, int]) -> None:
        """Store a campaign. waves: the number of the wave of each charge point."""
        values = {**_values(campaign), "tenant_id": self.tenant_id, "id": campaign.id}
        await self.connection.execute(insert(_CAMPAIGNS).values(values))
        self.outbox.has_events = True
        rows = [
            {
                "tenant_id": self.tenant_id,
                "campaign_id": campaign.id,
                "charge_point_id": charge_point_id,
                "wave": wave,
                "state": str(TargetState.WAITING),
            }
            for charge_point_id, wave in waves.items()
        ]
        await self.connection.execute(insert(_TARGETS), rows)

    async def save(self, campaign: FirmwareCampaign) -> None:
        """Store what may have changed of a campaign."""
        statement = update(_CAMPAIGNS).where(*self._is(campaign.id))
        await self.connection.execute(statement.values(_values(campaign)))
        self.outbox.has_events = True

    async def get(self, campaign_id: UUID, *, to_change: bool = False) -> FirmwareCampaign | None:
        """Return a campaign. to_change: lock it until this unit of work ends."""
        statement = select(*_COLUMNS).where(*self._is(campaign_id))
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else _campaign(row)

    async def page(
        self, limit: int, after: tuple[datetime, UUID] | None, state: CampaignState | None
    ) -> list[FirmwareCampaign]:
        """Return campaigns, the newest first. after: (created_at, id) of the last one that was seen."""
        statement = select(*_COLUMNS).where(_CAMPAIGNS.c.tenant_id == self.tenant_id)
        if state is not None:
            statement = statement.where(_CAMPAIGNS.c.state == str(state))
        if after is not None:
            statement = statement.where(tuple_(_CAMPAIGNS.c.created_at, _CAMPAIGNS.c.id) < after)
        ordered = statement.order_by(_CAMPAIGNS.c.created_at.desc(), _CAMPAIGNS.c.id.desc()).limit(limit)
        return [_campaign(row) for row in await self.connection.execute(ordered)]

    async def open_count(self) -> int:
        """Return how many campaigns have not ended."""
        ended = (str(CampaignState.STOPPED), str(CampaignState.FINISHED))
        statement = select(func.count()).where(
            _CAMPAIGNS.c.tenant_id == self.tenant_id, _CAMPAIGNS.c.state.not_in(ended)
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def progress(self, campaign_ids: Collection[UUID]) -> dict[UUID, list[WaveProgress]]:
        """Return the waves of campaigns, each with its targets by state."""
        statement = (
            select(_TARGETS.c.campaign_id, _TARGETS.c.wave, _TARGETS.c.state, func.count())
            .where(_TARGETS.c.tenant_id == self.tenant_id, _TARGETS.c.campaign_id.in_(campaign_ids))
            .group_by(_TARGETS.c.campaign_id, _TARGETS.c.wave, _TARGETS.c.state)
        )
        found: dict[UUID, dict[int, WaveProgress]] = {campaign_id: {} for campaign_id in campaign_ids}
        for campaign_id, number, state, count in await self.connection.execute(statement):
            waves = found[campaign_id]
            waves[number] = waves.get(number, WaveProgress(number))._replace(**{state: count})
        return {key: [waves[number] for number in sorted(waves)] for key, waves in found.items()}

    async def targets(
        self, campaign_id: UUID, limit: int, after: str | None, state: TargetState | None
    ) -> list[CampaignTarget]:
        """Return targets in the order of their identity. after: identity of the last one that was seen."""
        return await self._targets(_PAGE, campaign_id, limit=limit, after=after, state=state and str(state))

    async def settled_jobs(self, campaign_id: UUID, limit: int) -> list[CampaignTarget]:
        """Return targets whose job has ended, and those for which it has ended otherwise since."""
        return await self._targets(_SETTLED, campaign_id, limit=limit, open=_OPEN)

    async def has_watched_jobs(self, campaign_id: UUID) -> bool:
        """Tell whether the end of a job may still be corrected."""
        statement = select(_JOBS.c.id).where(
            _JOBS.c.tenant_id == self.tenant_id,
            _JOBS.c.campaign_id == campaign_id,
            _JOBS.c.review_at.is_not(None),
        )
        return bool((await self.connection.execute(select(statement.exists()))).scalar_one())

    async def waiting(self, campaign_id: UUID, limit: int) -> list[CampaignTarget]:
        """Return targets that wait: of the first waves, those that were looked at longest ago."""
        return await self._targets(_WAITING, campaign_id, limit=limit, open=_OPEN)

    async def set_targets(
        self,
        campaign_id: UUID,
        charge_point_ids: Collection[int],
        state: TargetState,
        at: datetime,
        reason: str | None = None,
    ) -> None:
        """Set the state of some targets."""
        if not charge_point_ids:
            return
        is_open = state in (TargetState.WAITING, TargetState.UPDATING)
        await self.connection.execute(
            update(_TARGETS)
            .where(*self._target(campaign_id), _TARGETS.c.charge_point_id.in_(charge_point_ids))
            .values(state=str(state), reason=reason, ended_at=None if is_open else at)
        )

    async def begin(self, campaign_id: UUID, jobs: Mapping[int, UUID]) -> None:
        """Set the job of some targets, which are being updated from now on."""
        for charge_point_id, job_id in jobs.items():
            await self.connection.execute(
                update(_TARGETS)
                .where(*self._target(campaign_id), _TARGETS.c.charge_point_id == charge_point_id)
                .values(state=str(TargetState.UPDATING), reason=None, job_id=job_id)
            )

    async def leave_out(self, campaign_id: UUID, at: datetime, reason: str) -> None:
        """Leave out all targets that wait."""
        await self.connection.execute(
            update(_TARGETS)
            .where(*self._target(campaign_id), _TARGETS.c.state == str(TargetState.WAITING))
            .values(state=str(TargetState.LEFT_OUT), reason=reason, ended_at=at)
        )

    async def checked(self, campaign_id: UUID, charge_point_ids: Collection[int], at: datetime) -> None:
        """Record that targets were looked at, so that others have their turn."""
        await self.connection.execute(
            text(
                "update firmware_campaign_targets set checked_at = :at where tenant_id = :tenant_id"
                " and campaign_id = :campaign_id and charge_point_id = any(:points)"
            ).bindparams(bindparam("points", type_=ARRAY(BigInteger))),
            {
                "at": at,
                "tenant_id": self.tenant_id,
                "campaign_id": campaign_id,
                "points": list(charge_point_ids),
            },
        )

    async def _targets(self, statement: Any, campaign_id: UUID, **values: Any) -> list[CampaignTarget]:
        given = {"tenant_id": self.tenant_id, "campaign_id": campaign_id, **values}
        return [_target(row) for row in await self.connection.execute(statement, given)]

    def _is(self, campaign_id: UUID) -> tuple[Any, ...]:
        return (_CAMPAIGNS.c.tenant_id == self.tenant_id, _CAMPAIGNS.c.id == campaign_id)

    def _target(self, campaign_id: UUID) -> tuple[Any, ...]:
        return (_TARGETS.c.tenant_id == self.tenant_id, _TARGETS.c.campaign_id == campaign_id)


async def take_campaigns(
    work: PlatformWork, now: datetime, again_at: datetime, limit: int
) -> list[tuple[int, UUID]]:
    """Return (tenant_id, id) of campaigns whose next step is pending, and set it to `again_at`.

    Each row is locked, so that two workers that sweep at the same time never get the same row.
    """
    values = {"now": now, "again_at": again_at, "limit": limit}
    return [(row[0], row[1]) for row in await work.connection.execute(_TAKE, values)]


def _values(campaign: FirmwareCampaign) -> dict[str, Any]:
    names = [column.name for column in _CAMPAIGNS.columns if column.name not in ("tenant_id", "id")]
    return {**{name: getattr(campaign, name) for name in names}, "state": str(campaign.state)}


def _campaign(row: Sequence[Any]) -> FirmwareCampaign:
    campaign_id, name, state, *rest = row
    return FirmwareCampaign(campaign_id, name, CampaignState(state), *rest)


def _target(row: Any) -> CampaignTarget:
    values = dict(row._mapping)
    job_state = values["job_state"]
    values["state"] = TargetState(values["state"])
    values["job_state"] = None if job_state is None else FirmwareJobState(job_state)
    return CampaignTarget(**values)
