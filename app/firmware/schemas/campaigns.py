"""Shapes of REST requests and answers about firmware campaigns."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from app.charge_points.records import ChargePointFilter
from app.charge_points.schemas import ChargePointSelector
from app.clock import is_time_zone
from app.errors import FieldViolation, InvalidInput
from app.firmware.records import (
    CampaignState,
    FirmwareJobState,
    NewCampaign,
    ShownCampaign,
    TargetState,
)
from app.firmware.rules.campaigns import require_percents
from app.firmware.rules.windows import require_length
from app.firmware.schemas.updates import FirmwareInput
from app.smart_charging.calendar import Day
from app.web.inputs import Identity, Input, Name, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import END_OF_DAY_PATTERN, TIME_OF_DAY_PATTERN

_DEFAULT_LIFE = timedelta(days=30)
_LONGEST_LIFE = timedelta(days=366)
_URL = "https://files.example.com/firmware/vw22-3.2.0.bin"
_CAMPAIGN = "7d3c6c0e-1d2f-4a57-9c43-0d9c4f2b7c11"
_EXAMPLE_PLAN: Json = {
    "waves": {"canary": 5, "first": ["RDAM-0123"], "percents": [20, 80]},
    "stop_on_failures": {"count": None, "percent": 10},
    "window": {"time_zone": "Europe/Brussels", "days": ["Tue", "Wed", "Thu"], "from": "01:00", "to": "05:00"},
    "job_timeout_s": 21600,
    "wave_wait_s": 86400,
    "concurrency": 50,
}


class CampaignWaves(Input):
    """The shares of a campaign. A wave begins when the one before has ended."""

    canary: Annotated[int, Field(ge=0, le=10_000, description="Charge points of a first small wave.")] = 0
    first: Annotated[
        list[Identity],
        Field(
            default_factory=list,
            max_length=2000,
            description="Those of the charge points that are updated first, in this order.",
        ),
    ]
    percents: Annotated[
        list[Annotated[int, Field(ge=1, le=100)]],
        Field(
            default_factory=lambda: [100],
            min_length=1,
            max_length=20,
            description="Shares of the others. They add up to 100. Default: one wave.",
        ),
    ]


class CampaignFailureLimit(Input):
    """How many failures within a wave stop a campaign."""

    count: Annotated[int | None, Field(ge=1, le=100_000)] = None
    percent: Annotated[int | None, Field(ge=1, le=100)] = None


class MaintenanceWindowInput(Input):
    """When updates may be sent, in local time. When `to` is before `from`, it ends the next morning."""

    model_config = ConfigDict(serialize_by_alias=True)

    time_zone: Annotated[str, Field(min_length=1, max_length=64, description="IANA name of the time zone.")]
    days: Annotated[list[Day], Field(min_length=1, max_length=7, description="On which it opens.")]
    from_: Annotated[
        str, Field(alias="from", pattern=TIME_OF_DAY_PATTERN, description="First minute, as HH:MM.")
    ]
    to: Annotated[
        str, Field(pattern=END_OF_DAY_PATTERN, description="End as HH:MM, exclusive; 24:00 is midnight.")
    ]

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        if not is_time_zone(name):
            raise ValueError("is not a known IANA time zone, such as Europe/Brussels")
        return name


class FirmwareCampaignCreate(FirmwareInput):
    """A campaign: one firmware for many charge points, in waves."""

    name: Name
    targets: Annotated[
        ChargePointSelector,
        Field(
            description="The charge points, as they are when the campaign is made. At least one member must "
            "be given."
        ),
    ]
    waves: CampaignWaves = Field(default_factory=lambda: CampaignWaves(first=[], percents=[100]))
    stop_on_failures: Annotated[
        CampaignFailureLimit, Field(description="Whichever limit is reached first. Default: 10 percent.")
    ] = CampaignFailureLimit(percent=10)
    window: Annotated[MaintenanceWindowInput | None, Field(description="null: at any time.")] = None
    job_timeout_s: Annotated[
        int, Field(ge=60, le=2_592_000, description="Seconds without a new status after which one times out.")
    ] = 21_600
    wave_wait_s: Annotated[
        int,
        Field(
            ge=0,
            le=31_536_000,
            description="Seconds after which charge points that are not connected do not hold up the next "
            "wave, if one of this wave was updated. They are updated when they come.",
        ),
    ] = 86_400
    concurrency: Annotated[int, Field(ge=1, le=500, description="Updates at the same time.")] = 50
    ends_at: Annotated[
        Time | None, Field(description="Nothing is begun afterwards. null: in 30 days; at most a year ahead.")
    ] = None

    example: ClassVar[Json] = {
        "name": "vw22 to 3.2.0",
        "location": _URL,
        "target_version": "3.2.0",
        "targets": {"vendor": "VendorOne", "model": "VW22"},
        "waves": {"canary": 5, "percents": [20, 80]},
        "stop_on_failures": {"percent": 10},
        "window": _EXAMPLE_PLAN["window"],
    }

    def campaign(self, created_by: str, now: datetime) -> NewCampaign:
        """Return the campaign to make.

        Raises:
            InvalidInput: shares, window, targets or end break a rule.
        """
        require_percents(self.waves.percents, "/waves/percents")
        if self.window is not None:
            require_length(self.window.from_, self.window.to, "/window/to")
        ends_at = self.ends_at or now + _DEFAULT_LIFE
        if ends_at > now + _LONGEST_LIFE:
            raise InvalidInput([FieldViolation("/ends_at", "too_late", "is more than a year ahead")])
        plan: dict[str, Any] = {
            "waves": self.waves.model_dump(),
            "stop_on_failures": self.stop_on_failures.model_dump(),
            "window": None if self.window is None else self.window.model_dump(by_alias=True),
            "job_timeout_s": self.job_timeout_s,
            "wave_wait_s": self.wave_wait_s,
            "concurrency": self.concurrency,
        }
        return NewCampaign(self.name, self.source(), self._targets(), plan, ends_at, created_by)

    def _targets(self) -> ChargePointFilter:
        found = self.targets.filters()
        if found == ChargePointFilter():
            # All charge points are seldom meant, and firmware cannot be taken back.
            raise InvalidInput([FieldViolation("/targets", "no_charge_points", "names no charge point")])
        return found


class CampaignWave(Resource):
    """A wave, and how many of its charge points are in each state."""

    number: int
    size: int
    waiting: int
    updating: int
    updated: int
    failed: int
    skipped: int
    left_out: int

    example: ClassVar[Json] = {
        "number": 1,
        "size": 5,
        "waiting": 1,
        "updating": 2,
        "updated": 2,
        "failed": 0,
        "skipped": 0,
        "left_out": 0,
    }


class CampaignPlanShown(Resource):
    """How a campaign proceeds."""

    waves: CampaignWaves
    stop_on_failures: CampaignFailureLimit
    window: MaintenanceWindowInput | None
    job_timeout_s: int
    wave_wait_s: int
    concurrency: int

    example: ClassVar[Json] = _EXAMPLE_PLAN


class FirmwareCampaignShown(Resource):
    """A campaign: one firmware for many charge points, in waves."""

    id: UUID
    name: str
    state: CampaignState
    reason: str | None = Field(
        description="Why it ended: complete, end_reached, failure_limit, operator. null: it has not ended."
    )
    location: str | None = Field(description="Without a password. null: a stored file.")
    file_id: str | None
    is_signed: bool
    signature_note: str | None = Field(description="What you should know of the signature.")
    target_version: str | None
    plan: CampaignPlanShown
    waves: list[CampaignWave] = Field(description="Only those that have charge points.")
    created_at: Instant
    created_by: str
    started_at: Instant | None
    ended_at: Instant | None
    ends_at: Instant

    example: ClassVar[Json] = {
        "id": _CAMPAIGN,
        "name": "vw22 to 3.2.0",
        "state": "running",
        "reason": None,
        "location": _URL,
        "file_id": None,
        "is_signed": False,
        "signature_note": None,
        "target_version": "3.2.0",
        "plan": _EXAMPLE_PLAN,
        "waves": [CampaignWave.example],
        "created_at": EXAMPLE_TIME,
        "created_by": "key:3f9c2a7d41be",
        "started_at": EXAMPLE_TIME,
        "ended_at": None,
        "ends_at": "2026-06-03T08:15:30.000Z",
    }


class CampaignTargetShown(Resource):
    """A charge point in a campaign."""

    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    wave: int
    state: TargetState = Field(
        description="waiting and updating are not final. skipped: it runs the version already. left_out: the "
        "campaign ended before its turn."
    )
    reason: str | None
    firmware_version: str | None = Field(description="As it last booted.")
    firmware_update: UUID | None = Field(validation_alias="job_id", description="Its newest update.")
    firmware_update_state: FirmwareJobState | None = Field(validation_alias="job_state")
    ended_at: Instant | None

    example: ClassVar[Json] = {
        "charge_point": "RDAM-0123",
        "wave": 1,
        "state": "updated",
        "reason": None,
        "firmware_version": "3.2.0",
        "firmware_update": "0b9c6c0e-1d2f-4a57-9c43-0d9c4f2b7c11",
        "firmware_update_state": "installed",
        "ended_at": EXAMPLE_TIME,
    }


def shown_campaign(found: ShownCampaign) -> FirmwareCampaignShown:
    """Return the resource of a campaign."""
    campaign, source = found.campaign, found.campaign.source
    return FirmwareCampaignShown(
        id=campaign.id,
        name=campaign.name,
        state=campaign.state,
        reason=campaign.reason,
        location=source["location"],
        file_id=source["file_id"],
        is_signed=source["signing_certificate"] is not None,
        signature_note=source["signature_note"],
        target_version=source["target_version"],
        plan=CampaignPlanShown.model_validate(campaign.plan),
        waves=[CampaignWave.model_validate(wave) for wave in found.waves],
        created_at=campaign.created_at,
        created_by=campaign.created_by,
        started_at=campaign.started_at,
        ended_at=campaign.ended_at,
        ends_at=campaign.ends_at,
    )
