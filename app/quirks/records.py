"""Values about quirks: profiles with patterns, the habits that they state, and the habits of a charge point.

The models of habits are pydantic models, because a body, a column and the shipped file have the same shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.clock import is_time_zone
from app.types import CONFIGURATION_KEY_PATTERN, SOURCE_PATTERN, ZONE_PATTERN

EnergyUnit = Literal["Wh", "kWh"]
StateAfterLogin = Literal["ask", "configuration", "nothing"]
ProfileOrigin = Literal["tenant", "shipped"]

SILENT_KEYS_LIMIT: Final = 50
"""Most silent keys of a profile. Each group of them is a command of its own after a full GetConfiguration."""


def _zone_name(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("is not a time zone such as Europe/Amsterdam")
    return name


ZoneName = Annotated[str, StringConstraints(pattern=rf"^{ZONE_PATTERN}$"), AfterValidator(_zone_name)]
ConfigurationKeyName = Annotated[str, StringConstraints(pattern=rf"^{CONFIGURATION_KEY_PATTERN}$")]
Source = Annotated[
    str | None,
    Field(
        pattern=rf"^{SOURCE_PATTERN}$",
        description="Where this is known from: a URL, or a few words. Printable ASCII.",
    ),
]


class StatedHabit(BaseModel):
    """Base of the habits of a profile: a value, and the source that tells of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    source: Source = None


class EnergyUnitHabit(StatedHabit):
    """A habit about the unit of energy."""

    value: EnergyUnit


class StackLevelHabit(StatedHabit):
    """A habit about stack levels."""

    value: Annotated[int, Field(ge=0, le=1000)]


class TimeZoneHabit(StatedHabit):
    """A habit about times."""

    value: Annotated[ZoneName, Field(description="Name of the IANA database.", examples=["Asia/Shanghai"])]


class KeysHabit(StatedHabit):
    """A habit about configuration keys."""

    value: Annotated[list[ConfigurationKeyName], Field(max_length=SILENT_KEYS_LIMIT)]


class FlagHabit(StatedHabit):
    """A habit that a charge point has or has not."""

    value: bool


class RateUnitHabit(StatedHabit):
    """A habit about the unit of limits."""

    value: Literal["A", "W", "any"]


class StateAfterLoginHabit(StatedHabit):
    """A habit about what the server asks after a login."""

    value: StateAfterLogin


class StatedHabits(BaseModel):
    """The habits that a profile states. A habit that is left out is left to other profiles."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    absent_energy_unit: Annotated[
        EnergyUnitHabit | None, Field(description="The unit of an energy sample that has none. Default: Wh.")
    ] = None
    energy_called_wh: Annotated[
        EnergyUnitHabit | None, Field(description="What an energy sample in `Wh` really is. Default: Wh.")
    ] = None
    least_stack_level: Annotated[
        StackLevelHabit | None,
        Field(
            description="The lowest stackLevel that it handles well. Stored profiles are sent at this level "
            "or above. Default: 0."
        ),
    ] = None
    time_zone: Annotated[
        TimeZoneHabit | None, Field(description="The zone of its times that name none. Default: UTC.")
    ] = None
    silent_keys: Annotated[
        KeysHabit | None,
        Field(
            description="Configuration keys that it has, but leaves out when all are asked for. After a "
            "GetConfiguration of all keys the server asks for these by name."
        ),
    ] = None
    session_meter: Annotated[
        FlagHabit | None,
        Field(
            description="True: its register begins again with each session, so a lower value is not odd. "
            "Default: false."
        ),
    ] = None
    sends_no_pongs: Annotated[
        FlagHabit | None,
        Field(description="True: it never answers WebSocket pings, so silence does not end the connection."),
    ] = None
    composite_schedule_unit: Annotated[
        RateUnitHabit | None,
        Field(description="The unit in which to ask for its composite schedule. `any`: as the caller wants."),
    ] = None
    state_after_login: Annotated[
        StateAfterLoginHabit | None,
        Field(
            description="What the server asks after a login without a boot. `ask`: its state, by "
            "TriggerMessage; `configuration`: some configuration keys only; `nothing`. Default: ask."
        ),
    ] = None

    example: ClassVar[dict[str, Any]] = {
        "time_zone": {"value": "Asia/Shanghai", "source": "Its manual, page 12"},
        "silent_keys": {"value": ["WebSocketPingInterval"]},
    }

    def stated(self) -> Mapping[str, StatedHabit]:
        """Return the habits that are stated, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: habit for name, habit in found.items() if habit is not None}


@dataclass(frozen=True, slots=True)
class QuirkProfileRecord:
    """Habits of the charge points that fit three patterns. note: for people.

    origin: made by the tenant, or shipped with the server; the times are None if it is shipped.
    """

    name: str
    vendor: str
    model: str
    firmware: str
    note: str | None
    habits: StatedHabits
    origin: ProfileOrigin = "tenant"
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Device(NamedTuple):
    """The facts by which a profile finds a charge point (BootNotification, OCPP 1.6 6.3). None: not told."""

    vendor: str | None
    model: str | None
    firmware_version: str | None


@dataclass(frozen=True, slots=True)
class HabitOfProfile:
    """A habit of a charge point. profile: the one that states it, before all others that fit."""

    habit: str
    value: Any
    source: str | None
    profile: str
    origin: ProfileOrigin


@dataclass(frozen=True, slots=True)
class Habits:
    """The habits of one charge point, as code uses them. The defaults are those of the standard.

    Attributes:
        absent_energy_unit: of an energy sample without unit (OCPP 1.6 7.43).
        energy_called_wh: the unit of an energy sample that says `Wh`.
        least_stack_level: the lowest stackLevel that is sent.
        time_zone: of times that name none.
        silent_keys: configuration keys that it leaves out when all are asked for.
        session_meter: its register begins again with each session.
        sends_no_pongs: it never answers WebSocket pings.
        composite_schedule_unit: in which it is asked for its composite schedule; None: either.
        state_after_login: what it is asked after a login without a boot.
    """

    absent_energy_unit: EnergyUnit = "Wh"
    energy_called_wh: EnergyUnit = "Wh"
    least_stack_level: int = 0
    time_zone: tzinfo = field(default=UTC)
    silent_keys: tuple[str, ...] = ()
    session_meter: bool = False
    sends_no_pongs: bool = False
    composite_schedule_unit: Literal["A", "W"] | None = None
    state_after_login: StateAfterLogin = "ask"


NO_HABITS: Final = Habits()
"""The habits of a charge point that keeps to the standard. Most have these, so they share one object."""
