"""Shapes of REST requests and answers about bulks of commands."""

import json
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.bulk_commands.records import Bulk, BulkRequest, BulkState
from app.bulk_commands.rules import state_of
from app.charge_points.schemas import ChargePointSelector
from app.commands.records import CommandRequest, CommandState, WhenOffline
from app.web.inputs import ActionText, Identity, Input, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class BulkCommandCreate(Input):
    """One command to many charge points: either `charge_points` or `filter` says to which."""

    action: ActionText
    payload: Annotated[Json, Field(description="The OCPP request, with the names of the standard.")] = {}  # noqa: RUF012 - pydantic copies it
    charge_points: Annotated[
        list[Identity] | None,
        Field(min_length=1, description="Identities: at most the server's command_bulk_limit."),
    ] = None
    filter: Annotated[
        ChargePointSelector | None,
        Field(description="Finds the charge points once, when the bulk is issued. Empty: all."),
    ] = None
    timeout_s: Annotated[
        int | None, Field(ge=1, description="Seconds that each charge point has for its answer.")
    ] = None
    when_offline: Annotated[
        WhenOffline,
        Field(description="Whether charge points that are not connected get it when they connect."),
    ] = "fail"
    expires_in: Annotated[int | None, Field(ge=1, description="Seconds until what waits expires.")] = None
    expires_at: Annotated[Time | None, Field(description="When what waits expires.")] = None
    not_before: Annotated[Time | None, Field(description="Send it at this time.")] = None

    example: ClassVar[Json] = {
        "action": "ChangeConfiguration",
        "payload": {"key": "HeartbeatInterval", "value": "600"},
        "filter": {"prefix": "RDAM-"},
        "when_offline": "queue",
        "expires_in": 86400,
    }

    def request(self, issued_by: str, idempotency_key: str | None) -> BulkRequest:
        """Return the request for the bulk."""
        command = CommandRequest(
            identity="",
            action=self.action,
            # The core judges it, and names an integer that is too large for any field.
            payload_text=json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")),
            issued_by=issued_by,
            timeout_s=self.timeout_s,
            idempotency_key=idempotency_key,
            when_offline=self.when_offline,
            not_before=self.not_before,
            expires_in_s=self.expires_in,
            expires_at=self.expires_at,
        )
        if self.filter is None:
            return BulkRequest(command, tuple(self.charge_points or ()))
        return BulkRequest(command, self.filter.filters(), self.filter.stored())

    @model_validator(mode="after")
    def _name_targets_once(self) -> Self:
        if (self.charge_points is None) == (self.filter is None):
            raise ValueError("needs either charge_points or filter")
        return self


class BulkCommand(Resource):
    """One command to many charge points, and how far it is."""

    id: UUID
    action: str
    payload: Json = Field(description="The request as sent, without secrets.")
    state: BulkState = Field(
        description="`running`: some of its commands are open. `ended`: all have ended. `cancelled`: it was "
        "cancelled; commands that were sent before may still be open."
    )
    total: int = Field(description="Charge points when it was issued.")
    counts: dict[CommandState, int] = Field(
        description="Its commands by state. Those of charge points that were deleted since are not counted. "
        "`GET /v1/commands?bulk_id=` lists them."
    )
    filter: Json | None = Field(
        description="The filter that found the charge points; null: they were listed."
    )
    when_offline: WhenOffline
    timeout_s: float
    not_before: Instant | None
    deadline_at: Instant = Field(description="What was not sent by then expires.")
    created_at: Instant
    cancelled_at: Instant | None
    ended_at: Instant | None
    issued_by: str

    example: ClassVar[Json] = {
        "id": "0b5f5f8e-3d2a-4a0e-8c55-0c7c7f6c9a10",
        "action": "ChangeConfiguration",
        "payload": {"key": "HeartbeatInterval", "value": "600"},
        "state": "running",
        "total": 240,
        "counts": {"waiting": 190, "sent": 12, "accepted": 38},
        "filter": {"prefix": "RDAM-"},
        "when_offline": "queue",
        "timeout_s": 30.0,
        "not_before": None,
        "deadline_at": "2026-05-05T08:15:30.000Z",
        "created_at": EXAMPLE_TIME,
        "cancelled_at": None,
        "ended_at": None,
        "issued_by": "key:3f9c2a7d41be",
    }

    @classmethod
    def of(cls, bulk: Bulk) -> Self:
        """Return the resource of a bulk."""
        names = cls.model_fields.keys() - {"state", "counts"}
        values = {name: getattr(bulk.record, name) for name in names}
        return cls(state=state_of(bulk), counts=dict(bulk.counts), **values)
