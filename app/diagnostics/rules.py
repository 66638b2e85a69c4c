"""Decisions about uploads of diagnostics and logs: what is asked, and what a message or an upload means."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

from app.clock import utc_text
from app.commands.locations import fault_of_location
from app.commands.rules import REDACTED, Outcome
from app.diagnostics.records import (
    DiagnosticsJob,
    EventSource,
    JobChange,
    JobEvent,
    JobKind,
    JobRequest,
    JobState,
)
from app.types import Json

LOCATION_LIMIT: Final = 512
"""Most characters of a location (whitepaper 6.12)."""
EVENTS_LIMIT: Final = 100
"""Most events of a job. A charge point may repeat its statuses without end."""
LATE: Final = timedelta(hours=1)
"""How long after its end a job gets statuses that name no job: a file may come before its status."""

OPEN_STATES: Final[tuple[JobState, ...]] = ("requested", "accepted", "uploading")
_NOT_WORKED_ON: Final[tuple[JobState, ...]] = ("not_delivered", "rejected", "superseded")
"""The ends of a job on which the charge point did not begin, or which it has given up."""
ACTIONS: Final[dict[JobKind, str]] = {
    "diagnostics": "GetDiagnostics",
    "diagnostics_log": "GetLog",
    "security_log": "GetLog",
}
_LOG_TYPES: Final[dict[JobKind, str]] = {"diagnostics_log": "DiagnosticsLog", "security_log": "SecurityLog"}
_KINDS: Final[dict[str, JobKind]] = {value: kind for kind, value in _LOG_TYPES.items()}
_FAILED: Final = frozenset(
    {"UploadFailed", "UploadFailure", "BadMessage", "NotSupportedOperation", "PermissionDenied"}
)
_KEY: Final = "diagnostics:"
"""Begins the idempotency key of the command of a job."""


def fault_of_upload_location(location: str) -> str | None:
    """Return what is wrong with a location of an operator; None: nothing."""
    if len(location) > LOCATION_LIMIT:
        return f"has more than {LOCATION_LIMIT} characters"
    fault = fault_of_location(location)
    return None if fault is None else fault.detail


def needs_location(job: DiagnosticsJob) -> bool:
    """Tell whether a job cannot be repeated as it is, because its password or token was not kept."""
    return job.location is not None and REDACTED in job.location


def payload_of(request: JobRequest, location: str, request_id: int | None) -> Json:
    """Return the payload of the command that asks for an upload (OCPP 1.6 6.25, whitepaper 5.9)."""
    payload: Json = {}
    if request.retries is not None:
        payload["retries"] = request.retries
    if request.retry_interval_s is not None:
        payload["retryInterval"] = request.retry_interval_s
    start, stop = ("startTime", "stopTime")
    place = payload
    if request.kind == "diagnostics":
        payload["location"] = location
    else:
        start, stop = ("oldestTimestamp", "latestTimestamp")
        place = {"remoteLocation": location}
        payload |= {"logType": _LOG_TYPES[request.kind], "requestId": request_id, "log": place}
    for name, moment in ((start, request.start_time), (stop, request.stop_time)):
        if moment is not None:
            place[name] = utc_text(moment)
    return payload


def request_of_payload(action: str, payload: Json) -> tuple[JobKind, str, int | None] | None:
    """Return kind, location and requestId of a command that was issued by itself; None: it is unreadable."""
    if action == "GetDiagnostics":
        return "diagnostics", str(payload.get("location", "")), None
    kind, log = _KINDS.get(str(payload.get("logType"))), payload.get("log")
    if kind is None or not isinstance(log, dict):
        return None
    return kind, str(log.get("remoteLocation", "")), payload.get("requestId")


def command_key(job_id: UUID) -> str:
    """Return the idempotency key of the command of a job."""
    return f"{_KEY}{job_id}"


def job_of_key(key: str | None) -> UUID | None:
    """Return the job that an idempotency key names; None: it names none."""
    if key is None or not key.startswith(_KEY):
        return None
    try:
        return UUID(key.removeprefix(_KEY))
    except ValueError:
        return None


def after_answer(kind: JobKind, outcome: Outcome, at: datetime) -> JobChange:
    """Return what the end of the command means for its job."""

    def change(state: JobState | None, detail: str | None = None, name: str | None = None) -> JobChange:
        source: EventSource = "charge_point" if outcome.answered else "server"
        return JobChange(JobEvent(outcome.status or outcome.state, source, at, detail), state, name)

    result = outcome.result or {}
    name = result.get("fileName") or result.get("filename")
    error = outcome.error or {}
    detail = error.get("description") or error.get("code")
    match outcome.state:
        case "accepted" if kind == "diagnostics" and not name:
            return change("nothing_to_upload", "It has announced no file.")
        case "accepted":
            return change("accepted", None, name)
        case "rejected":
            return change("rejected")
        case "call_error":
            return change(None if outcome.is_in_doubt else "rejected", detail)
        case "timed_out" | "connection_lost":
            # It may have got the request: the upload or the deadline will tell.
            return change(None)
        case "offline" | "expired" | "cancelled":
            return change("not_delivered")
        case "waiting" | "queued" | "sent":
            raise ValueError(f"{outcome.state} is not the end of a command")
        case _:
            assert_never(outcome.state)


def after_status(job: DiagnosticsJob, status: str, at: datetime) -> JobChange:
    """Return what a status of the charge point means for its job (OCPP 1.6 7.24, whitepaper 6.17).

    A job whose file is here stays uploaded. One that should bring its file here is not uploaded before.
    """
    event = JobEvent(status, "charge_point", at)
    if job.file_id is not None or job.state == "superseded" or status == "Idle":
        return JobChange(event, is_report=True)
    if status in _FAILED:
        return JobChange(event, "failed", is_report=True)
    if status == "Uploaded" and job.location is not None:
        return JobChange(event, "uploaded", is_report=True)
    return JobChange(event, "uploading", is_report=True)


def after_deadline(job: DiagnosticsJob, now: datetime) -> JobChange:
    """Return the end of a job whose time is over."""
    detail = None
    if job.reported_status == "Uploaded":
        detail = "The charge point has reported Uploaded, but no file has come."
    return JobChange(JobEvent("timed_out", "server", now, detail), "timed_out")


def job_of_status(jobs: Sequence[DiagnosticsJob], now: datetime) -> DiagnosticsJob | None:
    """Return the job that a status without a requestId belongs to; None: to none.

    One that was answered comes before a newer one that was not: the charge point may be too busy to answer.

    jobs: of the charge point and of the right kind, the newest first.
    """
    open_jobs = [job for job in jobs if job.state in OPEN_STATES]
    if open_jobs:
        return next((job for job in open_jobs if job.state != "requested"), open_jobs[0])
    for job in jobs:
        was_told = job.reported_status == "Uploaded" or job.reported_status in _FAILED
        is_late = job.ended_at is not None and now - job.ended_at <= LATE
        if is_late and not was_told and job.state not in _NOT_WORKED_ON:
            return job
    return None


def effect_of(job: DiagnosticsJob) -> Json:
    """Return what the command of a job has led to so far."""
    effect: Json = {"observed": f"diagnostics_{job.state}", "diagnosticsJobId": str(job.id)}
    return effect if job.file_id is None else {**effect, "fileId": str(job.file_id)}


def with_event(events: Sequence[Json], event: JobEvent) -> list[Json]:
    """Return the events with one more. A repetition is counted; at the limit the last one is replaced."""
    at = utc_text(event.at)
    shown: dict[str, Any] = {"status": event.status, "source": event.source, "at": at, "detail": event.detail}
    last = events[-1] if events else None
    if last is not None and all(last.get(name) == shown[name] for name in ("status", "source", "detail")):
        repeated = {**last, "count": last.get("count", 1) + 1, "last_at": at}
        return [*events[:-1], repeated]
    kept = events if len(events) < EVENTS_LIMIT else events[: EVENTS_LIMIT - 1]
    return [*kept, {**shown, "count": 1, "last_at": at}]
