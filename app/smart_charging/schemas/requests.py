"""What smart charging takes: one model for each JSON body."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from app.smart_charging.calendar import Day, is_time_zone
from app.web.exact_json import has_hundredths
from app.web.inputs import (
    ID_TAG_PATTERN,
    INTEGER_MAXIMUM,
    LINE_PATTERN,
    Input,
)

LIMIT_MAXIMUM_AW = 100_000_000
"""Amperes or watts: more than any site has, and exact in tenths."""


TIME_OF_DAY_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


END_OF_DAY_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


def _in_tenths(value: object) -> object:
    """A body that is read exactly holds decimals: 21.4 is no multiple of 0.1 in binary."""
    if not isinstance(value, Decimal):
        return value
    if value.is_finite() and has_hundredths(value):
        raise ValueError("has more than one decimal (OCPP 1.6 7.14)")
    # Not -0.0, which no device needs to meet.
    return float(value) or 0.0


Tenths = Annotated[float, Field(ge=0, le=LIMIT_MAXIMUM_AW, allow_inf_nan=False), BeforeValidator(_in_tenths)]


NumberPhases = Annotated[int, Field(ge=1, le=3, description="null: as in OCPP, 3 phases.")] | None


ConnectorNumber = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)]


ChargingProfileNumber = Annotated[int, Field(ge=1, le=INTEGER_MAXIMUM)]


class CalendarRuleInput(Input):
    """A limit from one time of day to another. When `to` is not after `from`, it ends the next morning."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    from_: Annotated[str, Field(alias="from", pattern=TIME_OF_DAY_PATTERN, description="HH:MM, inclusive.")]
    to: Annotated[str, Field(pattern=END_OF_DAY_PATTERN, description="HH:MM, exclusive; 24:00 is midnight.")]
    limit: Annotated[Tenths, Field(description="In the calendar's unit, with one decimal at most.")]
    number_phases: NumberPhases = None

    @model_validator(mode="after")
    def _ends_another_time(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("`to` is the same time as `from`; a whole day is 00:00 to 24:00")
        return self


class CalendarInput(Input):
    """Limits by the clocks of a time zone. The first rule that holds counts."""

    charging_profile_purpose: Literal["TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"] = (
        "TxDefaultProfile"
    )
    stack_level: Annotated[
        int, Field(ge=0, le=1000, description="Of the first profile; those for further gaps lie above it.")
    ] = 0
    time_zone: Annotated[str, Field(min_length=1, max_length=64, description="IANA name.")]
    unit: Annotated[Literal["A", "W"], Field(description="A: per phase; W: of all phases together.")]
    rules: Annotated[list[CalendarRuleInput], Field(max_length=50)]
    otherwise: Annotated[Tenths | None, Field(description="Outside the rules; null: no limit from here.")] = (
        None
    )
    number_phases: Annotated[NumberPhases, Field(description="Of `otherwise`.")] = None

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
            description="OCPP 1.6 7.8 with its wire names. chargingProfileId is the resource's `id`, and "
            "transactionId is that of the running transaction: leave both out."
        ),
    ] = None
    calendar: CalendarInput | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.charging_profile is None) is (self.calendar is None):
            raise ValueError("give either `charging_profile` or `calendar`")
        return self


class ConversionInput(Input):
    """Leave to change amperes to watts or back, when the charge point takes the other unit only (7.12)."""

    nominal_voltage: Annotated[int, Field(ge=50, le=1000, description="Volts from line to neutral.")] = 230
    supply: Annotated[
        Literal["AC", "DC"], Field(description="Limits of direct current cannot be converted.")
    ] = "AC"


class ProfileInstallationCreate(Input):
    """A stored profile for a connector."""

    charging_profile_id: ChargingProfileNumber
    conversion: Annotated[ConversionInput | None, Field(description="null: never change the unit.")] = None


class RemoteStartCreate(Input):
    """A start from afar under the limits of a stored profile."""

    id_tag: Annotated[str, Field(pattern=ID_TAG_PATTERN)]
    connector_id: Annotated[
        Annotated[int, Field(ge=1, le=INTEGER_MAXIMUM)] | None, Field(description="null: any connector.")
    ] = None
    charging_profile_id: ChargingProfileNumber
    conversion: ConversionInput | None = None
