"""Events of commands, and of bulks of them."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json


class _Command(Payload):
    id: UUID
    action: str
    state: str = Field(description="As in the resource of the command.")
    created_at: Instant
    sent_at: Instant | None
    finished_at: Instant | None
    issued_by: str
    error: Json | None
    effect: Json | None = Field(description="What was observed after the command.")
    bulk_id: UUID | None

    example: ClassVar[Json] = {
        "id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "action": "Reset",
        "state": "accepted",
        "created_at": EXAMPLE_TIME,
        "sent_at": EXAMPLE_TIME,
        "finished_at": EXAMPLE_TIME,
        "issued_by": "key:3f9c2a7d41be",
        "error": None,
        "effect": None,
        "bulk_id": None,
    }


class CommandStateChangedEvent(_Command):
    """A command was recorded, or is in another state. `GET /v1/commands/{id}` has the answer in full."""

    type = "command.state_changed"


class CommandEffectObservedEvent(_Command):
    """The effect of a command was observed, or nothing followed it in time (`no_effect`)."""

    type = "command.effect_observed"

    example: ClassVar[Json] = {**_Command.example, "effect": {"observed": "booted"}}


class BulkCommandChangedEvent(Payload):
    """A bulk of commands was issued, was cancelled, or has ended.

    Its commands tell their own events, with its id as `bulk_id`.
    """

    type = "bulk_command.changed"

    id: UUID
    action: str
    state: str = Field(description="As in the resource of the bulk.")
    total: int = Field(description="Charge points when it was issued.")
    created_at: Instant
    cancelled_at: Instant | None
    ended_at: Instant | None
    issued_by: str

    example: ClassVar[Json] = {
        "id": "0b5f5f8e-3d2a-4a0e-8c55-0c7c7f6c9a10",
        "action": "ChangeConfiguration",
        "state": "ended",
        "total": 240,
        "created_at": EXAMPLE_TIME,
        "cancelled_at": None,
        "ended_at": EXAMPLE_TIME,
        "issued_by": "key:3f9c2a7d41be",
    }
