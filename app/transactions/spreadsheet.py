"""Transactions as CSV, for billing: one line for each transaction, under the names of the fields."""

from collections.abc import Iterable
from typing import Final

from app.spreadsheets import csv_line, protected_cell
from app.web.rows import Fields

COLUMNS: Final = (
    "id",
    "charge_point",
    "connector_id",
    "id_tag",
    "state",
    "started_at",
    "started_received_at",
    "meter_start_wh",
    "stopped_at",
    "stopped_received_at",
    "meter_stop_wh",
    "energy_wh",
    "stop_reason",
    "stop_id_tag",
    "presumed_ended_at",
    "presumed_ended_reason",
    "last_meter_wh",
    "reservation_id",
    "remote_start_command_id",
    "flags",
)
HEADER: Final = csv_line(COLUMNS)


def lines(transactions: Iterable[Fields]) -> str:
    """Return a line for each transaction. Flags have blanks between them."""
    return "".join(csv_line(_cell(fields[name]) for name in COLUMNS) for fields in transactions)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(value)
    # A number may begin with a minus sign, and is not a formula.
    return str(value) if isinstance(value, int) else protected_cell(str(value))
