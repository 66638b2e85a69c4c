"""Charge points as CSV: one line for each, a column for each field, and one for each label.

The column of a label is `label:` and its key. An empty cell there means that the charge point does not have
it. AuthorizationKeys are read, and never written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from app.charge_points.records import ChargePointRecord
from app.errors import FieldViolation
from app.spreadsheets import protected_line, read_cell, read_table, require_columns, too_many_cells

LABEL_PREFIX: Final = "label:"
EXPORTED: Final = (
    "identity",
    "name",
    "registration_status",
    "heartbeat_interval_s",
    "no_credential",
    "allow_weak_credential",
)
COLUMNS: Final = (*EXPORTED, "authorization_key", "authorization_key_form")
_EMPTIED: Final = ("name", "heartbeat_interval_s")
_BOOLEANS: Final = ("no_credential", "allow_weak_credential")


def header_line(label_keys: Sequence[str]) -> str:
    """Return the first line."""
    return protected_line([*EXPORTED, *(f"{LABEL_PREFIX}{key}" for key in label_keys)])


def lines(records: Iterable[ChargePointRecord], label_keys: Sequence[str]) -> str:
    """Return a line for each charge point."""
    return "".join(protected_line(_cells(record, label_keys)) for record in records)


def rows_or_faults(text: str) -> list[dict[str, Any] | FieldViolation]:
    """Return the fields of each line, or why it cannot be read. Values are not checked here.

    An empty cell empties a name, a heartbeat interval or a label; any other field stays as it is.

    Raises:
        InvalidInput: it is not CSV, or a column is unknown, given twice or missing.
    """
    columns, rows = read_table(text)
    require_columns(columns, COLUMNS, "identity", LABEL_PREFIX)
    return [
        too_many_cells(row, columns, "") or _fields(dict(zip(columns, row, strict=False))) for row in rows
    ]


def _fields(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    labels: dict[str, str | None] = {}
    for name, cell in cells.items():
        text = read_cell(cell)
        if name.startswith(LABEL_PREFIX):
            labels[name.removeprefix(LABEL_PREFIX)] = text or None
        elif text != "":
            values[name] = _value(name, text)
        elif name in _EMPTIED:
            values[name] = None
    return {**values, "labels": labels} if labels else values


def _value(name: str, text: str) -> Any:
    plain = text.strip()
    if name == "heartbeat_interval_s" and plain.isdecimal() and len(plain) < 20:
        return int(plain)
    # Spreadsheets write TRUE.
    if name in _BOOLEANS and plain.lower() in ("true", "false"):
        return plain.lower() == "true"
    return text


def _cells(record: ChargePointRecord, label_keys: Sequence[str]) -> Iterable[str]:
    heartbeat = record.heartbeat_interval_s
    return (
        record.identity,
        record.name or "",
        record.registration_status,
        "" if heartbeat is None else str(heartbeat),
        str(record.no_credential).lower(),
        str(record.allow_weak_credential).lower(),
        *(record.labels.get(key, "") for key in label_keys),
    )
