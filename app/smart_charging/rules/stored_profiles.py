"""From a stored profile to what goes over the wire: OCPP 1.6 7.8 with its number, level and purpose."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.errors import FieldViolation
from app.ocpp import check_call
from app.smart_charging.calendar import Calendar, compile_calendar
from app.smart_charging.records import ChargingProfileRecord
from app.smart_charging.store import CALENDAR_PROFILES
from app.types import Json

_MEMBER = "/csChargingProfiles"
_MOST_PERIODS = 4_096
"""As composite schedules take them, and frames."""
_LARGEST_NUMBER = 1_000_000_000
"""Of a stored profile: a gigawatt, thirty years; composite schedules take no larger limit."""


def wire_profiles(record: ChargingProfileRecord, now: datetime) -> list[Json]:
    """Return the OCPP profiles of a stored profile: one, or of a calendar as many as it needs at the time.

    The n-th has the n-th number and the n-th stack level, counted from those of the stored profile.
    """
    if record.calendar is None:
        return [{"chargingProfileId": record.id, **(record.charging_profile or {})}]
    return [
        {
            "chargingProfileId": record.id + number,
            "stackLevel": record.calendar["stack_level"] + number,
            "chargingProfilePurpose": record.calendar["charging_profile_purpose"],
            **compiled,
        }
        for number, compiled in enumerate(compile_calendar(Calendar.of(record.calendar), now))
    ]


def wire_ids(record: ChargingProfileRecord) -> range:
    """Return the numbers on the wire that belong to a stored profile."""
    return range(record.id, record.id + (1 if record.calendar is None else CALENDAR_PROFILES))


def judge_profile(profile: Json) -> list[FieldViolation]:
    """Return the rules that a profile breaks by itself, for whatever charge point (OCPP 1.6 7.8 to 7.14).

    profile: without chargingProfileId, its numbers as decimals, to be judged as they were written. Pointers
    begin at it.
    """
    if found := [*_out_of_range(profile, ""), *_too_many(profile)]:
        return found
    if not isinstance(profile.get("chargingProfilePurpose"), str):
        connector_id = 1
    else:
        connector_id = 0 if profile["chargingProfilePurpose"] == "ChargePointMaxProfile" else 1
    request = {"connectorId": connector_id, "csChargingProfiles": {**profile, "chargingProfileId": 1}}
    verdict = check_call("central_system", "SetChargingProfile", _exact_text(request))
    found = [
        FieldViolation(violation.pointer.removeprefix(_MEMBER), violation.reason, violation.detail)
        for violation in verdict.violations
    ]
    for name in ("chargingProfileId", "transactionId"):
        if name in profile:
            text = "is given when the profile is installed"
            found.append(FieldViolation(f"/{name}", "given_at_installation", text))
    return found


def as_stored(value: Any) -> Any:
    """Return a profile that breaks no rule with plain numbers, which hold its tenths."""
    match value:
        case dict():
            return {name: as_stored(member) for name, member in value.items()}
        case list():
            return [as_stored(element) for element in value]
        case Decimal():
            # Not -0.0, which no device needs to meet.
            return float(value) or 0.0
        case _:
            return value


def _exact_text(value: Json) -> str:
    def number(unknown: object) -> orjson.Fragment:
        if not isinstance(unknown, Decimal):
            raise TypeError
        return orjson.Fragment(str(unknown))

    return orjson.dumps(value, default=number).decode()


def _out_of_range(value: object, pointer: str) -> Iterator[FieldViolation]:
    """Numbers that no device and no schedule can mean: such a limit would be none."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _out_of_range(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _out_of_range(element, f"{pointer}/{index}")
    elif isinstance(value, int | Decimal) and not _is_in_range(value):
        yield FieldViolation(pointer, "out_of_range", f"is larger than {_LARGEST_NUMBER}")


def _too_many(profile: Json) -> Iterator[FieldViolation]:
    schedule = profile.get("chargingSchedule")
    periods = schedule.get("chargingSchedulePeriod") if isinstance(schedule, dict) else None
    if isinstance(periods, list) and len(periods) > _MOST_PERIODS:
        text = f"at most {_MOST_PERIODS} items are allowed"
        yield FieldViolation("/chargingSchedule/chargingSchedulePeriod", "too_many_items", text)


def _is_in_range(number: int | Decimal) -> bool:
    # What is no number cannot be compared.
    return Decimal(number).is_finite() and -_LARGEST_NUMBER <= number <= _LARGEST_NUMBER


def judge_calendar(calendar: Json, now: datetime) -> list[FieldViolation]:
    """Return what hinders a calendar from being compiled. Pointers begin at it."""
    profiles = compile_calendar(Calendar.of(calendar), now)
    if not profiles:
        return [FieldViolation("/rules", "limits_nothing", "neither the rules nor `otherwise` set a limit")]
    if len(profiles) > CALENDAR_PROFILES:
        text = f"needs {len(profiles)} profiles, {CALENDAR_PROFILES} are possible: name what holds otherwise"
        return [FieldViolation("/otherwise", "too_many_gaps", text)]
    return []
