"""Shapes of REST requests and answers about commands."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.commands.records import CommandState
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class CommandError(Resource):
    """Why a command has no result."""

    code: str = Field(
        description="Code of the charge point's CALLERROR. `unreadable_answer`: its answer was damaged, or "
        "is not what the standard allows; so it may have done what was asked, or not."
    )
    description: str
    text: str | None = Field(
        default=None,
        description="Text of an unreadable answer, without secrets, cut to 1 024 bytes.",
    )


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
    late_result: Json | None = Field(description="An answer that came after the command had timed out.")
    effect: Json | None = Field(
        description="Effect of the command, such as the transactionId of a remote start."
    )

    example: ClassVar[Json] = {
        "id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "charge_point": "RDAM-0123",
        "action": "Reset",
        "payload": {"type": "Soft"},
        "state": "queued",
        "created_at": EXAMPLE_TIME,
        "deadline_at": "2026-05-04T08:16:00.000Z",
        "timeout_s": 30.0,
        "issued_by": "key:3f9c2a7d41be",
        "sent_at": None,
        "finished_at": None,
        "result": None,
        "error": None,
        "late_result": None,
        "effect": None,
    }
