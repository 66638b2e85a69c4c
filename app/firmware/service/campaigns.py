"""The use cases of campaigns: make, show, start, pause, resume and stop them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound, TooManyRequests
from app.firmware.records import (
    CampaignState,
    CampaignTarget,
    FirmwareCampaign,
    NewCampaign,
    ShownCampaign,
    TargetState,
)
from app.firmware.rules.campaign_plans import stored_source
from app.firmware.rules.campaigns import CampaignMove, moved, wave_sizes
from app.firmware.sources import SourcePreparer
from app.firmware.store.campaigns import CampaignStore
from app.firmware.store.jobs import FirmwareJobStore
from app.metrics import LIMITS_HIT
from app.types import TenantId

OPEN_CAMPAIGNS_LIMIT: Final = 100
"""Campaigns of a tenant that have not ended. Each one costs the sweep a look every few seconds."""
TARGETS_LIMIT: Final = 20_000
"""Charge points of a campaign."""
_NAMED_IN_ERRORS: Final = 20
_ACTS: Final[Mapping[CampaignMove, Act]] = {
    "start": "start_firmware_campaign",
    "pause": "pause_firmware_campaign",
    "resume": "resume_firmware_campaign",
    "stop": "stop_firmware_campaign",
}


@dataclass(frozen=True, slots=True)
class FirmwareCampaignService:
    """The use cases of campaigns."""

    database: Database
    sources: SourcePreparer
    clock: Clock

    async def create(self, tenant_id: TenantId, new: NewCampaign) -> ShownCampaign:
        """Make a draft. Its charge points are those that the tenant has now.

        Raises:
            InvalidInput: it has no charge points, or too many, or names unknown ones; it ends in the past;
                location, certificate or signature break a rule.
            NotFound: there is no such file.
            TooManyRequests: too many campaigns are open.
        """
        now = self.clock.now()
        if new.ends_at <= now:
            raise InvalidInput([FieldViolation("/ends_at", "in_the_past", "is in the past")])
        prepared = await self.sources.prepare(tenant_id, new.source)
        async with self.database.tenant(tenant_id) as work:
            found = await _find_targets(work, new.targets)
            _require_targets(new, found)
            store = CampaignStore(work)
            if await store.open_count() >= OPEN_CAMPAIGNS_LIMIT:
                LIMITS_HIT.labels("firmware_campaigns").inc()
                raise TooManyRequests(
                    f"{OPEN_CAMPAIGNS_LIMIT} firmware campaigns are open already.", retry_after_s=60
                )
            campaign = FirmwareCampaign(
                id=uuid4(),
                name=new.name,
                state=CampaignState.DRAFT,
                reason=None,
                source=stored_source(prepared.source),
                plan=new.plan,
                sealed_location=prepared.sealed_location,
                wave_began={},
                created_at=now,
                created_by=new.created_by,
                started_at=None,
                ended_at=None,
                ends_at=new.ends_at,
                next_step_at=None,
            )
            await store.add(campaign, _waves(new, found))
            await self._audit(work, campaign, "create_firmware_campaign", new.created_by)
            return await _shown(store, campaign)

    async def get(self, tenant_id: TenantId, campaign_id: UUID) -> ShownCampaign:
        """Return a campaign.

        Raises:
            NotFound: there is no such campaign.
        """
        async with self.database.tenant(tenant_id) as work:
            store = CampaignStore(work)
            return await _shown(store, _found(await store.get(campaign_id)))

    async def page(
        self,
        tenant_id: TenantId,
        limit: int,
        after: tuple[datetime, UUID] | None,
        state: CampaignState | None,
    ) -> list[ShownCampaign]:
        """Return campaigns, the newest first. after: (created_at, id) of the last one that was seen."""
        async with self.database.tenant(tenant_id) as work:
            store = CampaignStore(work)
            campaigns = await store.page(limit, after, state)
            progress = await store.progress([campaign.id for campaign in campaigns])
        return [ShownCampaign(campaign, progress[campaign.id]) for campaign in campaigns]

    async def targets(
        self,
        tenant_id: TenantId,
        campaign_id: UUID,
        limit: int,
        after: str | None,
        state: TargetState | None,
    ) -> list[CampaignTarget]:
        """Return the charge points of a campaign in the order of their identity.

        Raises:
            NotFound: there is no such campaign.
        """
        async with self.database.tenant(tenant_id) as work:
            store = CampaignStore(work)
            _found(await store.get(campaign_id))
            return await store.targets(campaign_id, limit, after, state)

    async def move(
        self, tenant_id: TenantId, campaign_id: UUID, move: CampaignMove, actor: str
    ) -> ShownCampaign:
        """Start, pause, resume or stop a campaign.

        What was not sent is not sent after a pause or a stop. What was sent goes on, and is still followed.

        Raises:
            NotFound: there is no such campaign.
            Conflict: its state does not allow it, or its time is over.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store, jobs = CampaignStore(work), FirmwareJobStore(work)
            campaign = _found(await store.get(campaign_id, to_change=True))
            state = moved(campaign.state, move)
            if state is CampaignState.RUNNING and campaign.ends_at <= now:
                raise Conflict("The end of the campaign has passed.", "ends_at")
            changed = replace(campaign, state=state, next_step_at=now)
            if move == "start":
                changed = replace(changed, started_at=now)
            elif move == "pause":
                await jobs.cancel_pending(campaign_id, now, "campaign_paused")
            elif move == "stop":
                changed = replace(changed, ended_at=now, reason="operator")
                await jobs.cancel_pending(campaign_id, now, "campaign_stopped")
                await store.leave_out(campaign_id, now, "campaign_stopped")
            await store.save(changed)
            await self._audit(work, changed, _ACTS[move], actor)
            return await _shown(store, changed)

    async def _audit(self, work: TenantWork, campaign: FirmwareCampaign, act: Act, actor: str) -> None:
        subject = f"/v1/firmware-campaigns/{campaign.id}"
        details = {"name": campaign.name}
        entry = NewAuditEntry(work.tenant_id, self.clock.now(), actor, act, subject, "", details)
        await AuditStore(work).add(entry)


def _waves(new: NewCampaign, found: Sequence[ChargePointRecord]) -> dict[int, int]:
    """Return the number of the wave of each charge point. First those of `first`."""
    shares = new.plan["waves"]
    order = {identity: place for place, identity in enumerate(shares["first"])}
    ordered = sorted(found, key=lambda target: (order.get(target.identity, len(order)), target.identity))
    sizes = wave_sizes(len(ordered), shares["canary"], shares["percents"])
    numbers = [number for number, size in enumerate(sizes, 1) for _ in range(size)]
    return {target.id: number for target, number in zip(ordered, numbers, strict=True)}


async def _find_targets(work: TenantWork, wanted: ChargePointFilter) -> list[ChargePointRecord]:
    """Return the charge points that are selected, in the order of their identity."""
    if wanted.is_impossible:
        return []
    return await ChargePointStore(work).page(TARGETS_LIMIT + 1, None, wanted)


def _require_targets(new: NewCampaign, found: Sequence[ChargePointRecord]) -> None:
    if len(found) > TARGETS_LIMIT:
        LIMITS_HIT.labels("firmware_campaign_targets").inc()
        detail = f"a campaign has at most {TARGETS_LIMIT} charge points"
        raise InvalidInput([FieldViolation("/targets", "too_many", detail)])
    known = {target.identity for target in found}
    named = {"/targets/identities": new.targets.identities or (), "/waves/first": new.plan["waves"]["first"]}
    unknown = [
        FieldViolation(f"{pointer}/{place}", "unknown_charge_point", "is not selected by `targets`")
        for pointer, identities in named.items()
        for place, identity in enumerate(identities)
        if identity not in known
    ]
    if unknown:
        raise InvalidInput(unknown[:_NAMED_IN_ERRORS])
    if not found:
        raise InvalidInput([FieldViolation("/targets", "no_charge_points", "selects no charge point")])


def _found(campaign: FirmwareCampaign | None) -> FirmwareCampaign:
    if campaign is None:
        raise NotFound("There is no such firmware campaign.", "campaign_id")
    return campaign


async def _shown(store: CampaignStore, campaign: FirmwareCampaign) -> ShownCampaign:
    return ShownCampaign(campaign, (await store.progress([campaign.id]))[campaign.id])
