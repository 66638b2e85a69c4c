"""Values about firmware updates: jobs, statuses, campaigns, targets. A field has the name of its column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple
from uuid import UUID

from app.charge_points.records import ChargePointFilter
from app.types import Json

StatusNote = Literal["repeated", "out_of_order", "after_end", "late"]


class FirmwareJobState(StrEnum):
    """The state of a firmware job."""

    PENDING = "pending"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    INSTALLED = "installed"
    INSTALLED_SEEN_BY_BOOT = "installed_seen_by_boot"
    FAILED = "failed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REPLACED = "replaced"


OPEN_JOB_STATES: Final = (
    FirmwareJobState.PENDING,
    FirmwareJobState.REQUESTED,
    FirmwareJobState.ACCEPTED,
    FirmwareJobState.IN_PROGRESS,
)
"""The states that are not final."""

SENT_JOB_STATES: Final = OPEN_JOB_STATES[1:]
"""The states of a job that the charge point may be working on."""


@dataclass(frozen=True, slots=True)
class SigningFacts:
    """The facts with which a charge point checks signed firmware (security whitepaper L01)."""

    signing_certificate: str
    signature: str
    install_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class FirmwareSource:
    """Firmware, and how a charge point fetches it.

    Attributes:
        location: where it is, perhaps with a password; None: `file_id` names it.
        shown_location: the same without a password.
        signing: None: the charge point checks no signature.
        signature_note: what an operator should know of the signature.
    """

    location: str | None = field(default=None, repr=False)
    shown_location: str | None = None
    file_id: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    signing: SigningFacts | None = None
    signature_note: str | None = None
    target_version: str | None = None


@dataclass(frozen=True, slots=True)
class FirmwareJob:
    """One update of the firmware of one charge point.

    Attributes:
        request_id: of SignedUpdateFirmware; None: the firmware is not signed.
        location: without a password; None: `file_id` names the file.
        sealed_location: with its password, encrypted; None: it is not known, or no job needs it.
        statuses: as reported: `status`, `at`, `repeats`, `last_at`, `note`.
        issued_at: when the command was handed out.
        deadline_at: the job times out then.
        send_until: it is not sent later; None: until its deadline.
        review_at: when the sweep looks at it; None: never again.
        attempt: number of the command; a command that was certainly not sent gets a successor.
        command_state, command_status: of its command; only if it is read by itself or in a list.
    """

    id: UUID
    charge_point_id: int
    identity: str
    state: FirmwareJobState
    created_at: datetime
    created_by: str
    retrieve_date: datetime
    timeout_s: int
    deadline_at: datetime
    request_id: int | None = None
    location: str | None = None
    sealed_location: bytes | None = field(default=None, repr=False)
    file_id: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    signing_certificate: str | None = None
    signature: str | None = None
    install_date: datetime | None = None
    signature_note: str | None = None
    target_version: str | None = None
    reason: str | None = None
    detail: str | None = None
    command_id: UUID | None = None
    attempt: int = 1
    retry_of: UUID | None = None
    campaign_id: UUID | None = None
    status: str | None = None
    status_at: datetime | None = None
    statuses: tuple[Json, ...] | list[Json] = ()
    firmware_version_before: str | None = None
    firmware_version_after: str | None = None
    issued_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    send_until: datetime | None = None
    review_at: datetime | None = None
    command_state: str | None = None
    command_status: str | None = None

    @property
    def is_signed(self) -> bool:
        """Tell whether the firmware is signed."""
        return self.request_id is not None

    @property
    def is_open(self) -> bool:
        """Tell whether the job has not ended."""
        return self.state in OPEN_JOB_STATES


class ReviewedJob(NamedTuple):
    """A job to review, with its tenant and what its charge point reported at its last boot."""

    tenant_id: int
    job: FirmwareJob
    firmware_version: str | None
    booted_at: datetime | None


@dataclass(frozen=True, slots=True)
class FirmwareReport:
    """A FirmwareStatusNotification, or a SignedFirmwareStatusNotification. at: its arrival."""

    status: str
    at: datetime
    epoch: int
    is_signed: bool = False
    request_id: int | None = None


@dataclass(frozen=True, slots=True)
class LastFirmwareStatus:
    """The status of its firmware that a charge point has last reported. job_id: None: no job asked for it."""

    status: str
    is_signed: bool
    request_id: int | None
    received_at: datetime
    epoch: int
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class FirmwareJobFilter:
    """Narrows a list of jobs."""

    identity: str | None = None
    state: FirmwareJobState | None = None
    campaign_id: UUID | None = None


class CampaignState(StrEnum):
    """The state of a campaign."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"


class TargetState(StrEnum):
    """The state of a charge point in a campaign."""

    WAITING = "waiting"
    UPDATING = "updating"
    UPDATED = "updated"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """Times of each week, in local time. days: 0 is Monday; end_s: above 86400 it is on the next morning."""

    time_zone: str
    days: frozenset[int]
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """How a campaign proceeds.

    Attributes:
        canary: charge points of the first wave; 0: there is no such wave.
        percents: shares of the others, one for each wave; they add up to 100.
        failure_count, failure_percent: failures of a wave that stop the campaign; None: no limit.
        job_timeout_s: of each update.
        wave_wait_s: how long a wave waits for charge points that are not connected.
        concurrency: updates at the same time.
        ends_at: nothing is begun afterwards.
    """

    canary: int
    percents: tuple[int, ...]
    failure_count: int | None
    failure_percent: int | None
    window: MaintenanceWindow | None
    job_timeout_s: int
    wave_wait_s: int
    concurrency: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class FirmwareCampaign:
    """A campaign as it is stored. source and plan: JSON in the form of `rules.campaign_plans`."""

    id: UUID
    name: str
    state: CampaignState
    reason: str | None
    source: Json
    plan: Json
    sealed_location: bytes | None = field(repr=False)
    wave_began: Json
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    ends_at: datetime
    next_step_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignTarget:
    """A charge point in a campaign, with its newest job."""

    charge_point_id: int
    identity: str
    wave: int
    state: TargetState
    reason: str | None
    job_id: UUID | None
    ended_at: datetime | None
    firmware_version: str | None
    job_state: FirmwareJobState | None = None
    job_reason: str | None = None
    is_busy: bool = False


class WaveProgress(NamedTuple):
    """How many charge points of a wave are in each state."""

    number: int
    waiting: int = 0
    updating: int = 0
    updated: int = 0
    failed: int = 0
    skipped: int = 0
    left_out: int = 0

    @property
    def size(self) -> int:
        """The charge points of the wave."""
        return sum(self[1:])


class NewCampaign(NamedTuple):
    """A campaign to make. plan: with the names of the API; ends_at: nothing is begun afterwards."""

    name: str
    source: FirmwareSource
    targets: ChargePointFilter
    plan: Json
    ends_at: datetime
    created_by: str


class ShownCampaign(NamedTuple):
    """A campaign, and its waves with their targets by state."""

    campaign: FirmwareCampaign
    waves: Sequence[WaveProgress]
