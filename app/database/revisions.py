"""The migrations that this program knows, without loading Alembic, which a worker does not need."""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

_NAMED: Final = re.compile(r'^(revision|down_revision)\b[^=]*= "(\w+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProgramRevisions:
    """The migrations of this program. newest: the one that the schema must have."""

    newest: str
    known: frozenset[str]


@lru_cache(maxsize=1)
def program_revisions() -> ProgramRevisions:
    """Read the migrations of this program.

    Raises:
        RuntimeError: they are not one chain.
    """
    known: set[str] = set()
    followed: set[str] = set()
    for file in files("app.database.migrations").joinpath("versions").iterdir():
        if file.name.endswith(".py"):
            found = dict(_NAMED.findall(file.read_text("utf-8")))
            known.add(found["revision"])
            followed.add(found.get("down_revision", ""))
    newest = known - followed
    if len(newest) != 1:
        raise RuntimeError(f"the migrations are not one chain: {', '.join(sorted(newest))}")
    return ProgramRevisions(newest.pop(), frozenset(known))
