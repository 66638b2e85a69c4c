"""Turns series of meter values and composite schedules into the lines of charts. Pure values."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.clock import parse_time
from app.transactions.rules.registers import REGISTER
from app.transactions.rules.series import Series
from app.types import Json

POWER: Final = "Power.Active.Import"
STATE_OF_CHARGE: Final = "SoC"
_WHOLE: Final = frozenset({None, "L1-L2-L3"})

Kind = Literal["line", "step", "pale_step"]
Colour = Literal["accent", "back", "good", "absent", "bad"]
Point = tuple[float, float | None]
"""Seconds since 1970, and a value; None: there is none from here on."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart. kind: pale_step: steps with the area below them, behind the other lines."""

    name: str
    unit: str
    kind: Kind
    colour: Colour
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart over time. summary: what it shows, in words."""

    title: str
    summary: str
    lines: list[ChartLine]


def power_line(series: Iterable[Series]) -> ChartLine | None:
    """Return the power of all phases in kW; None: the charge point told none (OCPP 1.6 7.31).

    The value of the whole counts; without one, those of the phases are added where each has one.
    """
    found = [one for one in series if one.key.measurand == POWER and one.key.unit in ("W", None)]
    whole = next((one for one in found if one.key.phase in _WHOLE), None)
    if whole is not None:
        points = [(point.at.timestamp(), float(point.value) / 1000) for point in whole.points]
    else:
        phases = [one for one in found if one.key.phase not in ("N", *_WHOLE)]
        values: dict[float, list[float]] = defaultdict(list)
        for one in phases:
            for point in one.points:
                values[point.at.timestamp()].append(float(point.value) / 1000)
        points = [(at, sum(each)) for at, each in sorted(values.items()) if len(each) == len(phases)]
    return None if not points else ChartLine("Power", "kW", "line", "accent", list(points))


def charge_line(series: Iterable[Series]) -> ChartLine | None:
    """Return the state of charge of the vehicle in percent; None: the charge point told none."""
    found = next((one for one in series if one.key.measurand == STATE_OF_CHARGE), None)
    if found is None:
        return None
    points: list[Point] = [(point.at.timestamp(), float(point.value)) for point in found.points]
    return ChartLine("State of charge", "%", "line", "back", points)


def energy_line(series: Iterable[Series], meter_start_wh: int | None) -> ChartLine | None:
    """Return the energy since the start in kWh; None: no sample has the register.

    Args:
        series: Of the transaction.
        meter_start_wh: The register of the start. Without it, or if the register is in another unit than it
            says, the first sample is the start.
    """
    found = next(
        (one for one in series if one.key.measurand == REGISTER and one.key.phase in _WHOLE and one.points),
        None,
    )
    if found is None:
        return None
    in_kwh = "register_in_kwh" in found.flags
    first = float(found.points[0].value)
    base = first if in_kwh or meter_start_wh is None else float(meter_start_wh)
    per_kwh = 1 if in_kwh else 1000
    points: list[Point] = [
        (point.at.timestamp(), (float(point.value) - base) / per_kwh) for point in found.points
    ]
    return ChartLine("Energy", "kWh", "line", "good", points)


def limit_line(name: str, schedule: Json, kind: Kind, colour: Colour) -> ChartLine:
    """Return the limits of a composite schedule in watts as steps in kW, with a point at its end.

    schedule: with `scheduleStart`, `duration` and periods that begin at rising times.
    """
    start = parse_time(schedule["scheduleStart"])
    if start is None:
        raise ValueError("the schedule has no start")
    begin_s = start.timestamp()
    points: list[Point] = [
        (begin_s + period["startPeriod"], _kilo(period["limit"]))
        for period in schedule["chargingSchedulePeriod"]
    ]
    if points:
        points.append((begin_s + max(schedule["duration"], 1), points[-1][1]))
    return ChartLine(name, "kW", kind, colour, points)


def cut_after(line: ChartLine, end: datetime) -> ChartLine:
    """Return a line of steps without what comes after a moment."""
    end_s = end.timestamp()
    kept = [point for point in line.points if point[0] < end_s]
    if kept:
        kept.append((end_s, kept[-1][1]))
    return ChartLine(line.name, line.unit, line.kind, line.colour, kept)


def summary_of(lines: Sequence[ChartLine]) -> str:
    """Say in words what lines show, for those who do not see them."""
    return " ".join(_said(line) for line in lines if any(value is not None for _, value in line.points))


def _said(line: ChartLine) -> str:
    values = [value for _, value in line.points if value is not None]
    words: dict[str, Callable[[], str]] = {
        "Power": lambda: f"The highest power was {max(values):.1f} kW, the last one {values[-1]:.1f} kW.",
        "Energy": lambda: f"The energy rose to {values[-1]:.2f} kWh.",
        "State of charge": lambda: f"The state of charge went from {values[0]:.0f} to {values[-1]:.0f} %.",
    }
    least, most = f"{min(values):.1f}", f"{max(values):.1f}"
    default = f"{line.name}: {least if least == most else f'{least} to {most}'} {line.unit}."
    return words[line.name]() if line.name in words else default


def _kilo(watts: float | None) -> float | None:
    return None if watts is None else watts / 1000
