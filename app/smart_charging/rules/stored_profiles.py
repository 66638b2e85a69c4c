"""The OCPP profiles (OCPP 1.6 7.8) of a stored profile, and the rules that it must keep by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.errors import FieldViolation, InvalidInput
from app.ocpp import Protocol
from app.smart_charging.calendar import Calendar, compile_calendar, next_clock_change
from app.smart_charging.records import CALENDAR_PROFILES, ChargingProfileRecord, ProfileContent
from app.types import Json

_MEMBER = "/csChargingProfiles"
_MOST_PERIODS = 4_096
"""The limit of composite schedules and of frames."""
_LARGEST_NUMBER = 1_000_000_000
"""A gigawatt, or thirty years. Composite schedules do not take a larger limit."""


@dataclass(frozen=True, slots=True)
class CurrentProfile:
    """A stored profile at one time. profiles: its OCPP profiles. Other fields: ChargingProfileRecord."""

    id: int
    description: str
    charging_profile: Json | None
    calendar: Json | None
    profiles: list[Json]
    next_clock_change: datetime | None
    created_at: datetime
    updated_at: datetime


def current_profile(record: ChargingProfileRecord, now: datetime) -> CurrentProfile:
    """Return a stored profile with its present OCPP profiles."""
    return CurrentProfile(
        id=record.id,
        description=record.description,
        charging_profile=record.charging_profile,
        calendar=record.calendar,
        profiles=ocpp_profiles(record, now),
        next_clock_change=next_change(record, now),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def next_change(record: ChargingProfileRecord, now: datetime) -> datetime | None:
    """Return when the OCPP profiles of a stored profile change by themselves; None: never."""
    return None if record.calendar is None else next_clock_change(record.calendar["time_zone"], now)


def ocpp_profiles(record: ChargingProfileRecord, now: datetime) -> list[Json]:
    """Return the OCPP profiles of a stored profile: one, or for a calendar as many as it needs now.

    Ids and stack levels count up from those of the stored profile.
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


def ocpp_ids(record: ChargingProfileRecord) -> range:
    """Return the chargingProfileIds that belong to a stored profile."""
    return range(record.id, record.id + (1 if record.calendar is None else CALENDAR_PROFILES))


def accept_content(protocol: Protocol, content: ProfileContent, now: datetime) -> ProfileContent:
    """Check the content of a request, and return it in the form in which it is stored.

    protocol: the version of OCPP whose rules count.
    content: the numbers of its charging profile are decimals, so that they are judged as they were written.

    Raises:
        InvalidInput: the charging profile or calendar breaks a rule by itself. Pointers begin at `content`.
    """
    if content.calendar is not None:
        _refuse("/calendar", judge_calendar(content.calendar, now))
        return content
    profile = content.charging_profile or {}
    _refuse("/charging_profile", judge_profile(protocol, profile))
    return replace(content, charging_profile=as_stored(profile))


def require_same_form(known: ChargingProfileRecord, content: ProfileContent) -> None:
    """Check that new content has the form of the stored profile that it replaces.

    Raises:
        InvalidInput: it has the other form.
    """
    if (known.calendar is None) is not (content.calendar is None):
        member = "/charging_profile" if content.calendar is None else "/calendar"
        text = "the form of a stored profile never changes, because the ids that it takes depend on it"
        raise InvalidInput([FieldViolation(member, "form_never_changes", text)])


def judge_profile(protocol: Protocol, profile: Json) -> list[FieldViolation]:
    """Return the rules that a profile breaks on every charge point (OCPP 1.6 7.8 to 7.14).

    profile: without chargingProfileId, its numbers as decimals. Pointers begin at it.
    """
    if found := [*_out_of_range(profile, ""), *_too_many(profile)]:
        return found
    if not isinstance(profile.get("chargingProfilePurpose"), str):
        connector_id = 1
    else:
        connector_id = 0 if profile["chargingProfilePurpose"] == "ChargePointMaxProfile" else 1
    request = {"connectorId": connector_id, "csChargingProfiles": {**profile, "chargingProfileId": 1}}
    verdict = protocol.check_call("central_system", "SetChargingProfile", _exact_text(request))
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
    """Return a JSON value with its decimals as floats. No digit is lost if the profile is valid."""
    match value:
        case dict():
            return {name: as_stored(member) for name, member in value.items()}
        case list():
            return [as_stored(element) for element in value]
        case Decimal():
            # Not -0.0, because a device may not expect it.
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
    """Yield a violation for each number above any real limit."""
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
    # NaN and infinity cannot be compared.
    return Decimal(number).is_finite() and -_LARGEST_NUMBER <= number <= _LARGEST_NUMBER


def judge_calendar(calendar: Json, now: datetime) -> list[FieldViolation]:
    """Return the reasons why a calendar cannot be compiled. Pointers begin at it."""
    profiles = compile_calendar(Calendar.of(calendar), now)
    if not profiles:
        return [FieldViolation("/rules", "limits_nothing", "neither the rules nor `otherwise` set a limit")]
    if len(profiles) > CALENDAR_PROFILES:
        text = f"needs {len(profiles)} profiles, but only {CALENDAR_PROFILES} are possible: set a limit"
        return [FieldViolation("/otherwise", "too_many_gaps", text)]
    return []


def _refuse(member: str, violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise InvalidInput(
            [FieldViolation(f"{member}{found.pointer}", found.code, found.detail) for found in violations]
        )
