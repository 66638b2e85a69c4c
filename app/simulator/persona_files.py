"""Reads `personas/*.toml`: charge points with bad habits that are publicly known, and illustrative fleets.

Each file is checked as a whole when it is read. An error names the entry.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.simulator.bad_habits import DEFAULTS, NO_BAD_HABITS, BadHabits
from app.simulator.errors import SimulatorError
from app.simulator.persona import Hardware

Json = dict[str, Any]
_HARDWARE: Final = {"vendor", "model", "firmware", "connectors", "phases", "power_w", "direct_current"}
_PERSONA: Final = {"name", "description", "deviations", "habits"} | _HARDWARE
_LIMIT_OF_TEXT: Final = {"vendor": 20, "model": 20, "firmware": 50}


@dataclass(frozen=True, slots=True)
class KnownHabits:
    """A charge point with bad habits.

    sources: the public source of each habit, by its name. deviations: the codes that the server counts.
    """

    name: str
    description: str
    hardware: Hardware
    habits: BadHabits
    sources: dict[str, str]
    deviations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """A part of a fleet: `share` of each sum of all shares."""

    share: int
    hardware: Hardware
    habits: BadHabits = NO_BAD_HABITS
    persona: str = ""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """An illustrative fleet."""

    name: str
    description: str
    groups: tuple[FleetGroup, ...] = field(default=())

    def group_of(self, number: int) -> FleetGroup:
        """Return the group of a charge point. number: counted from 1; groups alternate by their shares."""
        # Each group gives its next member when its count falls behind its share, so every prefix is mixed.
        counts = [0] * len(self.groups)
        chosen = 0
        for position in range(1, (number - 1) % self._round + 2):
            chosen = max(
                range(len(self.groups)),
                key=lambda index: self.groups[index].share * position / self._round - counts[index],
            )
            counts[chosen] += 1
        return self.groups[chosen]

    @property
    def _round(self) -> int:
        return sum(group.share for group in self.groups)


@cache
def known_personas() -> dict[str, KnownHabits]:
    """Return all personas by name.

    Raises:
        SimulatorError: an entry is wrong.
    """
    return read_personas(_text("chargers.toml"))


@cache
def known_fleets() -> dict[str, FleetPlan]:
    """Return all fleets by name.

    Raises:
        SimulatorError: an entry is wrong.
    """
    return read_fleets(_text("fleets.toml"), known_personas())


def persona_of(name: str) -> KnownHabits:
    """Return a persona.

    Raises:
        SimulatorError: there is none of this name.
    """
    found = known_personas().get(name)
    if found is None:
        raise _unknown("--persona", name, known_personas())
    return found


def fleet_of(name: str) -> FleetPlan:
    """Return a fleet.

    Raises:
        SimulatorError: there is none of this name.
    """
    found = known_fleets().get(name)
    if found is None:
        raise _unknown("--fleet", name, known_fleets())
    return found


def read_personas(text: str) -> dict[str, KnownHabits]:
    """Read the personas of a TOML text, by name.

    Raises:
        SimulatorError: an entry is wrong, or a habit has no source.
    """
    found: dict[str, KnownHabits] = {}
    for row in tomllib.loads(text).get("persona", []):
        name = str(row.get("name"))
        _require(name not in found, name, "the name is there twice")
        _require(not row.keys() - _PERSONA, name, f"unknown members {sorted(row.keys() - _PERSONA)}")
        _require(bool(row.get("description")), name, "it has no description")
        stated = row.get("habits") or {}
        _require(bool(stated), name, "it has no habit")
        habits, sources = _habits(name, stated)
        found[name] = KnownHabits(
            name, row["description"], _hardware(name, row), habits, sources, tuple(row["deviations"])
        )
    return found


def read_fleets(text: str, personas: dict[str, KnownHabits]) -> dict[str, FleetPlan]:
    """Read the fleets of a TOML text, by name.

    Raises:
        SimulatorError: an entry is wrong, or a fleet is not labelled as illustrative.
    """
    found: dict[str, FleetPlan] = {}
    for row in tomllib.loads(text).get("fleet", []):
        name = str(row.get("name"))
        _require(name not in found, name, "the name is there twice")
        description = row.get("description", "")
        _require(description.startswith("Illustrative: "), name, "it is not labelled as illustrative")
        groups = tuple(_group(name, group, personas) for group in row.get("groups", []))
        _require(bool(groups), name, "it has no groups")
        found[name] = FleetPlan(name, description, groups)
    return found


def _group(name: str, row: Json, personas: dict[str, KnownHabits]) -> FleetGroup:
    share = row.get("share")
    _require(isinstance(share, int) and 1 <= share <= 100, name, "a share is not 1 to 100")
    if "persona" not in row:
        return FleetGroup(int(row["share"]), _hardware(name, row))
    _require(row.keys() == {"share", "persona"}, name, "a group with a persona has further members")
    persona = personas.get(row["persona"])
    if persona is None:
        raise SimulatorError(f"fleet {name}: there is no persona {row['persona']!r}")
    return FleetGroup(int(row["share"]), persona.hardware, persona.habits, persona.name)


def _hardware(name: str, row: Json) -> Hardware:
    for member, limit in _LIMIT_OF_TEXT.items():
        text = row.get(member, "")
        _require(isinstance(text, str) and len(text) <= limit, name, f"{member} is not text of up to {limit}")
    for member, most in (("connectors", 16), ("phases", 3), ("power_w", 1_000_000)):
        number = row.get(member)
        _require(isinstance(number, int) and 1 <= number <= most, name, f"{member} is not 1 to {most}")
    return Hardware(
        row["vendor"],
        row["model"],
        row["connectors"],
        row["phases"],
        row["power_w"],
        bool(row.get("direct_current", False)),
        row.get("firmware", ""),
    )


def _habits(name: str, stated: Json) -> tuple[BadHabits, dict[str, str]]:
    values: Json = {}
    sources: dict[str, str] = {}
    for habit, row in stated.items():
        _require(habit in DEFAULTS, name, f"{habit} is not a habit")
        _require(row.keys() == {"value", "source"}, name, f"{habit} needs a value and a source, nothing else")
        usual = DEFAULTS[habit]
        _require(type(row["value"]) is type(usual), name, f"{habit} is not of the kind of {usual!r}")
        _require(row["value"] != usual, name, f"{habit} has its usual value")
        _require(str(row["source"]).startswith("https://"), name, f"{habit} has no public source")
        values[habit], sources[habit] = row["value"], row["source"]
    if zone := values.get("times_without_zone"):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise SimulatorError(f"persona {name}: there is no time zone {zone!r}") from None
    return replace(NO_BAD_HABITS, **values), sources


def _require(fits: bool, name: str, text: str) -> None:
    if not fits:
        raise SimulatorError(f"personas: {name}: {text}")


def _unknown(option: str, name: str, known: Iterable[str]) -> SimulatorError:
    return SimulatorError(f"{option}: there is no {name!r}; known are {', '.join(known)}")


def _text(file: str) -> str:
    return (files("app.simulator") / "personas" / file).read_text(encoding="utf-8")
