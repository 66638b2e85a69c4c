"""The register that samples show. OCPP 1.6 7.31, 7.43"""

from typing import Any, Final

import orjson

from app.quirks.records import NO_HABITS, Habits

REGISTER: Final = "Energy.Active.Import.Register"
_WH_OF: Final = {"Wh": 1, "kWh": 1000}


def energy_of(meter_start_wh: int | None, meter_stop_wh: int | None) -> int | None:
    """Return the energy between two registers in Wh; None: one is missing, or it does not fit 64 bits."""
    if meter_start_wh is None or meter_stop_wh is None:
        return None
    energy_wh = meter_stop_wh - meter_start_wh
    return energy_wh if -(2**63) <= energy_wh < 2**63 else None


def register_of(sampled_values: str, habits: Habits = NO_HABITS) -> int | None:
    """Return the energy register of a `sampledValue` in Wh; None: it has none that can be read.

    A value of one phase is not the register of the whole. Unit and measurand have defaults (OCPP 1.6 7.43).
    habits: of the charge point; they may tell another unit than the sample.
    """
    found = orjson.loads(sampled_values)
    registers = [_wh(value, habits) for value in found if isinstance(value, dict) and _is_register(value)]
    return next((register for register in registers if register is not None), None)


def _is_register(value: dict[str, Any]) -> bool:
    return value.get("measurand", REGISTER) == REGISTER and value.get("phase") is None


def energy_unit(told: str | None, habits: Habits) -> str:
    """Return the unit of an energy sample. told: what it says; None or "": nothing."""
    if not told:
        return habits.absent_energy_unit
    return habits.energy_called_wh if told == "Wh" else told


def _wh(value: dict[str, Any], habits: Habits) -> int | None:
    unit = value.get("unit")
    if unit is not None and not isinstance(unit, str):
        return None
    factor = _WH_OF.get(energy_unit(unit, habits))
    try:
        number = float(value["value"])
    except (KeyError, TypeError, ValueError):
        return None
    # This also refuses NaN, and numbers that no column can hold.
    if factor is None or not abs(number) < 1e15:
        return None
    return round(number * factor)
