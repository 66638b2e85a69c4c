"""Statements that are built and compiled once, because building one costs as much as running it.

A list with filters has one statement for each set of filters in use. These are few.
"""

from typing import Any, Final

from sqlalchemy import Select, TextClause
from sqlalchemy.dialects import registry

_DIALECT: Final = registry.load("postgresql.asyncpg")()


class Statement:
    """A statement with named parameters, for a unit of work and for a connection of asyncpg.

    Attributes:
        clause: For a unit of work.
        text: For a connection of asyncpg, with numbered parameters.
        names: The names of these parameters, in their order.
        writes_events: Whether it may write events, so that they are numbered soon after its commit.
    """

    __slots__ = ("clause", "names", "text", "writes_events")

    def __init__(self, clause: Select[Any] | TextClause, *, writes_events: bool = False) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.clause = clause
        self.writes_events = writes_events
        self.text = str(compiled)
        self.names = tuple(compiled.positiontup or ())


def given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, because a filter of None does not narrow."""
    return {name: value for name, value in values.items() if value is not None}
