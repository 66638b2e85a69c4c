"""The reported abilities of a charge point for charging profiles (OCPP 1.6 9.4), and what exceeds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Literal

from app.configuration.records import ConfigurationRecord
from app.errors import FieldViolation
from app.quirks.records import NO_HABITS, Habits
from app.types import Json

Unit = Literal["A", "W"]
_UNITS: dict[str, Unit] = {"current": "A", "a": "A", "power": "W", "w": "W"}
_DEFAULT_PHASES = 3
_SCHEDULE = "/chargingSchedule"


@dataclass(frozen=True, slots=True)
class Abilities:
    """The reported limits of a charge point. None: not reported, so nothing is refused because of it.

    connectors: how many it has. least_stack_level: the lowest that it handles well. composite_unit: in which
    it answers about its composite schedule; None: in any that it takes.
    zone: of its times that name none.
    """

    max_stack_level: int | None = None
    max_periods: int | None = None
    max_installed: int | None = None
    units: frozenset[Unit] | None = None
    connectors: int | None = None
    least_stack_level: int = 0
    composite_unit: Unit | None = None
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Conversion:
    """How to convert the unit of a schedule. nominal_voltage: volts between line and neutral."""

    nominal_voltage: int = 230
    supply: Literal["AC", "DC"] = "AC"


def abilities_of(configuration: Iterable[ConfigurationRecord], habits: Habits = NO_HABITS) -> Abilities:
    """Read the limits from the reported configuration keys. An unreadable value counts as not reported.

    The standard has the units `Current` and `Power` (errata 3.86); some charge points report `A` and `W`.
    habits: of the charge point, which it does not report.
    """
    known = {record.key.lower(): record.value for record in configuration if record.value is not None}
    words = known.get("chargingscheduleallowedchargingrateunit", "").replace(";", ",").split(",")
    units = frozenset(_UNITS[word.strip().lower()] for word in words if word.strip().lower() in _UNITS)
    return Abilities(
        _integer(known.get("chargeprofilemaxstacklevel")),
        _integer(known.get("chargingschedulemaxperiods")),
        _integer(known.get("maxchargingprofilesinstalled")),
        units or None,
        _integer(known.get("numberofconnectors")),
        habits.least_stack_level,
        habits.composite_schedule_unit,
        habits.time_zone,
    )


def unit_to_ask(wanted: Unit, abilities: Abilities, profiles: Iterable[Json]) -> Unit:
    """Return the unit in which to ask a charge point for its composite schedule.

    Some that know one unit answer with -1, or not at all, in the other one (MicroOcpp in amperes).

    Args:
        wanted: The unit of the caller; the comparison converts between the two.
        abilities: What the charge point reported, and what its quirk profiles tell.
        profiles: Those that may be on it. Without reported units it takes the one that they share.
    """
    if abilities.composite_unit is not None:
        return abilities.composite_unit
    units = abilities.units or frozenset(
        profile["chargingSchedule"]["chargingRateUnit"] for profile in profiles
    )
    return next(iter(units)) if len(units) == 1 else wanted


def fit_unit(profile: Json, abilities: Abilities, conversion: Conversion | None) -> Json:
    """Return the profile in a unit that the charge point takes, or unchanged if it may not be converted."""
    unit = profile["chargingSchedule"]["chargingRateUnit"]
    if abilities.units is None or unit in abilities.units:
        return profile
    if conversion is None or conversion.supply == "DC":
        return profile
    return convert(profile, "W" if unit == "A" else "A", conversion.nominal_voltage)


def fit_stack_levels(profiles: Sequence[Json], abilities: Abilities) -> list[Json]:
    """Return the profiles of one stored profile at stack levels that the charge point handles well.

    All are raised by the same number, so that the one that led still leads.
    """
    lowest = min(profile["stackLevel"] for profile in profiles)
    raised = max(0, abilities.least_stack_level - lowest)
    if not raised:
        return list(profiles)
    return [{**profile, "stackLevel": profile["stackLevel"] + raised} for profile in profiles]


def convert(profile: Json, unit: Unit, nominal_voltage: int) -> Json:
    """Return the profile with its limits in another unit (OCPP 1.6 7.12).

    Amperes are those of each phase, watts those of all phases together. Each period is converted with its own
    number of phases. Amperes are rounded down to a tenth, watts are exact.
    """
    schedule = profile["chargingSchedule"]
    if schedule["chargingRateUnit"] == unit:
        return profile
    periods = []
    for period in schedule["chargingSchedulePeriod"]:
        watts_per_ampere = nominal_voltage * period.get("numberPhases", _DEFAULT_PHASES)
        periods.append({**period, "limit": _converted(period["limit"], unit, watts_per_ampere)})
    changed = {**schedule, "chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    if "minChargingRate" in schedule:
        rate = schedule["minChargingRate"]
        changed["minChargingRate"] = _converted(rate, unit, nominal_voltage * _DEFAULT_PHASES)
    return {**profile, "chargingSchedule": changed}


def beyond_abilities(
    profile: Json, abilities: Abilities, conversion: Conversion | None
) -> list[FieldViolation]:
    """Return the limits of the charge point that a profile exceeds. Pointers begin at the profile."""
    found = []
    level, most = profile["stackLevel"], abilities.max_stack_level
    if most is not None and level > most:
        text = f"the charge point's ChargeProfileMaxStackLevel is {most}"
        found.append(FieldViolation("/stackLevel", "stack_level_too_high", text))
    schedule = profile["chargingSchedule"]
    periods, most = len(schedule["chargingSchedulePeriod"]), abilities.max_periods
    if most is not None and periods > most:
        text = f"has {periods} periods; the charge point's ChargingScheduleMaxPeriods is {most}"
        found.append(FieldViolation(f"{_SCHEDULE}/chargingSchedulePeriod", "too_many_periods", text))
    if abilities.units is not None and schedule["chargingRateUnit"] not in abilities.units:
        names = " and ".join(sorted(abilities.units))
        text = f"the charge point takes {names} (ChargingScheduleAllowedChargingRateUnit)"
        if conversion is None:
            text += "; ask for a conversion"
        elif conversion.supply == "DC":
            text += "; amperes and watts cannot be converted for direct current"
        found.append(FieldViolation(f"{_SCHEDULE}/chargingRateUnit", "unit_not_allowed", text))
    return found


def _integer(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 10 else None


def _converted(limit: float, unit: Unit, watts_per_ampere: int) -> float:
    # By its text, because 21.4 is not a multiple of 0.1 in binary.
    text = str(limit)
    if unit == "W":
        return float(Decimal(text) * watts_per_ampere)
    return floor(Fraction(text) * 10 / watts_per_ampere) / 10
