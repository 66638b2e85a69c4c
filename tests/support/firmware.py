"""A firmware update and a campaign in the database, for tests over all routes."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from app.database.unit_of_work import TenantWork
from app.firmware.records import CampaignState, FirmwareCampaign, FirmwareSource, LastFirmwareStatus
from app.firmware.rules.calls import new_job
from app.firmware.rules.campaign_plans import stored_source
from app.firmware.schemas.campaigns import CampaignPlanShown
from app.firmware.store.campaigns import CampaignStore
from app.firmware.store.jobs import FirmwareJobStore

_LOCATION = "https://files.example.com/firmware/vw22-3.2.0.bin"


class MadeFirmware(NamedTuple):
    """The ids of what was made."""

    firmware_update_id: UUID
    campaign_id: UUID


async def make_firmware(work: TenantWork, charge_point_id: int, identity: str, now: datetime) -> MadeFirmware:
    """Store an update that is not sent yet, a draft of a campaign, and the last status of a charge point."""
    source = FirmwareSource(location=_LOCATION, shown_location=_LOCATION)
    job = new_job(source, charge_point_id, identity, "key:test", now, timeout_s=86_400)
    jobs, campaigns = FirmwareJobStore(work), CampaignStore(work)
    await jobs.add([job])
    await jobs.put_status(charge_point_id, LastFirmwareStatus("Idle", False, None, now, 1, None))
    campaign = FirmwareCampaign(
        id=uuid4(),
        name="vw22 to 3.2.0",
        state=CampaignState.DRAFT,
        reason=None,
        source=stored_source(source),
        plan=CampaignPlanShown.example,
        sealed_location=None,
        wave_began={},
        created_at=now,
        created_by="key:test",
        started_at=None,
        ended_at=None,
        ends_at=now + timedelta(days=1),
        next_step_at=None,
    )
    await campaigns.add(campaign, {charge_point_id: 1})
    return MadeFirmware(job.id, campaign.id)
