"""The frame log as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.types import Json

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of the frame log; secrets are already out of `text`.

    run_at: when the last frame that was kept together with this one came.
    """

    id: int
    run_at: datetime
    charge_point_id: int
    at: datetime
    direction: Direction
    text: str
    deviations: list[Json] | None
    connection_id: str


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """action: finds the CALLs of that action; results carry no action."""

    direction: Direction | None = None
    action: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
