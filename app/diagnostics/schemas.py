"""The shapes of REST requests and answers about diagnostics."""

from datetime import datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.diagnostics.records import EventSource, JobKind, JobState, StatusAction
from app.diagnostics.rules import LOCATION_LIMIT, fault_of_upload_location
from app.web.inputs import Identity, Input, Paging, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


def _location(value: str) -> str:
    fault = fault_of_upload_location(value)
    if fault is not None:
        raise ValueError(fault)
    return value


Location = Annotated[
    str,
    AfterValidator(_location),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": LOCATION_LIMIT}),
]


class DiagnosticsRequest(Input):
    """A request to a charge point for an upload."""

    kind: Annotated[
        JobKind,
        Field(
            description="`diagnostics`: GetDiagnostics; `diagnostics_log`, `security_log`: GetLog of the "
            "security extension."
        ),
    ] = "diagnostics"
    location: Annotated[
        Location | None,
        Field(
            description="A directory of yours: http, https, ftp, ftps or sftp. null: the charge point "
            "uploads to this server. A password in it is sent to the charge point, and not kept."
        ),
    ] = None
    start_time: Annotated[Time | None, Field(description="Only entries from this time on.")] = None
    stop_time: Annotated[Time | None, Field(description="Only entries up to this time.")] = None
    retries: Annotated[
        int | None, Field(ge=0, le=100, description="How often to try again; null: it decides.")
    ] = None
    retry_interval_s: Annotated[
        int | None, Field(ge=0, le=86_400, description="Seconds between two tries; null: it decides.")
    ] = None
    timeout_s: Annotated[
        int | None,
        Field(
            ge=10, le=604_800, description="Seconds until the job counts as timed out; null: of the server."
        ),
    ] = None

    example: ClassVar[Json] = {"kind": "diagnostics", "start_time": "2026-05-03T00:00:00Z", "retries": 3}

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.start_time is not None and self.stop_time is not None and self.stop_time < self.start_time:
            raise ValueError("stop_time is before start_time")
        return self


class DiagnosticsRetry(Input):
    """How to repeat a job."""

    location: Annotated[
        Location | None,
        Field(description="In place of that of the job. Needed if that one had a password: it is not kept."),
    ] = None

    example: ClassVar[Json] = {}


class DiagnosticsEvent(Resource):
    """Something that has happened to a job. One that came several times in a row is counted."""

    status: str = Field(
        description="The word of the standard if the charge point has sent it, such as `Uploading`."
    )
    source: EventSource = Field(
        description="`server`; `charge_point`: its message; `upload`: its upload by HTTP to this server."
    )
    at: datetime
    detail: str | None
    count: int
    last_at: datetime

    example: ClassVar[Json] = {
        "status": "Uploading",
        "source": "charge_point",
        "at": EXAMPLE_TIME,
        "detail": None,
        "count": 1,
        "last_at": EXAMPLE_TIME,
    }


class DiagnosticsJobShown(Resource):
    """An upload that a charge point was asked for, from the request to the file."""

    id: UUID
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    kind: JobKind
    state: JobState
    request_id: int | None = Field(description="The requestId of GetLog; null for GetDiagnostics.")
    location: str | None = Field(description="Without its password; null: this server.")
    file_id: UUID | None = Field(description="The file at `/v1/files`, when it has come to this server.")
    file_name: str | None = Field(description="As the charge point has announced it.")
    start_time: Instant | None
    stop_time: Instant | None
    retries: int | None
    retry_interval_s: int | None
    reported_status: str | None = Field(description="The last status that the charge point has sent for it.")
    reported_at: Instant | None
    command_id: UUID | None
    retry_of: UUID | None = Field(description="The job that this one repeats.")
    requested_by: str
    events: list[DiagnosticsEvent] = Field(description="At most 100.")
    created_at: Instant
    deadline_at: Instant = Field(description="When it counts as timed out.")
    ended_at: Instant | None = Field(description="null: it is open.")

    example: ClassVar[Json] = {
        "id": "7f8d1c52-0d53-4a90-9c3e-6f1d0f1c9a77",
        "charge_point": "RDAM-0123",
        "kind": "diagnostics",
        "state": "uploading",
        "request_id": None,
        "location": None,
        "file_id": None,
        "file_name": "VW22-0013377-20260504.zip",
        "start_time": None,
        "stop_time": None,
        "retries": 3,
        "retry_interval_s": None,
        "reported_status": "Uploading",
        "reported_at": EXAMPLE_TIME,
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "retry_of": None,
        "requested_by": "key:3f9c2a7d41be",
        "events": [DiagnosticsEvent.example],
        "created_at": EXAMPLE_TIME,
        "deadline_at": "2026-05-04T09:15:30.000Z",
        "ended_at": None,
    }


class DiagnosticsQuery(Paging):
    """How to narrow the list of jobs."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    kind: JobKind | SkipJsonSchema[None] = None
    state: JobState | SkipJsonSchema[None] = None


class UploadStatus(Resource):
    """The last status of one kind that a charge point has sent."""

    action: StatusAction
    status: str
    request_id: int | None
    job_id: UUID | None = Field(description="The job that it belongs to; null: it belongs to none.")
    received_at: Instant

    example: ClassVar[Json] = {
        "action": "DiagnosticsStatusNotification",
        "status": "Idle",
        "request_id": None,
        "job_id": None,
        "received_at": EXAMPLE_TIME,
    }


class UploadStatuses(Resource):
    """The last statuses of a charge point about uploads, one of each kind."""

    items: list[UploadStatus]

    example: ClassVar[Json] = {"items": [UploadStatus.example]}
