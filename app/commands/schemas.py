"""Shapes of REST requests and answers about commands."""

from uuid import UUID

from pydantic import Field

from app.commands.records import CommandState
from app.web.resources import Instant, Json, Resource


class CommandError(Resource):
    """Why a command has no result."""

    code: str
    description: str


class Command(Resource):
    """A CALL to a charge point, from its issue to its end and the effect that was observed after it."""

    id: UUID
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    action: str
    payload: Json = Field(description="The request as sent, without secrets.")
    state: CommandState
    created_at: Instant
    deadline_at: Instant
    timeout_s: float
    issued_by: str
    sent_at: Instant | None
    finished_at: Instant | None
    result: Json | None = Field(description="The charge point's answer.")
    error: CommandError | None
    late_result: Json | None = Field(description="An answer that came after the time-out.")
    effect: Json | None = Field(description="What followed, such as the transactionId of a remote start.")
