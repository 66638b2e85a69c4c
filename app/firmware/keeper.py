"""Keeps firmware updates going: hands out jobs, lets them time out, and takes the next step of campaigns.

Every worker sweeps. Each job and each campaign goes to one of them at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.rules import OPEN_COMMAND_STATES
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import AppError, NotFound, StoreUnavailable
from app.firmware.records import (
    CampaignState,
    CampaignTarget,
    FirmwareCampaign,
    FirmwareJob,
    FirmwareJobState,
    ReviewedJob,
    TargetState,
)
from app.firmware.rules.calls import new_job
from app.firmware.rules.campaign_plans import plan_of, source_of
from app.firmware.rules.campaigns import (
    STEP_AFTER,
    CampaignSnapshot,
    CampaignStep,
    Candidate,
    next_step,
    target_outcome,
)
from app.firmware.rules.jobs import RETRY_AFTER, WATCH_AFTER, JobAnswer, PointFacts, reviewed, with_answer
from app.firmware.sender import FirmwareSender
from app.firmware.store.campaigns import CampaignStore, take_campaigns
from app.firmware.store.jobs import FirmwareJobStore, FirmwareReviewStore
from app.logs import get_logger
from app.tasks import PeriodicTask
from app.types import TenantId

_JOBS: Final = 100
_CAMPAIGNS: Final = 20
_SETTLED: Final = 1000
_LOOKED_AT: Final = 2000
"""Charge points that wait and are looked at in one step of a campaign: four round trips to Redis."""

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeeperTimes:
    """The times of the sweep. pause_s: between two sweeps; boot_grace_s: see `reviewed`."""

    pause_s: float
    boot_grace_s: float


class FirmwareKeeper:
    """Sweeps over the firmware jobs and campaigns of all tenants."""

    def __init__(self, database: Database, sender: FirmwareSender, clock: Clock, times: KeeperTimes) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._times = times
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Sweep every few seconds in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "firmware_updates")

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def sweep(self) -> int:
        """Take the next step of campaigns and jobs whose time has come; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            campaigns = await take_campaigns(work, now, now + STEP_AFTER, _CAMPAIGNS)
        for tenant_id, campaign_id in campaigns:
            await self._take_step(TenantId(tenant_id), campaign_id)
        async with self._database.platform() as work:
            taken = await FirmwareReviewStore(work).take(now, now + RETRY_AFTER, now + WATCH_AFTER, _JOBS)
        connected = await self._connected(taken)
        for found in taken:
            await self._review(found, connected)
        return len(campaigns) + len(taken)

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() >= _JOBS else self._times.pause_s
        except StoreUnavailable:
            _LOG.warning("firmware_updates_not_swept")
            return self._times.pause_s

    # Jobs

    async def _connected(self, taken: Sequence[ReviewedJob]) -> set[UUID]:
        """Return the pending jobs whose charge points are connected. One look for each tenant."""
        waiting: dict[int, list[FirmwareJob]] = {}
        for found in taken:
            if found.job.state is FirmwareJobState.PENDING:
                waiting.setdefault(found.tenant_id, []).append(found.job)
        connected: set[UUID] = set()
        for tenant_id, jobs in waiting.items():
            identities = {job.identity for job in jobs}
            owners = await self._sender.presence.find_many(TenantId(tenant_id), identities)
            connected |= {job.id for job in jobs if job.identity in owners}
        return connected

    async def _review(self, found: ReviewedJob, connected: set[UUID]) -> None:
        tenant_id = TenantId(found.tenant_id)
        facts = PointFacts(found.firmware_version, found.booted_at)
        grace = timedelta(seconds=self._times.boot_grace_s)
        answer = await self._answer(tenant_id, found.job)
        seen = reviewed(found.job, facts, self._clock.now(), grace)
        is_settled = answer is None and seen == replace(found.job, review_at=seen.review_at)
        if not is_settled or seen.review_at is None:
            await self._change(tenant_id, found, answer, grace)
        unconfirmed = seen.state is FirmwareJobState.REQUESTED and seen.command_id is None
        if unconfirmed or found.job.id in connected:
            await self._sender.send(tenant_id, found.job.id)

    async def _change(
        self, tenant_id: TenantId, found: ReviewedJob, answer: JobAnswer | None, grace: timedelta
    ) -> None:
        """Judge a job again under its lock, and store the result."""
        facts = PointFacts(found.firmware_version, found.booted_at)
        async with self._database.tenant(tenant_id) as work:
            store, now = FirmwareJobStore(work), self._clock.now()
            job = await store.get(found.job.id, to_change=True)
            if job is None:
                return
            if answer is not None and job.command_id == found.job.command_id:
                job = with_answer(job, answer, now)
            await store.save(reviewed(job, facts, now, grace))

    async def _answer(self, tenant_id: TenantId, job: FirmwareJob) -> JobAnswer | None:
        """Return how the command of a job has ended, if its worker was lost before its effect."""
        if job.state is not FirmwareJobState.REQUESTED or job.command_id is None:
            return None
        try:
            command = await self._sender.commands.get(tenant_id, job.command_id)
        except NotFound:
            return None
        if command.state in OPEN_COMMAND_STATES:
            return None
        return JobAnswer(command.state, (command.result or {}).get("status"), command.error)

    # Campaigns

    async def _take_step(self, tenant_id: TenantId, campaign_id: UUID) -> None:
        try:
            async with self._database.tenant(tenant_id) as work:
                campaign = await CampaignStore(work).get(campaign_id, to_change=True)
                if campaign is not None:
                    await self._advance(work, campaign)
        except StoreUnavailable:
            raise
        except AppError as error:
            # A campaign that cannot go on now must not delay the others.
            _LOG.warning("firmware_campaign_delayed", campaign=str(campaign_id), detail=error.detail)

    async def _advance(self, work: TenantWork, campaign: FirmwareCampaign) -> None:
        store, now = CampaignStore(work), self._clock.now()
        await self._settle(store, campaign, now)
        if campaign.state is CampaignState.RUNNING:
            campaign = await self._step(work, campaign, now)
        if campaign.state is not CampaignState.RUNNING:
            waves = (await store.progress([campaign.id]))[campaign.id]
            under_way = any(wave.updating for wave in waves) or await store.has_watched_jobs(campaign.id)
            campaign = replace(campaign, next_step_at=now + STEP_AFTER if under_way else None)
        await store.save(campaign)

    async def _settle(self, store: CampaignStore, campaign: FirmwareCampaign, now: datetime) -> None:
        running = campaign.state in (CampaignState.RUNNING, CampaignState.PAUSED)
        groups: dict[tuple[TargetState, str | None], list[int]] = {}
        for target in await store.settled_jobs(campaign.id, _SETTLED):
            job_state = target.job_state or FirmwareJobState.CANCELLED
            state = target_outcome(job_state, target.job_reason, running=running)
            if state is not None:
                reason = None if state in (TargetState.UPDATED, TargetState.WAITING) else target.job_reason
                groups.setdefault((state, reason), []).append(target.charge_point_id)
        for (state, reason), points in groups.items():
            await store.set_targets(campaign.id, points, state, now, reason)

    async def _step(self, work: TenantWork, campaign: FirmwareCampaign, now: datetime) -> FirmwareCampaign:
        store = CampaignStore(work)
        waiting = await store.waiting(campaign.id, _LOOKED_AT)
        snapshot = await self._snapshot(work, campaign, waiting, now)
        step = next_step(snapshot)
        if len(waiting) == _LOOKED_AT:
            await store.checked(campaign.id, [target.charge_point_id for target in waiting], now)
        await store.set_targets(campaign.id, step.skip, TargetState.SKIPPED, now, "runs_target_version")
        if step.leave_out:
            reason = step.reason or "campaign_ended"
            await store.leave_out(campaign.id, now, reason)
            await FirmwareJobStore(work).cancel_pending(campaign.id, now, reason)
        begun = {target.charge_point_id: target for target in waiting}
        await self._begin(work, campaign, [begun[point] for point in step.begin], step, now)
        began = campaign.wave_began
        if step.wave is not None:
            began = {**began, str(step.wave): now.isoformat()}
        return replace(
            campaign,
            state=step.state,
            reason=step.reason,
            wave_began=began,
            ended_at=None if step.state is CampaignState.RUNNING else now,
            next_step_at=step.next_at,
        )

    async def _snapshot(
        self, work: TenantWork, campaign: FirmwareCampaign, waiting: list[CampaignTarget], now: datetime
    ) -> CampaignSnapshot:
        identities = [target.identity for target in waiting]
        owners = await self._sender.presence.find_many(work.tenant_id, identities)
        version = campaign.source["target_version"]
        candidates = tuple(
            Candidate(
                target.charge_point_id,
                target.wave,
                target.identity in owners,
                version is not None and target.firmware_version == version,
                target.is_busy,
            )
            for target in waiting
        )
        waves = (await CampaignStore(work).progress([campaign.id]))[campaign.id]
        began = {int(number): datetime.fromisoformat(at) for number, at in campaign.wave_began.items()}
        plan = plan_of(campaign.plan, campaign.ends_at)
        return CampaignSnapshot(now, plan, tuple(waves), began, candidates)

    async def _begin(
        self,
        work: TenantWork,
        campaign: FirmwareCampaign,
        targets: list[CampaignTarget],
        step: CampaignStep,
        now: datetime,
    ) -> None:
        jobs, source = FirmwareJobStore(work), source_of(campaign.source)
        made = []
        # In one order, so that two campaigns never wait for each other in a circle.
        for target in sorted(targets, key=lambda target: target.charge_point_id):
            request_id = None
            if source.signing is not None:
                await existing_charge_point(work, target.identity, to_change=True)
                request_id = await jobs.next_request_id(target.charge_point_id)
            job = new_job(
                source,
                target.charge_point_id,
                target.identity,
                campaign.created_by,
                now,
                timeout_s=campaign.plan["job_timeout_s"],
                request_id=request_id,
                campaign_id=campaign.id,
                sealed_location=campaign.sealed_location,
                send_until=step.send_until,
            )
            made.append(replace(job, review_at=now))
        await jobs.add(made)
        await CampaignStore(work).begin(campaign.id, {job.charge_point_id: job.id for job in made})
