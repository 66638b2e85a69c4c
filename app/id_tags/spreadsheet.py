"""Id tags as CSV, for spreadsheets: one line for each tag, under the names of the fields."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.clock import utc_text
from app.errors import FieldViolation, InvalidInput
from app.id_tags.records import IdTagRecord
from app.spreadsheets import (
    FAULTS_LIMIT,
    csv_line,
    protected_line,
    read_cell,
    read_table,
    require_columns,
    too_many_cells,
)

COLUMNS: Final = (
    "id_tag",
    "status",
    "expires_at",
    "parent_id_tag",
    "max_active_transactions",
    "max_active_transactions_of_group",
    "note",
    "charge_points",
)
_NUMBERS: Final = ("max_active_transactions", "max_active_transactions_of_group")
_NOWHERE: Final = ";"
"""The charge points of a tag that may charge nowhere; an empty cell means everywhere."""


def header_line() -> str:
    """Return the first line."""
    return csv_line(COLUMNS)


def lines(tags: Iterable[IdTagRecord]) -> str:
    """Return a line for each tag."""
    return "".join(protected_line(_cells(tag)) for tag in tags)


def read_rows(text: str) -> list[dict[str, Any]]:
    """Return the fields of each line; only those whose columns are there. An empty cell is null.

    Values are not checked here.

    Raises:
        InvalidInput: it is not CSV, a column is unknown, given twice or missing, or a line is too long.
    """
    rows = rows_or_faults(text)
    too_long = [
        FieldViolation(f"/{place}", row.code, row.detail)
        for place, row in enumerate(rows)
        if isinstance(row, FieldViolation)
    ]
    if too_long:
        raise InvalidInput(too_long[:FAULTS_LIMIT])
    return [row for row in rows if not isinstance(row, FieldViolation)]


def rows_or_faults(text: str) -> list[dict[str, Any] | FieldViolation]:
    """Return the fields of each line, or why it cannot be read; see `read_rows`.

    Raises:
        InvalidInput: it is not CSV, or a column is unknown, given twice or missing.
    """
    columns, rows = read_table(text)
    require_columns(columns, COLUMNS, "id_tag")
    return [
        too_many_cells(row, columns, "") or _fields(dict(zip(columns, row, strict=False))) for row in rows
    ]


def _fields(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        text = read_cell(cell)
        if text != "":
            values[name] = _value(name, text)
        elif name not in ("id_tag", "status"):
            values[name] = None
    return values


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS and text.strip().isdecimal() and len(text) < 20:
        return int(text)
    if name == "charge_points":
        return tuple(identity for identity in text.split(";") if identity)
    return text


def _cells(tag: IdTagRecord) -> Iterable[str]:
    places = tag.charge_points
    return (
        tag.id_tag,
        tag.status,
        "" if tag.expires_at is None else utc_text(tag.expires_at),
        tag.parent_id_tag or "",
        *("" if limit is None else str(limit) for limit in _limits(tag)),
        tag.note or "",
        "" if places is None else ";".join(places) or _NOWHERE,
    )


def _limits(tag: IdTagRecord) -> tuple[int | None, ...]:
    return tag.max_active_transactions, tag.max_active_transactions_of_group
