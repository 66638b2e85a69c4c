"""The shapes of REST requests and answers about quirk profiles."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from app.quirks.records import ProfileOrigin, StatedHabits
from app.types import QUIRK_PROFILE_PATTERN
from app.web.inputs import Change, Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import LINE_PATTERN

PROFILE_NAME_PATTERN = rf"^{QUIRK_PROFILE_PATTERN}$"

ProfileName = Annotated[
    str,
    Field(
        pattern=PROFILE_NAME_PATTERN,
        description="1 to 48 lower-case letters, digits and hyphens. That of a shipped one replaces it.",
    ),
]
_GLOB = "A pattern without regard to case: `*` is any text, `?` one character, `[ab]` one of these."
Pattern = Annotated[
    str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN, description=_GLOB, examples=["Acme*"])
]
ProfileNote = Annotated[
    str | None, Field(max_length=500, pattern=LINE_PATTERN, description="For people; kept in the audit.")
]

_EXAMPLE: Json = {
    "name": "acme-duo",
    "vendor": "Acme",
    "model": "Duo*",
    "firmware": "4.*",
    "note": "Seen on site 7",
    "habits": StatedHabits.example,
}


class QuirkProfile(Resource):
    """Habits of the charge points whose vendor, model and firmware fit three patterns."""

    name: str
    origin: ProfileOrigin = Field(description="`shipped`: with the server, and it cannot be changed.")
    vendor: str
    model: str
    firmware: str
    note: str | None
    habits: StatedHabits
    created_at: Instant | None = Field(description="null: it is shipped.")
    updated_at: Instant | None

    example: ClassVar[Json] = {
        **_EXAMPLE,
        "origin": "tenant",
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class QuirkProfileCreate(Input):
    """A new quirk profile. A pattern that is left out fits everything."""

    name: ProfileName
    vendor: Pattern = "*"
    model: Pattern = "*"
    firmware: Pattern = "*"
    note: ProfileNote = None
    habits: StatedHabits

    example: ClassVar[Json] = _EXAMPLE


class QuirkProfileChange(Change):
    """The fields of a quirk profile to change. `habits` replaces all habits of the profile."""

    vendor: Pattern = "*"
    model: Pattern = "*"
    firmware: Pattern = "*"
    note: ProfileNote = None
    habits: StatedHabits = StatedHabits()

    example: ClassVar[Json] = {"firmware": "4.1*", "habits": {"session_meter": {"value": True}}}


class AppliedHabit(Resource):
    """A habit of a charge point, and where it is known from."""

    habit: str = Field(description="Its name, as in `habits` of a profile.")
    value: Any
    source: str | None
    profile: str = Field(description="Name of the quirk profile that states it.")
    origin: ProfileOrigin

    example: ClassVar[Json] = {
        "habit": "time_zone",
        "value": "Asia/Shanghai",
        "source": "Its manual, page 12",
        "profile": "acme-duo",
        "origin": "tenant",
    }


class ChargePointQuirks(Resource):
    """The habits of a charge point."""

    vendor: str | None = Field(description="As it last booted; null: unknown. So are the next two.")
    model: str | None
    firmware_version: str | None
    items: list[AppliedHabit]

    example: ClassVar[Json] = {
        "vendor": "Acme",
        "model": "Duo 22",
        "firmware_version": "4.1.7",
        "items": [AppliedHabit.example],
    }
