"""Shapes of REST requests and answers about the frame log."""

from pydantic import Field

from app.frame_log.records import Direction
from app.web.resources import Instant, Json, Resource


class Frame(Resource):
    """One frame of the frame log. Secrets are out of `text`."""

    at: Instant
    direction: Direction = Field(description="`in`: from the charge point.")
    text: str
    deviations: list[Json] | None = Field(description="Departures from the standard that were mended.")
    connection_id: str
