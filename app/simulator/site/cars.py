"""The cars of a day: when they arrive and leave, what they need, and what they draw."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from app.simulator.site.installation import CHARGE_POINTS, VOLTAGE, SiteChargePoint

MINIMUM = 60
"""6 A. With less a car does not charge (IEC 61851-1)."""
_TAPER_PERCENT = 10
_DAY_MINUTES = 24 * 60
# Phases and tenths of an A of on-board chargers. Each entry is one of ten cars.
_ON_BOARD = ((1, 320), (1, 320), (1, 160), (2, 160), *((3, 160),) * 5, (3, 320))


@dataclass(slots=True)
class Car:
    """One visit of one car. Times are in seconds of the day, energies in tenths of a Ws.

    phases: those that both the car and the charge point have. maximum: tenths of an A that both can take.
    """

    id: str
    charge_point: SiteChargePoint
    phases: int
    maximum: int
    arrives_s: int
    departs_s: int
    wanted: int
    priority: int
    taken: int = 0
    charging_for_s: int | None = None
    paused_for_s: int | None = None
    waited_s: int = 0

    @property
    def accepts(self) -> int:
        """Return what it can take now. It takes the last tenth of its energy more slowly, down to 6 A."""
        left = self.wanted - self.taken
        tapering = self.wanted * _TAPER_PERCENT // 100
        if left >= tapering:
            return self.maximum
        return max(MINIMUM, self.maximum * left // tapering)

    @property
    def is_full(self) -> bool:
        """Say whether it has all the energy that it needs."""
        return self.taken >= self.wanted

    def is_there(self, at_s: int) -> bool:
        """Say whether it is plugged in."""
        return self.arrives_s <= at_s < self.departs_s

    def step(self, limit: int, draws: int, length_s: int) -> None:
        """Advance by one step. limit: what it may draw; draws: what it draws; both in tenths of an A."""
        self.taken += draws * self.phases * VOLTAGE * length_s
        if limit > 0:
            self.charging_for_s = (self.charging_for_s or 0) + length_s
            self.paused_for_s = None
        else:
            self.waited_s += length_s
            if self.charging_for_s is not None or self.paused_for_s is not None:
                self.paused_for_s = (self.paused_for_s or 0) + length_s
            self.charging_for_s = None


class _PlannedVisit(NamedTuple):
    """A visit that may take place. arrival: minute of the day; stay: minutes; percent: how often."""

    arrival: int
    stay: int
    percent: int


def visits(seed: int) -> list[Car]:
    """Return the cars of a day by charge point and time: commuters by day, residents by night, others."""
    dice = random.Random(f"cars-{seed}")  # noqa: S311 - a simulation, not a secret
    cars: list[Car] = []
    for charge_point in CHARGE_POINTS:
        free_from = 0
        for planned in _planned_visits(dice):
            start = max(planned.arrival, free_from)
            end = min(start + planned.stay, _DAY_MINUTES)
            if dice.randrange(100) < planned.percent and end - start >= 30:
                cars.append(_car(dice, f"car-{len(cars) + 1:03}", charge_point, start, end))
                free_from = end + 5
    return cars


def _planned_visits(dice: random.Random) -> list[_PlannedVisit]:
    return [
        _PlannedVisit(0, dice.randrange(300, 450), 45),
        _PlannedVisit(dice.randrange(420, 560), dice.randrange(180, 540), 90),
        _PlannedVisit(dice.randrange(700, 900), dice.randrange(60, 240), 60),
        _PlannedVisit(dice.randrange(1000, 1150), dice.randrange(200, 440), 85),
    ]


def _car(dice: random.Random, name: str, charge_point: SiteChargePoint, start: int, end: int) -> Car:
    phases, maximum = dice.choice(_ON_BOARD)
    kilowatt_hours = dice.randrange(6, 32) if phases > 1 else dice.randrange(4, 18)
    return Car(
        id=name,
        charge_point=charge_point,
        phases=min(phases, charge_point.phases),
        maximum=min(maximum, charge_point.maximum),
        arrives_s=start * 60,
        departs_s=end * 60,
        wanted=kilowatt_hours * 1000 * 3600 * 10,
        priority=1 if dice.randrange(20) == 0 else 0,
    )
