"""Meter values as series: one for each measurand, phase, location and unit. OCPP 1.6 7.43, 7.45

Nothing is corrected: a value that is not a number is counted, and an odd register gets a flag.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from app.clock import microseconds_of, moment_of
from app.quirks.records import NO_HABITS, Habits
from app.transactions.rules.registers import REGISTER, energy_unit

Aggregate = Literal["last", "mean"]
SeriesFlag = Literal["register_restarted", "register_in_kwh"]

LEAST_COMPARED_WH: Final = 10_000
"""A register below this tells nothing about units: a meter that restarted shows such values in Wh, too."""
_DEFAULT_LOCATION: Final = "Outlet"
_BASE_UNITS: Final = {"kWh": "Wh", "kvarh": "varh", "kW": "W", "kVA": "VA", "kvar": "var"}
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST_NUMBER: Final = 28
"""Decimals of this length are computed exactly."""
_TOO_LARGE: Final = Decimal("1e15")
_STEP_OF_MEANS: Final = Decimal("0.000001")


class SeriesKey(NamedTuple):
    """Names one series. phase None: all phases together; unit None: the charge point told none."""

    measurand: str
    phase: str | None
    location: str
    unit: str | None

    @property
    def is_register(self) -> bool:
        """Whether its values are those of a meter that only counts up."""
        return self.measurand.endswith(".Register")


class Point(NamedTuple):
    """One value of a series."""

    at: datetime
    value: Decimal


class Series(NamedTuple):
    """One series in the order of time. aggregate: how values of one bucket became one; None: no buckets."""

    key: SeriesKey
    aggregate: Aggregate | None
    flags: list[SeriesFlag]
    points: list[Point]


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which series are asked for. every_s: seconds of a bucket; None: every value is a point."""

    measurand: str | None = None
    phase: str | None = None
    location: str | None = None
    every_s: int | None = None

    def includes(self, key: SeriesKey) -> bool:
        """Tell whether a series is asked for."""
        return (
            self.measurand in (None, key.measurand)
            and self.phase in (None, key.phase)
            and self.location in (None, key.location)
        )


def key_of(sampled: Any, habits: Habits = NO_HABITS) -> tuple[SeriesKey, bool] | None:
    """Return the series of a `sampledValue`, and whether its value counts thousands of the series' unit.

    None: it cannot be read. A missing unit is Wh if an energy is measured, unless the habits of the charge
    point say otherwise.
    """
    if not isinstance(sampled, dict):
        return None
    names = [sampled.get(name) or "" for name in ("measurand", "phase", "location", "unit")]
    if not all(isinstance(name, str) for name in names):
        return None
    measurand, phase, location, unit = names
    measurand = measurand or REGISTER
    if measurand.startswith("Energy."):
        unit = energy_unit(unit, habits)
    base_unit = _BASE_UNITS.get(unit, unit)
    key = SeriesKey(measurand, phase or None, location or _DEFAULT_LOCATION, base_unit or None)
    return key, base_unit != unit


def number_of(sampled: dict[str, Any]) -> Decimal | None:
    """Return the value of a `sampledValue`, exactly; None: it is signed, cannot be read, or is absurd."""
    value = sampled.get("value")
    if sampled.get("format") == "SignedData" or isinstance(value, bool):
        return None
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number) < _TOO_LARGE else None


def shows_kwh(value: Decimal | None, register_wh: int | None) -> bool:
    """Tell whether a register that says Wh, or nothing, is in kWh.

    It is if it lies within 1 of a thousandth of the register that the start or the stop told, which OCPP 1.6
    has in Wh (4.8, 4.10). A register below 10 000 Wh is not compared.

    Args:
        value: What the sample says.
        register_wh: The register of the start, if the sample is the first, or of the stop, if it is the last.
    """
    if value is None or register_wh is None or register_wh < LEAST_COMPARED_WH:
        return False
    return abs(value - Decimal(register_wh) / 1000) <= 1


class SeriesCollector:
    """Collects series from meter values that are added in the order of their time."""

    __slots__ = ("_habits", "_request", "_series", "left_out", "points")

    def __init__(self, request: SeriesRequest, habits: Habits = NO_HABITS) -> None:
        """habits: of the charge point."""
        self._request = request
        self._habits = habits
        self._series: dict[SeriesKey, _GrowingSeries] = {}
        self.left_out = 0
        """Values that were asked for and are not numbers."""
        self.points = 0

    def add(self, at: datetime, sampled_values: Iterable[Any]) -> None:
        """Add the `sampledValue` objects of one moment, which is not before the one added last."""
        for sampled in sampled_values:
            found = key_of(sampled, self._habits)
            if found is None:
                self.left_out += 1
                continue
            key, in_thousands = found
            if not self._request.includes(key):
                continue
            number = number_of(sampled)
            if number is None:
                self.left_out += 1
                continue
            if key not in self._series:
                self._series[key] = _GrowingSeries(key, self._request.every_s)
            self.points += self._series[key].add(at, number, in_thousands=in_thousands)

    def series(self, meter_start_wh: int | None, meter_stop_wh: int | None) -> list[Series]:
        """Return the series, by name. The registers are those that start and stop told."""
        ordered = sorted(self._series.items(), key=lambda item: [name or "" for name in item[0]])
        return [
            Series(
                key, growing.aggregate, self._flags(growing, meter_start_wh, meter_stop_wh), growing.points
            )
            for key, growing in ordered
        ]

    def _flags(
        self, growing: "_GrowingSeries", meter_start_wh: int | None, meter_stop_wh: int | None
    ) -> list[SeriesFlag]:
        """Return what is odd about a series. The register of a session meter may begin again."""
        flags = growing.flags(meter_start_wh, meter_stop_wh)
        return [flag for flag in flags if flag != "register_restarted" or not self._habits.session_meter]


class _GrowingSeries:
    """One series. Of several values at one time the highest counts as the last."""

    __slots__ = (
        "_at",
        "_before",
        "_bucket",
        "_count",
        "_every_us",
        "_first_in_units",
        "_key",
        "_last",
        "_last_in_units",
        "_restarted",
        "_same_time",
        "_total",
        "points",
    )

    def __init__(self, key: SeriesKey, every_s: int | None) -> None:
        self._key = key
        self._every_us = None if every_s is None else every_s * 1_000_000
        self.points: list[Point] = []
        self._at: datetime | None = None
        self._same_time: set[Decimal] = set()
        self._before: Decimal | None = None
        self._last = Decimal(0)
        self._restarted = False
        self._first_in_units: Decimal | None = None
        self._last_in_units: Decimal | None = None
        self._bucket: int | None = None
        self._total = Decimal(0)
        self._count = 0

    @property
    def aggregate(self) -> Aggregate | None:
        """How values of one bucket become one."""
        if self._every_us is None:
            return None
        return "last" if self._key.is_register else "mean"

    def add(self, at: datetime, number: Decimal, *, in_thousands: bool) -> int:
        """Add a value, and return how many points that adds. A value that came twice is added once."""
        value = number.scaleb(3) if in_thousands else number
        if at != self._at:
            self._before = None if self._at is None else self._last
            self._at, self._last, self._same_time = at, value, {value}
        elif value in self._same_time:
            return 0
        else:
            self._last = max(self._last, value)
            self._same_time.add(value)
        if self._before is not None and value < self._before:
            self._restarted = True
        if not in_thousands:
            self._last_in_units = value
            if self._first_in_units is None:
                self._first_in_units = value
        before = len(self.points)
        self._add_point(at, value)
        return len(self.points) - before

    def flags(self, meter_start_wh: int | None, meter_stop_wh: int | None) -> list[SeriesFlag]:
        """Return what is odd about the series, if it is a register."""
        flags: list[SeriesFlag] = []
        if self._key.is_register and self._restarted:
            flags.append("register_restarted")
        if self._key.measurand == REGISTER and self._key.phase is None and self._key.unit == "Wh":
            ends = ((self._first_in_units, meter_start_wh), (self._last_in_units, meter_stop_wh))
            if any(shows_kwh(*end) for end in ends):
                flags.append("register_in_kwh")
        return flags

    def _add_point(self, at: datetime, value: Decimal) -> None:
        if self._every_us is None:
            self.points.append(Point(at, value))
            return
        bucket = microseconds_of(at) // self._every_us
        if bucket != self._bucket:
            self._bucket, self._total, self._count = bucket, Decimal(0), 0
        else:
            self.points.pop()
        self._total += value
        self._count += 1
        if self.aggregate == "last":
            self.points.append(Point(at, self._last))
        else:
            mean = (self._total / self._count).quantize(_STEP_OF_MEANS)
            self.points.append(Point(moment_of(bucket * self._every_us), mean))
