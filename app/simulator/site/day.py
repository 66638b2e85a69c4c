"""Runs the day step by step: measure, distribute, let the cars draw, record what flowed."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.ocpp import SiteNode, SiteSession, distribute_site
from app.simulator.site.cars import MINIMUM, Car, visits
from app.simulator.site.installation import PHASES, PLACES, VOLTAGE, PerPhase, above, grid_phases
from app.simulator.site.load import loads

STEP_S = 60
_NOTHING: PerPhase = (0, 0, 0)
_INDEX = {place.id: index for index, place in enumerate(PLACES)}
# By place: its index and those of all above it.
_PATHS = {place.id: tuple(_INDEX[node] for node in above(place.id)) for place in PLACES}


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow through one phase of one node in one step, in tenths of an A.

    capacity: what the distributor could give to cars there. cars: what they drew. others: what other loads
    drew.
    """

    capacity: int
    cars: int
    others: int


@dataclass(frozen=True, slots=True)
class Draw:
    """One car in one step, in tenths of an A. accepts: what it could have taken; limit: what it was given.

    places: index of the node and phase of each place that it draws through.
    """

    car: str
    accepts: int
    limit: int
    drawn: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. flows: by node in the order of `PLACES`, by phase; draws: of the cars that want to charge."""

    at_s: int
    flows: tuple[tuple[Flow, Flow, Flow], ...]
    draws: tuple[Draw, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A whole run."""

    cars: list[Car]
    steps: list[Step]


def run_day(seed: int = 1, hours: int = 24) -> Day:
    """Simulate the hours after midnight. The same seed gives the same day."""
    cars = visits(seed)
    measured: dict[str, PerPhase] | None = None
    steps = []
    for at_s, real in zip(range(0, hours * 3600, STEP_S), loads(seed, STEP_S), strict=False):
        # Measurements are one step old, except in the first step.
        steps.append(_step(at_s, cars, measured or real, real))
        measured = real
    return Day(cars, steps)


def _step(at_s: int, cars: Sequence[Car], measured: dict[str, PerPhase], real: dict[str, PerPhase]) -> Step:
    waiting = [car for car in cars if car.is_there(at_s) and not car.is_full]
    nodes = [place.node(measured.get(place.id, _NOTHING)) for place in PLACES]
    limits = _distribute(nodes, waiting, at_s)
    draws = tuple(_draw(car, limit) for car, limit in zip(waiting, limits, strict=True))
    for car, draw in zip(waiting, draws, strict=True):
        car.step(draw.limit, draw.drawn, STEP_S)
    return Step(at_s, _flows(draws, measured, real), draws)


def _draw(car: Car, limit: int) -> Draw:
    accepts = car.accepts
    phases = grid_phases(car.charge_point.rotation, car.phases)
    places = tuple((place, phase) for place in _PATHS[car.charge_point.id] for phase in phases)
    return Draw(car.id, accepts, limit, min(limit, accepts), places)


def _distribute(nodes: list[SiteNode], cars: Sequence[Car], at_s: int) -> list[int]:
    sessions = [
        SiteSession(
            car.id,
            car.charge_point.id,
            MINIMUM,
            _rounded_up(car.accepts, car.charge_point.step),
            PHASES[: car.phases],
            car.charge_point.rotation,
            step_a=car.charge_point.step,
            priority=car.priority,
            charging_for_s=car.charging_for_s,
            paused_for_s=car.paused_for_s,
            connected_for_s=at_s - car.arrives_s,
        )
        for car in cars
    ]
    found = distribute_site(nodes, sessions, nominal_voltage=VOLTAGE)
    if found.faults:
        raise ValueError(f"the installation is not a site: {found.faults[0].pointer} {found.faults[0].code}")
    return found.limits_a


def _rounded_up(current: int, step: int) -> int:
    return -(-current // step) * step


def _flows(
    draws: Sequence[Draw], measured: dict[str, PerPhase], real: dict[str, PerPhase]
) -> tuple[tuple[Flow, Flow, Flow], ...]:
    """Compute the flows from what was drawn. Nothing here comes from the distributor."""
    known, others, cars = _sums(measured), _sums(real), [[0, 0, 0] for _ in PLACES]
    for draw in draws:
        for node, phase in draw.places:
            cars[node][phase] += draw.drawn
    flows = []
    for index, place in enumerate(PLACES):
        one, two, three = (
            Flow(place.limit - place.margin - known[index][phase], cars[index][phase], others[index][phase])
            for phase in range(3)
        )
        flows.append((one, two, three))
    return tuple(flows)


def _sums(amounts: dict[str, PerPhase]) -> list[list[int]]:
    """Return the flow through each node, in the order of `PLACES`: its own draws and those below it."""
    sums = [[0, 0, 0] for _ in PLACES]
    for node, drawn in amounts.items():
        for place in _PATHS[node]:
            for phase in range(3):
                sums[place][phase] += drawn[phase]
    return sums
