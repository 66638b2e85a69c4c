"""Shapes of stored charging profiles, in requests and answers."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app.clock import is_time_zone
from app.smart_charging.calendar import Day
from app.web.exact_json import has_hundredths
from app.web.inputs import Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import END_OF_DAY_PATTERN, LINE_PATTERN, TIME_OF_DAY_PATTERN

LIMIT_MAXIMUM_AW = 100_000_000
"""Amperes or watts: more than any site has, and still exact in tenths."""


def _in_tenths(value: object) -> object:
    """Check that a decimal has at most one decimal place, and return it as a float.

    The check needs the decimal: as a float, 21.4 is not a multiple of 0.1.
    """
    if not isinstance(value, Decimal):
        return value
    if value.is_finite() and has_hundredths(value):
        raise ValueError("has more than one decimal place (OCPP 1.6 7.14)")
    # Not -0.0, because a device may not expect it.
    return float(value) or 0.0


Tenths = Annotated[float, Field(ge=0, le=LIMIT_MAXIMUM_AW, allow_inf_nan=False), BeforeValidator(_in_tenths)]

NumberPhases = Annotated[int, Field(ge=1, le=3, description="Number of phases. null: 3, as in OCPP.")] | None


class CalendarRuleInput(Input):
    """A limit from one time of day to another. When `to` is not after `from`, it ends the next morning."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    from_: Annotated[
        str, Field(alias="from", pattern=TIME_OF_DAY_PATTERN, description="First minute, as HH:MM.")
    ]
    to: Annotated[
        str, Field(pattern=END_OF_DAY_PATTERN, description="End as HH:MM, exclusive; 24:00 is midnight.")
    ]
    limit: Annotated[
        Tenths, Field(description="Limit in the calendar's unit, with at most one decimal place.")
    ]
    number_phases: NumberPhases = None

    @model_validator(mode="after")
    def _ends_another_time(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("`to` is the same time as `from`; a whole day is 00:00 to 24:00")
        return self


class CalendarInput(Input):
    """Limits in the local time of a time zone. The first rule that holds counts."""

    charging_profile_purpose: Literal["TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"] = (
        "TxDefaultProfile"
    )
    stack_level: Annotated[
        int,
        Field(ge=0, le=1000, description="Stack level of the first OCPP profile; the others follow upward."),
    ] = 0
    time_zone: Annotated[str, Field(min_length=1, max_length=64, description="IANA name of the time zone.")]
    unit: Annotated[Literal["A", "W"], Field(description="A: on each phase. W: of all phases together.")]
    rules: Annotated[list[CalendarRuleInput], Field(max_length=50)]
    otherwise: Annotated[
        Tenths | None, Field(description="Limit when no rule holds. null: the calendar sets no limit then.")
    ] = None
    number_phases: Annotated[NumberPhases, Field(description="Number of phases for `otherwise`.")] = None

    example: ClassVar[Json] = {
        "charging_profile_purpose": "TxDefaultProfile",
        "stack_level": 0,
        "time_zone": "Europe/Brussels",
        "unit": "A",
        "rules": [
            {
                "days": ["Mon", "Tue", "Wed", "Thu", "Fri"],
                "from": "17:00",
                "to": "20:00",
                "limit": 8.0,
                "number_phases": None,
            }
        ],
        "otherwise": 32.0,
        "number_phases": None,
    }

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        if not is_time_zone(name):
            raise ValueError("is not a known IANA time zone, such as Europe/Brussels")
        return name


class ChargingProfileWrite(Input):
    """A charging profile to store, in one of two forms."""

    description: Annotated[str, Field(min_length=1, max_length=200, pattern=LINE_PATTERN)]
    charging_profile: Annotated[
        dict[str, Any] | None,
        Field(
            description="OCPP 1.6 7.8 with the names of OCPP. Leave out chargingProfileId, which is the "
            "resource's `id`, and transactionId, which is that of the running transaction."
        ),
    ] = None
    calendar: Annotated[CalendarInput | None, Field(validate_default=True)] = None

    example: ClassVar[Json] = {"description": "Less in the evening peak", "calendar": CalendarInput.example}

    @field_validator("calendar")
    @classmethod
    def _has_one_form(cls, calendar: CalendarInput | None, info: ValidationInfo) -> CalendarInput | None:
        """Check this at a field, because the checks of a model are left out if another field is wrong."""
        if "charging_profile" not in info.data:
            return calendar
        if info.data["charging_profile"] is None and calendar is None:
            raise PydanticCustomError("missing_form", "is required if there is no `charging_profile`")
        if info.data["charging_profile"] is not None and calendar is not None:
            raise PydanticCustomError("two_forms", "give either `charging_profile` or `calendar`")
        return calendar


EXAMPLE_PROFILE: Json = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "chargingSchedule": {
        "duration": 86400,
        "startSchedule": "2026-05-03T15:00:00.000Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}, {"startPeriod": 10800, "limit": 32.0}],
    },
}
"""The OCPP profile for the evening of the calendar in the example."""


class ChargingProfile(Resource):
    """A stored charging profile. Its `id` is its chargingProfileId, and is never used again."""

    id: int
    description: str
    charging_profile: Json | None = Field(
        description="The OCPP profile as it was stored; null for a calendar."
    )
    calendar: Json | None = Field(description="The calendar as it was stored; null for an OCPP profile.")
    profiles: list[Json] = Field(
        description="What is installed now: OCPP profiles. A calendar is compiled with the present offset of "
        "its zone; each of its profiles has its own id and stack level."
    )
    next_clock_change: Instant | None = Field(description="When the server installs the calendar again.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id": 1,
        "description": "Less in the evening peak",
        "charging_profile": None,
        "calendar": CalendarInput.example,
        "profiles": [EXAMPLE_PROFILE],
        "next_clock_change": "2026-10-25T01:00:00.000Z",
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


CHARGING_PROFILE_LIVE_FIELDS = frozenset({"profiles", "next_clock_change"})
"""Fields that change as time passes. If-Match does not compare them."""


class ProfileInstallation(Resource):
    """A charge point that has, or may have, a stored profile."""

    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    transaction_id: int | None = Field(description="The transaction of a TxProfile.")
    requested_at: Instant
    refresh_at: Instant | None = Field(
        description="When the installation is checked again; null: only when the profile changes."
    )

    example: ClassVar[Json] = {
        "charge_point": "RDAM-0123",
        "connector_id": 1,
        "transaction_id": None,
        "requested_at": EXAMPLE_TIME,
        "refresh_at": "2026-10-25T01:00:00.000Z",
    }
