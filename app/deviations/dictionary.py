"""The dictionary of deviations: one entry for each code, from the files in `entries`, one for each family."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from app.deviations.records import DeviationCode, DeviationEntry, Family

_TEXTS = ("seen", "handling", "section", "advice")


@cache
def dictionary() -> Mapping[str, DeviationEntry]:
    """Return the entry of each deviation by code, in the order of the families and files.

    Raises:
        ValueError: a file breaks the shape of an entry, or two entries have the same code.
    """
    return MappingProxyType({entry.code: entry for family in Family for entry in entries_of(family)})


@cache
def entries_of(family: Family) -> tuple[DeviationEntry, ...]:
    """Return the entries of a family, in the order of its file.

    Raises:
        ValueError: the file breaks the shape of an entry, or a code is in two families.
    """
    source = files("app.deviations") / "entries" / f"{family}.toml"
    found = tuple(_read(entry) for entry in tomllib.loads(source.read_text("utf-8"))["entry"])
    codes = [entry.code for entry in found]
    if len(set(codes)) != len(codes):
        raise ValueError(f"{family}: two entries have the same code")
    return found


@cache
def families() -> Mapping[str, Family]:
    """Return the family of each code.

    Raises:
        ValueError: a code is in two families.
    """
    found: dict[str, Family] = {}
    for family in Family:
        for entry in entries_of(family):
            if entry.code in found:
                raise ValueError(f"{entry.code} is in two families")
            found[entry.code] = family
    return MappingProxyType(found)


def meaning_of(code: str) -> str:
    """Return what was seen and what is done about it; an empty text for a code that is not known."""
    entry = dictionary().get(DeviationCode(code))
    return "" if entry is None else f"{entry.seen} {entry.handling}"


def _read(entry: dict[str, Any]) -> DeviationEntry:
    unknown = entry.keys() - DeviationEntry.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(f"{entry.get('code')}: {sorted(unknown)} are not members of an entry")
    read = msgspec.convert(entry, DeviationEntry)
    if not all(getattr(read, name).strip() for name in _TEXTS):
        raise ValueError(f"{read.code}: a text is empty")
    return read
