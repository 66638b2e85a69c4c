"""Rows as CSV (RFC 4180), for spreadsheets: a line of column names, then a line for each row.

A spreadsheet program takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula.
Such cells get a quote mark in front, and lose one when they are read. A cell that begins with a quote mark
itself gets one too.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from app.errors import FieldViolation, InvalidInput

CSV_TYPE: Final = "text/csv"
FAULTS_LIMIT: Final = 50
"""The most faults that one refusal lists."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_CELL_LIMIT: Final = 100_000
COLUMNS_LIMIT: Final = 1000
"""More than any export has. Each column costs time in each row."""


class CsvTable(NamedTuple):
    """The rows of a text. columns: in lower case, as the first line names them."""

    columns: list[str]
    rows: list[list[str]]


def csv_line(cells: Iterable[str]) -> str:
    """Return a line with its end, of cells as they are."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def protected_cell(cell: str) -> str:
    """Return a cell that is not a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def protected_line(cells: Iterable[str]) -> str:
    """Return a line in which no cell is a formula."""
    return csv_line(map(protected_cell, cells))


def read_cell(cell: str) -> str:
    """Return the text that a cell was written for."""
    return cell.removeprefix("'")


def decoded_csv(content: bytes) -> str:
    """Return the text of a body in UTF-8, with or without a byte order mark.

    Raises:
        InvalidInput: it has another encoding.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput([FieldViolation("", "not_utf_8", "the text is not UTF-8")]) from None


def read_table(text: str) -> CsvTable:
    """Read lines that are separated by commas or semicolons, as the first one shows. Empty lines are skipped.

    Raises:
        InvalidInput: it is not CSV.
    """
    first_line = text.partition("\n")[0]
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        table = [row for row in reader if any(row)]
    except csv.Error as error:
        raise InvalidInput([FieldViolation("", "not_csv", f"line {reader.line_num}: {error}")]) from None
    columns = [_column_name(cell) for cell in table[0]] if table else []
    return CsvTable(columns, table[1:])


def require_columns(columns: Sequence[str], known: Sequence[str], key: str, prefix: str = "") -> None:
    """Refuse the columns that do not say what they are.

    Args:
        columns: As the text has them.
        known: The names of all columns that there may be.
        key: The column that must be there.
        prefix: Columns that begin with it are known, too; empty: none are.

    Raises:
        InvalidInput: a column is unknown, given twice or missing, or there are too many.
    """
    if len(columns) > COLUMNS_LIMIT:
        detail = f"there are more than {COLUMNS_LIMIT} columns"
        raise InvalidInput([FieldViolation("", "too_many_columns", detail)])
    faults = [
        f"unknown column {name!r}"[:100]
        for name in columns
        if name not in known and not (prefix and name.startswith(prefix))
    ]
    faults += [
        f"column {name!r} is given twice"[:100] for name, times in Counter(columns).items() if times > 1
    ]
    if key not in columns:
        faults.append(f"the column {key!r} is missing")
    if faults:
        raise InvalidInput([FieldViolation("", "bad_columns", fault) for fault in faults[:FAULTS_LIMIT]])


def too_many_cells(row: Sequence[str], columns: Sequence[str], pointer: str) -> FieldViolation | None:
    """Return the fault of a row that is longer than the first line; None: it is not."""
    if len(row) <= len(columns):
        return None
    return FieldViolation(pointer, "too_many_cells", f"has {len(row)} cells, but {len(columns)} columns")


def _column_name(cell: str) -> str:
    """Return the name of a column. The key of a label keeps its case."""
    name = cell.strip()
    head, colon, rest = name.partition(":")
    return f"{head.lower()}{colon}{rest}"
