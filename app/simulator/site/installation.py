"""The installation: a main fuse, four feeders, forty charge points of mixed phases. In tenths of an A."""

from dataclasses import dataclass
from typing import Literal

from app.ocpp import SiteNode

Phase = Literal["L1", "L2", "L3"]
Rotation = Literal["RST", "STR", "TRS"]
PerPhase = tuple[int, int, int]

VOLTAGE = 230
ROTATIONS: tuple[Rotation, ...] = ("RST", "STR", "TRS")
PHASES: tuple[Phase, ...] = ("L1", "L2", "L3")
_CHARGE_POINTS_OF_A_FEEDER = 10


@dataclass(frozen=True, slots=True)
class Place:
    """One node of the tree. margin: covers how much loads can change within one step, on each phase."""

    id: str
    parent: str | None
    limit: int
    margin: int = 0

    def node(self, uncontrolled: PerPhase) -> SiteNode:
        """Return the node in the form of the distributor. uncontrolled: what other loads than cars draw."""
        limits = (self.limit, self.limit, self.limit)
        return SiteNode(self.id, self.parent, limits, margin_a=self.margin, uncontrolled_a=uncontrolled)


@dataclass(frozen=True, slots=True)
class SiteChargePoint:
    """One charge point with one connector. phases: how many it has. step: its limits are multiples of it."""

    id: str
    feeder: str
    phases: int
    maximum: int
    step: int
    rotation: Rotation


SITE = Place("site", None, 2500, margin=40)
FEEDERS = (
    Place("feeder-a", "site", 1000, margin=25),
    Place("feeder-b", "site", 800, margin=25),
    Place("feeder-c", "site", 800, margin=25),
    Place("feeder-d", "site", 500, margin=25),
)


def _charge_point(number: int) -> SiteChargePoint:
    """Return a charge point: of ten, 6 have 3 phases and 32 A, 2 have 3 and 16 A, 2 have 1 and 32 A."""
    feeder = FEEDERS[(number - 1) // _CHARGE_POINTS_OF_A_FEEDER]
    place = (number - 1) % _CHARGE_POINTS_OF_A_FEEDER
    return SiteChargePoint(
        id=f"cp-{number:02}",
        feeder=feeder.id,
        phases=1 if place >= 8 else 3,
        maximum=160 if place in (6, 7) else 320,
        step=10 if place % 4 == 1 else 1,
        rotation=ROTATIONS[number % 3],
    )


CHARGE_POINTS = tuple(_charge_point(number) for number in range(1, 41))
PLACES: tuple[Place, ...] = (
    SITE,
    *FEEDERS,
    *(Place(each.id, each.feeder, each.maximum) for each in CHARGE_POINTS),
)


def above(place: str) -> tuple[str, ...]:
    """Return a node and all above it, the main fuse last."""
    parents = {each.id: each.parent for each in PLACES}
    path = [place]
    while (parent := parents[path[-1]]) is not None:
        path.append(parent)
    return tuple(path)


def grid_phases(rotation: Rotation, terminals: int) -> tuple[int, ...]:
    """Return the indices of the grid's phases at the first terminals of a connector."""
    return tuple("RST".index(letter) for letter in rotation[:terminals])
