"""Shapes of answers of `/v1/smart-charging/distribute`."""

from typing import ClassVar, Literal, Self

from pydantic import Field

from app.smart_charging.schemas.distribution import Activity, Phase
from app.web.resources import Json, Resource

Quantity = Literal["L1", "L2", "L3", "power", "unbalance_L1", "unbalance_L2", "unbalance_L3"]
ReasonKind = Literal[
    "own_maximum", "node_limit", "waiting", "kept_for_another", "resting", "held", "cannot_charge"
]


class ShareReason(Resource):
    """The reason why a session does not get more."""

    kind: ReasonKind = Field(
        description="own_maximum: its own maximum is reached. node_limit: `quantity` of `node` is full. "
        "waiting: its minimum does not fit there. kept_for_another: its minimum would fit, but the capacity "
        "is kept for `session`, which has waited longer. resting: it has just paused. held: its limit stays, "
        "or rises in steps, to be steady. cannot_charge: its maximum is below its minimum, or no multiple of "
        "its step is between them."
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


class SessionState(Resource):
    """The state of a session for the next decision. Send it back as it is, with `elapsed_s`."""

    activity: Activity
    for_s: int = Field(description="How long the activity has lasted.")
    connected_for_s: int
    served_s: int = Field(
        description="How much longer the session has charged than others of its class. If not all minima "
        "fit, the session that was served least comes first."
    )
    single_phase_for_s: int | None = Field(description="null: the session is not switched to one phase.")

    example: ClassVar[Json] = {
        "activity": "charging",
        "for_s": 0,
        "connected_for_s": 0,
        "served_s": 0,
        "single_phase_for_s": None,
    }


class SessionShare(Resource):
    """The share of one session."""

    id: str
    limit_a: float = Field(description="Current on each of its phases, in A; 0: the session does not charge.")
    phases: list[Phase] = Field(
        description="Terminals that the current flows through. One instead of several: the session is to be "
        "switched to one phase."
    )
    reason: ShareReason
    warning: Literal["below_signalled_minimum"] | None = Field(
        description="The limit is below 6 A, which cannot be signalled to a vehicle, so it pauses."
    )
    state: SessionState


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


class Unbalance(Resource):
    """By how much each phase may exceed the others, in A, if the sessions on the others stop.

    Sessions on all three phases do not count.
    """

    L1: QuantityLoading
    L2: QuantityLoading
    L3: QuantityLoading


class NodeLoading(Resource):
    """How a node is used: the current of each phase in A, and the power in W."""

    id: str
    L1: QuantityLoading
    L2: QuantityLoading
    L3: QuantityLoading
    power: QuantityLoading
    unbalance: Unbalance | None = Field(description="null: the node does not limit it.")


class Overload(Resource):
    """A limit that is exceeded whatever sessions get: by uncontrolled loads and reserves, or by feed-in."""

    node: str
    quantity: Quantity
    excess: float = Field(description="By how much the limit is exceeded, in A or W.")

    example: ClassVar[Json] = {"node": "feeder-2", "quantity": "L1", "excess": 3.5}


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


def _share_example(name: str, limit: float, phases: list[Phase]) -> Json:
    return {
        "id": name,
        "limit_a": limit,
        "phases": phases,
        "reason": ShareReason.example,
        "warning": None,
        "state": SessionState.example,
    }


class SiteDistributed(Resource):
    """The distribution of a site's power: the share of each session, and the use of each node."""

    sessions: list[SessionShare]
    nodes: list[NodeLoading]
    overloads: list[Overload]

    example: ClassVar[Json] = {
        "sessions": [
            _share_example("car-1", 12.5, ["L1", "L2", "L3"]),
            {
                **_share_example("car-2", 12.5, ["L1"]),
                "state": {**SessionState.example, "for_s": 300},
            },
            _share_example("car-3", 25.0, ["L1", "L2", "L3"]),
        ],
        "nodes": [
            {
                "id": "site",
                "L1": _loading_example(63.0, 2.0, 20.5, 37.5, 3.0),
                "L2": _loading_example(63.0, 2.0, 11.0, 50.0, 0.0),
                "L3": _loading_example(63.0, 2.0, 14.0, 37.5, 9.5),
                "power": _loading_example(None, 0.0, 10465.0, 28750.0, None),
                "unbalance": None,
            },
            {
                "id": "feeder-1",
                "L1": _loading_example(32.0, 0.0, 0.0, 12.5, 19.5),
                "L2": _loading_example(32.0, 0.0, 0.0, 25.0, 7.0),
                "L3": _loading_example(32.0, 0.0, 0.0, 12.5, 19.5),
                "power": _loading_example(None, 0.0, 0.0, 11500.0, None),
                "unbalance": None,
            },
        ],
        "overloads": [],
    }
