"""Shapes of requests of `/v1/smart-charging/distribute`.

Internally currents are integer tenths of an ampere and powers integer tenths of a watt, as in the core.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from app.web.exact_json import Tenths
from app.web.inputs import Input, Line
from app.web.resources import Json

NODES_MAXIMUM = 1_000
SESSIONS_MAXIMUM = 5_000
YEAR_S = 31_622_400

Phase = Literal["L1", "L2", "L3"]
PhaseRotation = Literal["RST", "RTS", "SRT", "STR", "TRS", "TSR", "NotApplicable", "Unknown"]
Activity = Literal["charging", "paused", "new"]

_Amperes = Annotated[int, Tenths(0, 100_000, "A")]
_SignedAmperes = Annotated[int, Tenths(-100_000, 100_000, "A; negative: it feeds in, such as solar power")]
_Rise = Annotated[int, Tenths(0.1, 100_000, "A")]
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


class UncontrolledInput(Input):
    """The current that uncontrolled loads draw of each phase of the grid."""

    L1: _SignedAmperes
    L2: _SignedAmperes
    L3: _SignedAmperes

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
        UncontrolledInput | None,
        Field(description="What uncontrolled loads draw at this node itself, without the nodes below."),
    ] = None
    unbalance_a: Annotated[
        _Amperes | None,
        Field(
            description="The most by which the current of one phase may exceed that of another, also if the "
            "sessions on other phases stop; null: any amount."
        ),
    ] = None


class SiteReserveInput(Input):
    """A charge point that cannot be reached. It may draw as much as it last accepted."""

    id: _Id
    node: _Id
    current_a: _Amperes
    phases: _Phases = Field(default_factory=_all_phases)
    phase_rotation: _Rotation = "Unknown"


class SessionStateInput(Input):
    """The `state` of the session in the answer before, unchanged."""

    activity: Activity
    for_s: _Seconds
    connected_for_s: _Seconds
    served_s: _Seconds
    single_phase_for_s: _Seconds | None


class SiteSessionInput(Input):
    """A charging session that takes part in the distribution."""

    id: _Id
    node: Annotated[_Id, Field(description="The node that feeds the session.")]
    minimum_a: _Amperes = Field(default=6, validate_default=True)
    maximum_a: Annotated[
        int,
        Tenths(0, 100_000, "A; below the minimum the session cannot charge, and gets 0"),
    ]
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
    present_a: Annotated[
        _Amperes | None,
        Field(
            description="The limit that the charge point has accepted and follows now. It is kept if it "
            "fits and the new one is close to it (`steadiness`); null: not known."
        ),
    ] = None
    can_switch_phases: Annotated[
        bool,
        Field(
            description="Whether the charge point can switch the session to one phase "
            "(ConnectorSwitch3to1PhaseSupported). It is switched if its minimum fits on one phase only."
        ),
    ] = False
    state: Annotated[
        SessionStateInput | None,
        Field(description="null: there is none. `charging_for_s` and `paused_for_s` count more than it."),
    ] = None


class RotationInput(Input):
    """How sessions take turns when not all minima fit."""

    quantum_s: Annotated[_Seconds, Field(description="Length of a turn while others wait.")] = 900
    minimum_on_s: Annotated[_Seconds, Field(description="Shortest time that a session charges.")] = 300
    minimum_off_s: Annotated[_Seconds, Field(description="Shortest time that a session is paused.")] = 300
    minimum_single_phase_s: Annotated[
        _Seconds, Field(description="Shortest time on one phase before a session is switched back.")
    ] = 600


class SteadinessInput(Input):
    """How limits that are in force now (`present_a`) are kept steady. Falls are never delayed."""

    dead_band_a: Annotated[
        int, Tenths(0, 100_000, "A; a limit does not change by less, as far as present limits fit")
    ] = Field(default=1, validate_default=True)
    dead_band_percent: Annotated[
        int,
        Field(ge=0, le=100, description="The same in percent of the present limit. The larger one counts."),
    ] = 5
    rise_a: Annotated[
        _Rise | None,
        Field(description="The most by which a limit rises in one decision; null: any amount."),
    ] = None


class SiteQuestion(Input):
    """A site at one moment, and the sessions to distribute its power over."""

    nominal_voltage: Annotated[int, Field(ge=1, le=1_000, description="Volts between line and neutral.")] = (
        230
    )
    strict_priority: Annotated[
        bool, Field(description="True: serve a priority class in full before the next class gets its minima.")
    ] = False
    rotation: RotationInput = RotationInput()
    steadiness: SteadinessInput = SteadinessInput()
    elapsed_s: Annotated[
        _Seconds, Field(description="How long ago the answer was made that each `state` is from.")
    ] = 0
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
