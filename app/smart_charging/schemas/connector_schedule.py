"""Shapes of the composite schedule of a connector: the question as a query, and the answer."""

import re
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.commands.records import CommandState
from app.commands.routes import WAIT_MAXIMUM_S
from app.commands.schemas import Command
from app.smart_charging.expected_schedule import ScheduleOptions
from app.web.exact_json import has_hundredths
from app.web.inputs import DIGITS, QueryBoolean, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

LONGEST_S = 366 * 86_400
_NUMBER = re.compile(r"\d{1,10}(\.\d+)?", re.ASCII)


def _in_tenths(value: object) -> object:
    """Read a number from its text. The check needs the text: as a float, 21.4 is not a multiple of 0.1."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value) or has_hundredths(Decimal(value)):
            raise ValueError("is not a positive number with at most one decimal place")
        return float(value)
    return value


_Rate = Annotated[float, Field(ge=0, le=100_000_000), BeforeValidator(_in_tenths)] | SkipJsonSchema[None]


class ScheduleQuery(BaseModel):
    """How to compute the schedule. The names are those of GetCompositeSchedule and of the dry run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duration: Annotated[int, Field(ge=0, le=LONGEST_S), DIGITS, Field(description="Length in seconds.")] = (
        86_400
    )
    charging_rate_unit: Annotated[Literal["A", "W"], Field(alias="chargingRateUnit")] = "A"
    schedule_start: Annotated[
        Time | SkipJsonSchema[None], Field(alias="scheduleStart", description="Default: now.")
    ] = None
    assume_transaction: Annotated[
        QueryBoolean,
        Field(
            alias="assumeTransaction",
            description="If no transaction runs, assume one that begins at scheduleStart.",
        ),
    ] = True
    hardware_max_a: Annotated[
        _Rate, Field(alias="hardwareMaxA", description="Highest current that a connector can give, in A.")
    ] = None
    hardware_max_w: Annotated[
        _Rate, Field(alias="hardwareMaxW", description="Highest power that a connector can give, in W.")
    ] = None
    nominal_voltage: Annotated[
        int,
        Field(ge=1, le=1000),
        DIGITS,
        Field(alias="nominalVoltage", description="Volts between line and neutral."),
    ] = 230
    current_type: Annotated[Literal["AC", "DC"], Field(alias="currentType")] = "AC"
    strict_tx_override: Annotated[QueryBoolean, Field(alias="strictTxOverride")] = False
    recurring_before_anchor: Annotated[QueryBoolean, Field(alias="recurringBeforeAnchor")] = False

    def options(self) -> ScheduleOptions:
        """Return how to compute the schedule."""
        rates: tuple[tuple[Literal["A", "W"], float | None], ...] = (
            ("A", self.hardware_max_a),
            ("W", self.hardware_max_w),
        )
        return ScheduleOptions(
            self.duration,
            self.charging_rate_unit,
            self.assume_transaction,
            tuple((unit, rate) for unit, rate in rates if rate is not None),
            self.nominal_voltage,
            self.current_type,
            self.strict_tx_override,
            self.recurring_before_anchor,
        )


class CompareQuery(ScheduleQuery):
    """How to compute the schedule, and whether to ask the charge point too."""

    ask: Annotated[
        QueryBoolean,
        Field(
            description="Also ask the charge point (GetCompositeSchedule), in a unit that it takes. "
            "Needs the scope `command`."
        ),
    ] = False
    wait: Annotated[
        int, Field(ge=1, le=WAIT_MAXIMUM_S), DIGITS, Field(description="Seconds to wait for its answer.")
    ] = 10


class ReportedSchedule(Resource):
    """The charge point's own schedule (GetCompositeSchedule, OCPP 1.6 5.7), or why there is none."""

    command_id: UUID
    state: CommandState = Field(description="State of the command, such as `timed_out` or `offline`.")
    status: str | None = Field(description="`Accepted` or `Rejected`; null: no answer.")
    schedule: Json | None = Field(description="The chargingSchedule as the charge point sent it.")

    example: ClassVar[Json] = {
        "command_id": Command.example["id"],
        "state": "accepted",
        "status": "Accepted",
        "schedule": {
            "duration": 3600,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
        },
    }


class ScheduleDeparture(Resource):
    """An interval in which the two schedules differ. A limit is null where there is none."""

    start: Instant
    end: Instant
    ours: float | None
    reported: float | None
    difference: float | None = Field(description="`reported` minus `ours`; null if one of them is null.")

    example: ClassVar[Json] = {
        "start": EXAMPLE_TIME,
        "end": "2026-05-04T09:15:30.000Z",
        "ours": 8.0,
        "reported": 16.0,
        "difference": 8.0,
    }


class ScheduleDrift(Resource):
    """The intervals in which the charge point's schedule differs from ours, in the unit of its schedule."""

    agrees: bool
    charging_rate_unit: Literal["A", "W"]
    departures: list[ScheduleDeparture]

    example: ClassVar[Json] = {
        "agrees": False,
        "charging_rate_unit": "A",
        "departures": [ScheduleDeparture.example],
    }


class ConnectorSchedule(Resource):
    """The limits of a connector over time by the ledger, and by the charge point itself."""

    charge_point: str
    connector_id: int
    certain: bool = Field(
        description="False: the answer to a profile is missing, so the highest possible limits are shown."
    )
    ours: Json = Field(
        description="scheduleStart, duration, chargingRateUnit, chargingSchedulePeriod. Each period has the "
        "source of its limit and the profiles that it beats; a limit is null where nothing limits."
    )
    reported: ReportedSchedule | None = Field(description="null: the charge point was not asked.")
    drift: ScheduleDrift | None = Field(
        description="null: the two cannot be compared. The answer is missing, or has an unknown unit or no "
        "duration, or one is in amperes and the other in watts of direct current."
    )

    example: ClassVar[Json] = {
        "charge_point": "RDAM-0123",
        "connector_id": 1,
        "certain": True,
        "ours": {
            "scheduleStart": "2026-05-04T08:15:30Z",
            "duration": 3600,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {
                    "startPeriod": 0,
                    "limit": 8.0,
                    "source": {
                        "kind": "profile",
                        "chargingProfileId": 1,
                        "chargingProfilePurpose": "TxDefaultProfile",
                        "stackLevel": 0,
                        "connectorId": 1,
                    },
                    "beaten": [],
                }
            ],
        },
        "reported": ReportedSchedule.example,
        "drift": ScheduleDrift.example,
    }
