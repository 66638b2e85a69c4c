"""Shapes of `/v1/smart-charging/distribute`, in requests and answers.

Internally currents are integer tenths of an ampere and powers integer tenths of a watt, as in the core.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from app.web.exact_json import Tenths
from app.web.inputs import Input, Line
from app.web.resources import Json, Resource

NODES_MAXIMUM = 1_000
SESSIONS_MAXIMUM = 5_000
YEAR_S = 31_622_400

Phase = Literal["L1", "L2", "L3"]
PhaseRotation = Literal["RST", "RTS", "SRT", "STR", "TRS", "TSR", "NotApplicable", "Unknown"]
Quantity = Literal["L1", "L2", "L3", "power"]
ReasonKind = Literal["own_maximum", "node_limit", "waiting", "kept_for_another", "resting"]

_Amperes = Annotated[int, Tenths(0, 100_000, "A")]
_Watts = Annotated[int, Tenths(0, 1_000_000_000, "W")]
_Step = Annotated[int, Tenths(0.1, 100_000, "A; its limit is a multiple of this")]
_Weight = Annotated[int, Tenths(0.1, 1_000, "Share within the class, relative to the others")]
_Seconds = Annotated[int, Field(ge=0, le=YEAR_S)]
_Id = Annotated[Line, Field(min_length=1, max_length=100)]


def _all_phases() -> list[Phase]:
    return ["L1", "L2", "L3"]


def _different(phases: list[Phase]) -> list[Phase]:
    if len(set(phases)) < len(phases):
        raise PydanticCustomError("unique_items", "must name each phase at most once")
    return phases


_Phases = Annotated[
    list[Phase],
    AfterValidator(_different),
    Field(
        min_length=1,
        max_length=3,
        json_schema_extra={"uniqueItems": True},
        description="Terminals of the connector that the current flows through. A meter measures on the "
        "grid side: give its values with the rotation RST.",
    ),
]
_Rotation = Annotated[
    PhaseRotation,
    Field(
        description="ConnectorPhaseRotation: the phases of the grid at terminals L1, L2 and L3 (R is L1, S "
        "is L2, T is L3). Unknown and NotApplicable count on every phase."
    ),
]


class PerPhase(Input):
    """One value for each phase of the grid."""

    L1: _Amperes
    L2: _Amperes
    L3: _Amperes

    def values(self) -> tuple[int, int, int]:
        """Return the values of L1, L2 and L3 in tenths of an ampere."""
        return self.L1, self.L2, self.L3


class SiteNodeInput(Input):
    """A node that limits what flows through it: main fuse, panel, feeder, charge point or connector."""

    id: _Id
    parent: Annotated[_Id | None, Field(description="The node above it; null for the top node.")] = None
    limit_a: Annotated[PerPhase | None, Field(description="null: no limit.")] = None
    limit_w: Annotated[
        _Watts | None, Field(description="Limit of all phases together in W; null: no limit.")
    ] = None
    margin_a: _Amperes = Field(default=0, validate_default=True)
    margin_w: _Watts = Field(default=0, validate_default=True)
    uncontrolled_a: Annotated[
        PerPhase | None,
        Field(description="What uncontrolled loads draw at this node itself, without the nodes below."),
    ] = None


class SiteReserveInput(Input):
    """A charge point that cannot be reached. It may draw as much as it last accepted."""

    id: _Id
    node: _Id
    current_a: _Amperes
    phases: _Phases = Field(default_factory=_all_phases)
    phase_rotation: _Rotation = "Unknown"


class SiteSessionInput(Input):
    """A charging session that takes part in the distribution."""

    id: _Id
    node: Annotated[_Id, Field(description="The node that feeds the session.")]
    minimum_a: _Amperes = Field(default=6, validate_default=True)
    maximum_a: _Amperes
    step_a: _Step = Field(default=0.1, validate_default=True)
    phases: _Phases = Field(default_factory=_all_phases)
    phase_rotation: _Rotation = "Unknown"
    priority: Annotated[
        int, Field(ge=0, le=255, description="Priority class; a higher class is served first.")
    ] = 0
    weight: _Weight = Field(default=1, validate_default=True)
    charging_for_s: Annotated[
        _Seconds | None, Field(description="How long the session has been charging.")
    ] = None
    paused_for_s: Annotated[
        _Seconds | None, Field(description="How long the session has been paused after charging.")
    ] = None
    connected_for_s: Annotated[_Seconds, Field(description="How long the vehicle has been plugged in.")] = 0


class RotationInput(Input):
    """How sessions take turns when not all minima fit."""

    quantum_s: Annotated[_Seconds, Field(description="Length of a turn while others wait.")] = 900
    minimum_on_s: Annotated[_Seconds, Field(description="Shortest time that a session charges.")] = 300
    minimum_off_s: Annotated[_Seconds, Field(description="Shortest time that a session is paused.")] = 300


class SiteQuestion(Input):
    """A site at one moment, and the sessions to distribute its power over."""

    nominal_voltage: Annotated[int, Field(ge=1, le=1_000, description="Volts between line and neutral.")] = (
        230
    )
    strict_priority: Annotated[
        bool, Field(description="True: serve a priority class in full before the next class gets its minima.")
    ] = False
    rotation: RotationInput = RotationInput()
    nodes: Annotated[list[SiteNodeInput], Field(min_length=1, max_length=NODES_MAXIMUM)]
    reserves: Annotated[list[SiteReserveInput], Field(default_factory=list, max_length=NODES_MAXIMUM)]
    sessions: Annotated[list[SiteSessionInput], Field(max_length=SESSIONS_MAXIMUM)]

    example: ClassVar[Json] = {
        "nodes": [
            {
                "id": "site",
                "parent": None,
                "limit_a": {"L1": 63, "L2": 63, "L3": 63},
                "margin_a": 2,
                "uncontrolled_a": {"L1": 20.5, "L2": 11, "L3": 14},
            },
            {"id": "feeder-1", "parent": "site", "limit_a": {"L1": 32, "L2": 32, "L3": 32}},
        ],
        "sessions": [
            {"id": "car-1", "node": "feeder-1", "maximum_a": 16, "phase_rotation": "RST"},
            {
                "id": "car-2",
                "node": "feeder-1",
                "maximum_a": 32,
                "phases": ["L1"],
                "phase_rotation": "STR",
                "charging_for_s": 300,
            },
            {
                "id": "car-3",
                "node": "site",
                "maximum_a": 32,
                "step_a": 1,
                "phase_rotation": "RST",
                "weight": 2,
            },
        ],
    }


class ShareReason(Resource):
    """The reason why a session does not get more."""

    kind: ReasonKind = Field(
        description="own_maximum: its own maximum is reached. node_limit: `quantity` of `node` is full. "
        "waiting: its minimum does not fit there. kept_for_another: its minimum would fit, but the capacity "
        "is kept for `session`, which has waited longer. resting: it has just paused."
    )
    node: str | None
    quantity: Quantity | None
    session: str | None
    remaining_s: int | None

    example: ClassVar[Json] = {
        "kind": "node_limit",
        "node": "site",
        "quantity": "L2",
        "session": None,
        "remaining_s": None,
    }


class SessionShare(Resource):
    """The share of one session."""

    id: str
    limit_a: float = Field(description="Current on each of its phases, in A; 0: the session does not charge.")
    reason: ShareReason


class QuantityLoading(Resource):
    """How one quantity of a node is used, in A or W. The nodes below it are included."""

    limit: float | None
    margin: float
    uncontrolled: float
    reserved: float
    allocated: float
    free: float | None = Field(description="What is left of the limit; negative: the use exceeds the limit.")

    @classmethod
    def of(cls, loading: tuple[int | None, int, int, int, int]) -> Self:
        """Read the core's loading, in tenths: limit, margin, uncontrolled, reserved, allocated."""
        limit, *parts = loading
        margin, uncontrolled, reserved, allocated = (part / 10 for part in parts)
        return cls(
            limit=None if limit is None else limit / 10,
            margin=margin,
            uncontrolled=uncontrolled,
            reserved=reserved,
            allocated=allocated,
            free=None if limit is None else (limit - sum(parts)) / 10,
        )


class NodeLoading(Resource):
    """How a node is used: the current of each phase in A, and the power in W."""

    id: str
    L1: QuantityLoading
    L2: QuantityLoading
    L3: QuantityLoading
    power: QuantityLoading


def _loading_example(
    limit: float | None, margin: float, uncontrolled: float, allocated: float, free: float | None
) -> dict[str, float | None]:
    return {
        "limit": limit,
        "margin": margin,
        "uncontrolled": uncontrolled,
        "reserved": 0.0,
        "allocated": allocated,
        "free": free,
    }


class SiteDistributed(Resource):
    """The distribution of a site's power: the share of each session, and the use of each node."""

    sessions: list[SessionShare]
    nodes: list[NodeLoading]

    example: ClassVar[Json] = {
        "sessions": [
            {"id": "car-1", "limit_a": 12.5, "reason": ShareReason.example},
            {"id": "car-2", "limit_a": 12.5, "reason": ShareReason.example},
            {"id": "car-3", "limit_a": 25.0, "reason": ShareReason.example},
        ],
        "nodes": [
            {
                "id": "site",
                "L1": _loading_example(63.0, 2.0, 20.5, 37.5, 3.0),
                "L2": _loading_example(63.0, 2.0, 11.0, 50.0, 0.0),
                "L3": _loading_example(63.0, 2.0, 14.0, 37.5, 9.5),
                "power": _loading_example(None, 0.0, 10465.0, 28750.0, None),
            },
            {
                "id": "feeder-1",
                "L1": _loading_example(32.0, 0.0, 0.0, 12.5, 19.5),
                "L2": _loading_example(32.0, 0.0, 0.0, 25.0, 7.0),
                "L3": _loading_example(32.0, 0.0, 0.0, 12.5, 19.5),
                "power": _loading_example(None, 0.0, 0.0, 11500.0, None),
            },
        ],
    }
