"""Reads the quirk profiles that are shipped with the server: `shipped_profiles.toml`, with public sources."""

import tomllib
from functools import cache
from importlib.resources import files

from app.quirks.records import QuirkProfileRecord, StatedHabits


@cache
def shipped_profiles() -> tuple[QuirkProfileRecord, ...]:
    """Return the shipped profiles, in the order of their names.

    Raises:
        ValueError: the file is damaged: a defect of this program, which refuses to start.
    """
    text = files("app.quirks").joinpath("shipped_profiles.toml").read_text("utf-8")
    return read_profiles(text)


def read_profiles(text: str) -> tuple[QuirkProfileRecord, ...]:
    """Read profiles from TOML.

    Raises:
        ValueError: something is missing, unknown or given twice, or a habit has no source.
    """
    found: dict[str, QuirkProfileRecord] = {}
    for entry in tomllib.loads(text)["profile"]:
        entry["habits"] = StatedHabits.model_validate(entry["habits"])
        try:
            profile = QuirkProfileRecord(**{"note": None, **entry, "origin": "shipped"})
        except TypeError as error:
            raise ValueError(f"quirk profile {entry.get('name')!r}: {error}") from None
        stated = profile.habits.stated()
        if profile.name in found or not stated:
            raise ValueError(f"quirk profile {profile.name!r} is given twice, or states no habit")
        if unproved := [name for name, habit in stated.items() if habit.source is None]:
            raise ValueError(f"quirk profile {profile.name!r} has no source for {', '.join(unproved)}")
        found[profile.name] = profile
    return tuple(found[name] for name in sorted(found))
