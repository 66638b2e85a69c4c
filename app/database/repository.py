"""The base class of stores that work inside a unit of work, and functions that they share."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, DateTime, Double, Table, cast, func, literal_column
from sqlalchemy.sql.expression import ColumnElement

from app.database.unit_of_work import TenantWork

SMALLEST_INT64, LARGEST_INT64 = -(2**63), 2**63 - 1
LARGEST_INT32 = 2**31 - 1


class Repository:
    """The rows of one table that belong to one tenant.

    A store whose statements tell events by triggers sets `outbox.has_events`.
    """

    __slots__ = ("connection", "outbox", "tenant_id")

    def __init__(self, work: TenantWork) -> None:
        self.connection = work.connection
        self.tenant_id = work.tenant_id
        self.outbox = work.outbox


def columns_of(record: type, table: Table, **others: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """Return the columns that build a record, in the order of its fields; `others` come from elsewhere.

    record: a dataclass or a NamedTuple.
    """
    names: Sequence[str] = getattr(record, "_fields", ()) or [field.name for field in fields(record)]
    return [others[name] if name in others else table.c[name] for name in names]


def in_microseconds(columns: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Return columns of which each time is microseconds since 1970, with `_us` behind its name.

    The driver takes 0.4 us to make a `datetime`, and a page has hundreds of them. `date_part` is exact
    until the year 2100.
    """
    return [_in_microseconds(column) if isinstance(column.type, DateTime) else column for column in columns]


def _in_microseconds(column: ColumnElement[Any]) -> ColumnElement[Any]:
    epoch_us: ColumnElement[float] = func.date_part(
        literal_column("'epoch'"), column, type_=Double()
    ) * literal_column("1e6")
    return cast(epoch_us, BigInteger).label(f"{column.key}_us")


def like_prefix(text: str) -> str:
    """Return a LIKE pattern that matches texts beginning with `text`."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
