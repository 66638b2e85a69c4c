"""The shapes of REST requests and answers about the frame log."""

from typing import ClassVar

from pydantic import Field

from app.frame_log.records import Direction
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class Frame(Resource):
    """One frame of the frame log. Secrets are removed from `text`."""

    at: Instant
    direction: Direction = Field(description="`in`: from the charge point.")
    text: str
    deviations: list[Json] | None = Field(description="Departures from the standard that were tolerated.")
    connection_id: str

    example: ClassVar[Json] = {
        "at": EXAMPLE_TIME,
        "direction": "in",
        "text": '[2,"19223201","Heartbeat",{}]',
        "deviations": None,
        "connection_id": "c1b7d0ce",
    }
