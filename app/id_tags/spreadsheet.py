"""Id tags as CSV (RFC 4180), for spreadsheets: one line for each tag, under the names of the fields.

A spreadsheet program takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula.
Such cells get a quote mark in front, and lose one when they are read. A cell that begins with a quote mark
itself gets one too.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.clock import utc_text
from app.errors import FieldViolation, InvalidInput
from app.id_tags.records import IdTagRecord

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
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_NOWHERE: Final = ";"
"""The charge points of a tag that may charge nowhere; an empty cell means everywhere."""
_CELL_LIMIT: Final = 100_000


def header_line() -> str:
    """Return the first line."""
    return _line(COLUMNS)


def lines(tags: Iterable[IdTagRecord]) -> str:
    """Return a line for each tag."""
    return "".join(_line(_protected(cell) for cell in _cells(tag)) for tag in tags)


def read_rows(text: str) -> list[dict[str, Any]]:
    """Return the fields of each line; only those whose columns are there. An empty cell is null.

    Values are not checked here.

    Raises:
        InvalidInput: it is not CSV, a column is unknown, given twice or missing, or a line is too long.
    """
    first_line = text.partition("\n")[0]
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        table = [row for row in reader if any(row)]
    except csv.Error as error:
        raise InvalidInput([FieldViolation("", "not_csv", f"line {reader.line_num}: {error}")]) from None
    columns = [name.strip().lower() for name in table[0]] if table else []
    _require_columns(columns)
    too_long = [
        FieldViolation(f"/{place}", "too_many_cells", f"has {len(row)} cells, but {len(columns)} columns")
        for place, row in enumerate(table[1:])
        if len(row) > len(columns)
    ]
    if too_long:
        raise InvalidInput(too_long[:50])
    return [_fields(dict(zip(columns, row, strict=False))) for row in table[1:]]


def _require_columns(columns: list[str]) -> None:
    faults = [f"unknown column {name!r}"[:100] for name in columns if name not in COLUMNS]
    faults += [f"column {name!r} is given twice" for name in COLUMNS if columns.count(name) > 1]
    if "id_tag" not in columns:
        faults.append("the column 'id_tag' is missing")
    if faults:
        raise InvalidInput([FieldViolation("", "bad_columns", fault) for fault in faults[:50]])


def _fields(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        text = cell[1:] if cell.startswith("'") else cell
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


def _protected(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
