"""The figures of a simulated day."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.simulator.site.day import STEP_S, Day, Step
from app.simulator.site.installation import CHARGE_POINTS, FEEDERS, PHASES, PLACES, SITE, Place


@dataclass(frozen=True, slots=True)
class Loading:
    """The load of one phase of one node in one step."""

    at_s: int
    place: Place
    phase: str
    amperes: float

    @property
    def limit(self) -> float:
        """Return the limit in amperes."""
        return self.place.limit / 10

    @property
    def share(self) -> float:
        """Return the share of the limit that is used; 1.0 is all of it."""
        return self.amperes / self.limit


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a day. A share of 1.0 is all.

    worst: by level, the main fuse first. over_limit: over all steps, nodes and phases, how often more flowed
    than the limit. scarce_steps: in how many steps a car drew less than it could have taken. lowest_used,
    mean_used: the used share of the capacity of its tightest place in these steps.
    """

    worst: tuple[Loading, Loading, Loading]
    over_limit: int
    scarce_steps: int
    lowest_used: float
    lowest_used_at_s: int
    mean_used: float
    cars_satisfied: int
    wanted_kwh: float
    delivered_kwh: float
    longest_wait_s: int


def figures(day: Day) -> Figures:
    """Compute the figures of a day."""
    loadings = [loading for step in day.steps for loading in _loadings(step)]
    used = [(share, step.at_s) for step in day.steps if (share := used_of_tightest(step)) is not None]
    lowest, lowest_at_s = min(used, default=(1.0, 0))
    return Figures(
        worst=(
            _worst(loadings, {SITE.id}),
            _worst(loadings, {feeder.id for feeder in FEEDERS}),
            _worst(loadings, {charge_point.id for charge_point in CHARGE_POINTS}),
        ),
        over_limit=sum(loading.amperes > loading.limit for loading in loadings),
        scarce_steps=len(used),
        lowest_used=lowest,
        lowest_used_at_s=lowest_at_s,
        mean_used=sum(share for share, _ in used) / len(used) if used else 1.0,
        cars_satisfied=sum(car.is_full for car in day.cars),
        wanted_kwh=_kwh(sum(car.wanted for car in day.cars)),
        delivered_kwh=_kwh(sum(car.taken for car in day.cars)),
        longest_wait_s=max((car.waited_s for car in day.cars), default=0),
    )


def used_of_tightest(step: Step) -> float | None:
    """Return the share of its capacity that the tightest place gave to cars.

    A place is one phase of one node. Its capacity is the limit less the margin and the known loads. A car
    that draws less than it can take is held back by the tightest of its places: the one with the largest used
    share. Of several such cars, the one with the smallest such share counts.

    Returns:
        The share, or None if each car drew all that it can take.
    """
    tightest = []
    for draw in step.draws:
        if draw.drawn < draw.accepts:
            flows = (step.flows[node][phase] for node, phase in draw.places)
            tightest.append(max(flow.cars / flow.capacity if flow.capacity > 0 else 1.0 for flow in flows))
    return min(tightest, default=None)


def summary(day: Day) -> str:
    """Return the figures as a few lines of text."""
    found = figures(day)
    hours = len(day.steps) * STEP_S / 3600
    levels = ("of the main fuse", "of a feeder", "of a charge point")
    return "\n".join(
        [
            f"{hours:g} h in steps of {STEP_S} s: {len(day.cars)} cars at {len(CHARGE_POINTS)} charge points",
            "worst loading:",
            *(f"  {level:18} {_told(loading)}" for level, loading in zip(levels, found.worst, strict=True)),
            f"over a limit: {found.over_limit} of "
            f"{len(day.steps) * len(PLACES) * len(PHASES)} steps x nodes x phases",
            f"capacity used: {found.lowest_used:.1%} at least ({clock(found.lowest_used_at_s)}), "
            f"{found.mean_used:.1%} on average",
            f"  of the tightest place, in {found.scarce_steps} steps with more demand than capacity",
            f"energy: {found.delivered_kwh:.0f} of {found.wanted_kwh:.0f} kWh; "
            f"{found.cars_satisfied} cars got all they wanted",
            f"longest time that one car was plugged in without current: {found.longest_wait_s // 60} min",
        ]
    )


def clock(at_s: int) -> str:
    """Return seconds of the day as hours and minutes."""
    return f"{at_s // 3600:02}:{at_s % 3600 // 60:02}"


def _told(loading: Loading) -> str:
    return (
        f"{loading.share:6.1%} ({loading.place.id} {loading.phase} at {clock(loading.at_s)}: "
        f"{loading.amperes:.1f} of {loading.limit:.0f} A)"
    )


def _worst(loadings: Iterable[Loading], nodes: set[str]) -> Loading:
    return max(
        (loading for loading in loadings if loading.place.id in nodes), key=lambda loading: loading.share
    )


def _loadings(step: Step) -> list[Loading]:
    return [
        Loading(step.at_s, place, phase, (flow.cars + flow.others) / 10)
        for place, flows in zip(PLACES, step.flows, strict=True)
        for phase, flow in zip(PHASES, flows, strict=True)
    ]


def _kwh(tenths_of_ws: int) -> float:
    return tenths_of_ws / 36_000_000
