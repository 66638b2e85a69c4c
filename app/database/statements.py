"""Statements that are built and compiled once, because building one costs as much as running it.

A list with filters has one statement for each set of filters in use. These are few.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Select, TextClause
from sqlalchemy.dialects import registry

_DIALECT: Final = registry.load("postgresql.asyncpg")()


class Statement:
    """One with named parameters: `clause` for a unit of work, `text` for a connection of asyncpg."""

    __slots__ = ("_names", "clause", "text")

    def __init__(self, clause: Select[Any] | TextClause) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.clause = clause
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the parameters in the order of the text. values: by name; others are ignored."""
        return [values[name] for name in self._names]


def given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, because a filter of None does not narrow."""
    return {name: value for name, value in values.items() if value is not None}
