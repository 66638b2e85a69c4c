"""Reads what a connector drew over time, in the unit of a schedule, for pictures. Pure values."""

from collections.abc import Iterable
from typing import Literal

from app.smart_charging.overlays import Measured
from app.transactions.stored_records import MeterValueRecord
from app.types import Json

_MEASURANDS = {"A": "Current.Import", "W": "Power.Active.Import"}
_FACTORS = {"A": 1.0, "W": 1.0, "kW": 1000.0}


def measured_over_time(rows: Iterable[MeterValueRecord], unit: Literal["A", "W"]) -> list[Measured]:
    """Return what a connector drew at each moment that has a sample (OCPP 1.6 7.31, 7.33).

    Watts are those of all phases. Amperes are those of the phase with the highest current, because a limit in
    amperes holds for each phase.
    """
    found = [(row, _amount(row.sampled_values, unit)) for row in rows]
    return [
        Measured(row.sampled_at, amount, row.transaction_id) for row, amount in found if amount is not None
    ]


def drawn_power_w(row: MeterValueRecord) -> float | None:
    """Return the watts of all phases that a meter value tells; None: it does not tell them."""
    return _amount(row.sampled_values, "W")


def _amount(samples: Iterable[Json], unit: Literal["A", "W"]) -> float | None:
    whole: list[float] = []
    phases: list[float] = []
    for sample in samples:
        value = _value(sample, unit)
        if value is not None:
            (whole if sample.get("phase") in (None, "L1-L2-L3") else phases).append(value)
    if unit == "W":
        return whole[0] if whole else sum(phases) if phases else None
    return max([*phases, *whole], default=None)


def _value(sample: Json, unit: Literal["A", "W"]) -> float | None:
    factor = _FACTORS.get(str(sample.get("unit", unit)))
    if sample.get("measurand") != _MEASURANDS[unit] or factor is None or sample.get("phase") == "N":
        return None
    try:
        value = float(sample["value"])
    except (KeyError, TypeError, ValueError):
        return None
    # Current that flows back, and impossible values, are not drawn.
    return value * factor if 0 <= value < 1e9 else None
