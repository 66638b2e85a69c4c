"""Reads what runs on many charge points or for a long time, for the screens of jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from app.bulk_commands.records import Bulk
from app.bulk_commands.rules import state_of
from app.bulk_commands.service import BulkCommandService
from app.commands.rules import OPEN_COMMAND_STATES
from app.diagnostics.records import DiagnosticsJob, JobFilter
from app.diagnostics.service import DiagnosticsService
from app.files.records import FileFilter, StoredFile
from app.files.service import FileService
from app.firmware.records import FirmwareJob, FirmwareJobFilter, ShownCampaign
from app.firmware.service.campaigns import FirmwareCampaignService
from app.firmware.service.updates import FirmwareUpdateService
from app.types import TenantId
from app.web.paths import location

_FILES: Final = 50
"""Files that a form offers."""
JobKind = Literal["campaigns", "firmware-updates", "diagnostics", "bulk-commands"]


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job in a list.

    address: of its page, below that of jobs; title: what it is for; done, total: of its charge points; total
    1: it has one; failed: of them; ended: nothing more happens.
    """

    id: UUID
    created_at: datetime
    address: str
    title: str
    about: str
    state: str
    note: str
    created_by: str
    done: int
    failed: int
    total: int
    ended: bool

    @property
    def kind(self) -> str:
        """The colour of its state."""
        if not self.ended:
            return "warn"
        good = self.state in ("installed", "installed_seen_by_boot", "uploaded", "finished", "ended")
        return "good" if good and not self.failed else "absent" if self.state == "cancelled" else "bad"


@dataclass(frozen=True, slots=True)
class JobScreen:
    """Reads, starts and repeats jobs, through the services that REST uses."""

    updates: FirmwareUpdateService
    campaigns: FirmwareCampaignService
    diagnostics: DiagnosticsService
    bulks: BulkCommandService
    files: FileService

    async def page(
        self, tenant_id: TenantId, kind: JobKind, limit: int, after: tuple[datetime, UUID] | None
    ) -> Sequence[ShownJob]:
        """Return jobs, the newest first. after: (created_at, id) of the last one that was seen."""
        match kind:
            case "campaigns":
                found = await self.campaigns.page(tenant_id, limit, after, None)
                return [shown_campaign(one) for one in found]
            case "firmware-updates":
                updates = await self.updates.page(tenant_id, limit, after, FirmwareJobFilter())
                return [shown_update(one) for one in updates]
            case "diagnostics":
                uploads = await self.diagnostics.page(tenant_id, limit, after, JobFilter())
                return [shown_upload(one) for one in uploads]
            case "bulk-commands":
                return [shown_bulk(one) for one in await self.bulks.page(tenant_id, limit, after)]

    async def firmware_files(self, tenant_id: TenantId) -> Sequence[StoredFile]:
        """Return the newest files of operators, which may be firmware."""
        return await self.files.page(tenant_id, _FILES, None, FileFilter(origin="tenant"))


def shown_campaign(found: ShownCampaign) -> ShownJob:
    """Return a campaign as a list shows it."""
    campaign, waves = found
    ended = sum(wave.size - wave.waiting - wave.updating for wave in waves)
    return ShownJob(
        id=campaign.id,
        created_at=campaign.created_at,
        address=f"campaigns/{campaign.id}",
        title=campaign.name,
        about=f"{len(waves)} waves",
        state=campaign.state,
        note=_words(campaign.reason),
        created_by=campaign.created_by,
        done=ended,
        failed=sum(wave.failed for wave in waves),
        total=sum(wave.size for wave in waves),
        ended=campaign.ended_at is not None,
    )


def shown_update(job: FirmwareJob) -> ShownJob:
    """Return a firmware update as a list shows it."""
    return ShownJob(
        id=job.id,
        created_at=job.created_at,
        address=location("firmware-updates", job.identity, str(job.id)),
        title=job.identity,
        about=job.target_version or job.location or "a stored file",
        state=job.state,
        note=_words(job.reason) or (job.status or ""),
        created_by=job.created_by,
        done=int(not job.is_open),
        failed=int(job.state in ("failed", "refused", "timed_out")),
        total=1,
        ended=not job.is_open,
    )


def shown_upload(job: DiagnosticsJob) -> ShownJob:
    """Return an upload of diagnostics or of a log as a list shows it."""
    return ShownJob(
        id=job.id,
        created_at=job.created_at,
        address=f"diagnostics/{job.id}",
        title=job.identity,
        about=_words(job.kind),
        state=job.state,
        note=job.file_name or job.reported_status or "",
        created_by=job.requested_by,
        done=int(job.ended_at is not None),
        failed=int(job.ended_at is not None and job.state != "uploaded"),
        total=1,
        ended=job.ended_at is not None,
    )


def shown_bulk(bulk: Bulk) -> ShownJob:
    """Return a bulk of commands as a list shows it."""
    record, counts = bulk.record, bulk.counts
    ended = sum(count for state, count in counts.items() if state not in OPEN_COMMAND_STATES)
    return ShownJob(
        id=record.id,
        created_at=record.created_at,
        address=f"bulk-commands/{record.id}",
        title=record.action,
        about=f"{record.total} charge points",
        state=state_of(bulk),
        note=", ".join(f"{count} {_words(state)}" for state, count in counts.items() if count),
        created_by=record.issued_by,
        done=ended,
        failed=ended - counts.get("accepted", 0),
        total=record.total,
        ended=record.ended_at is not None or record.cancelled_at is not None,
    )


def _words(code: str | None) -> str:
    return "" if code is None else code.replace("_", " ")
