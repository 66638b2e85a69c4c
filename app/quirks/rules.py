"""Which habits a charge point has: the one place that decides it.

A pattern is a shell-style glob without regard to case: `*` is any text, `?` one character, `[ab]` one of
these.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from fnmatch import translate
from functools import lru_cache
from string import whitespace
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.quirks.records import NO_HABITS, Device, HabitOfProfile, Habits, QuirkProfileRecord, StatedHabits

_PADDING: Final = f"{whitespace}\x00\ufffd"
"""Blanks, and the NUL that ends a text in C. It is stored as U+FFFD."""
_WILDCARD: Final = re.compile(r"\[[^\]]*\]|[*?]")


def fits(profile: QuirkProfileRecord, device: Device) -> bool:
    """Tell whether a charge point fits all three patterns. What it has not told counts as empty text."""
    patterns = (profile.vendor, profile.model, profile.firmware)
    return all(_matches(pattern, told) for pattern, told in zip(patterns, device, strict=True))


def in_force(
    own: Iterable[QuirkProfileRecord], shipped: Iterable[QuirkProfileRecord]
) -> list[QuirkProfileRecord]:
    """Return the profiles of a tenant and the shipped ones, in the order in which they are asked.

    A profile of the tenant comes before each shipped one, and replaces the one that has its name. Among these
    the one with more fixed characters in its patterns comes first, then the names decide.
    """
    own = list(own)
    names = {profile.name for profile in own}
    profiles = [*own, *(profile for profile in shipped if profile.name not in names)]
    return sorted(profiles, key=lambda found: (found.origin == "shipped", -_fixed(found), found.name))


def applied_habits(device: Device, profiles: Sequence[QuirkProfileRecord]) -> list[HabitOfProfile]:
    """Return the habits of a charge point by name, each from the first profile that fits and states it.

    profiles: as `in_force` orders them.
    """
    found: dict[str, HabitOfProfile] = {}
    for profile in profiles:
        if fits(profile, device):
            for name, habit in profile.habits.stated().items():
                value: Any = getattr(habit, "value")  # noqa: B009 - each subclass has one, of its own type
                applied = HabitOfProfile(name, value, habit.source, profile.name, profile.origin)
                found.setdefault(name, applied)
    return [found[name] for name in sorted(found)]


def habits_of(
    vendor: str | None, model: str | None, firmware: str | None, profiles: Sequence[QuirkProfileRecord]
) -> Habits:
    """Return the habits of a charge point. profiles: as `in_force` orders them."""
    applied = applied_habits(Device(vendor, model, firmware), profiles)
    if not applied:
        return NO_HABITS
    return replace(NO_HABITS, **{habit.habit: _used(habit) for habit in applied})


def _used(habit: HabitOfProfile) -> Any:
    """Return the value of a habit as code uses it."""
    match habit.habit:
        case "time_zone":
            return UTC if habit.value == "UTC" else ZoneInfo(habit.value)
        case "silent_keys":
            return tuple(habit.value)
        case "composite_schedule_unit":
            return None if habit.value == "any" else habit.value
        case _:
            return habit.value


def _matches(pattern: str, told: str | None) -> bool:
    return _compiled(pattern)((told or "").strip(_PADDING).casefold()) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    return re.compile(translate(pattern.casefold())).match


def _fixed(profile: QuirkProfileRecord) -> int:
    return sum(
        len(_WILDCARD.sub("", pattern)) for pattern in (profile.vendor, profile.model, profile.firmware)
    )


def readable_habits(stored: Mapping[str, Any]) -> StatedHabits:
    """Return stored habits. One that cannot be read any longer is left out: a login must not fail for it."""
    try:
        return StatedHabits.model_validate(stored)
    except ValidationError:
        kept = {name: habit for name, habit in stored.items() if _is_readable(name, habit)}
        return StatedHabits.model_validate(kept)


def _is_readable(name: str, habit: Any) -> bool:
    try:
        StatedHabits.model_validate({name: habit})
    except ValidationError:
        return False
    return True
