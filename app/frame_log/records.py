"""Values about the frame log. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.types import Json

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of the frame log. Secrets are removed from `text`.

    run_at: the time of the last frame of its run, the row that it is stored in.
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
    """Narrows a list of frames.

    action: finds CALLs only, because results do not have an action; message_id: finds a CALL and its answer.
    """

    direction: Direction | None = None
    action: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    message_id: str | None = None
