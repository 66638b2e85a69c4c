"""Values about uploads of diagnostics and logs. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from app.types import Json

JobKind = Literal["diagnostics", "diagnostics_log", "security_log"]
"""GetDiagnostics, or GetLog with one of its two logs."""

JobState = Literal[
    "requested",
    "accepted",
    "uploading",
    "uploaded",
    "failed",
    "rejected",
    "nothing_to_upload",
    "not_delivered",
    "superseded",
    "timed_out",
]

EventSource = Literal["server", "charge_point", "upload"]
"""The source of an event: this server, a message of the charge point, or its upload by HTTP."""

StatusAction = Literal["DiagnosticsStatusNotification", "LogStatusNotification"]


@dataclass(frozen=True, slots=True)
class DiagnosticsJob:
    """One upload that a charge point was asked for.

    Attributes:
        request_id: the requestId of GetLog; None for GetDiagnostics, which has none.
        location: of an operator, without its password; None: this server.
        upload_id: of the link that the charge point was given.
        file_name: as the charge point has announced it.
        reported_status: the last status that the charge point has sent, and when it came.
        retry_of: the job that this one repeats.
        events: what has happened, in its order.
        deadline_at: when the job counts as timed out.
        ended_at: when it has ended; None: it is open.
    """

    id: UUID
    tenant_id: int
    charge_point_id: int
    identity: str
    kind: JobKind
    state: JobState
    request_id: int | None
    location: str | None
    upload_id: UUID | None
    file_id: UUID | None
    file_name: str | None
    start_time: datetime | None
    stop_time: datetime | None
    retries: int | None
    retry_interval_s: int | None
    reported_status: str | None
    reported_at: datetime | None
    command_id: UUID | None
    retry_of: UUID | None
    requested_by: str
    events: list[Json]
    created_at: datetime
    deadline_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for an upload. location None: to this server; timeout_s None: as the server is set."""

    kind: JobKind
    location: str | None = None
    start_time: datetime | None = None
    stop_time: datetime | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """The filters of a list of jobs. None: any."""

    identity: str | None = None
    kind: JobKind | None = None
    state: JobState | None = None


class JobEvent(NamedTuple):
    """Something that has happened to a job. detail: more about it, for people."""

    status: str
    source: EventSource
    at: datetime
    detail: str | None = None


class JobChange(NamedTuple):
    """The change by an event. state None: it stays. is_report: it is a status message of the charge point."""

    event: JobEvent
    state: JobState | None = None
    file_name: str | None = None
    file_id: UUID | None = None
    is_report: bool = False


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """The last status of one kind that a charge point has sent, whether it belongs to a job or not."""

    action: StatusAction
    status: str
    request_id: int | None
    job_id: UUID | None
    received_at: datetime
