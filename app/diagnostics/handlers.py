"""DiagnosticsStatusNotification (OCPP 1.6 4.4), LogStatusNotification (whitepaper N01), and the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final
from uuid import uuid4

from app.answers import Handler
from app.clock import Clock
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.connection import Connection
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.diagnostics.records import DiagnosticsJob, JobChange, JobEvent
from app.diagnostics.rules import (
    OPEN_STATES,
    after_answer,
    job_of_key,
    request_of_payload,
    with_event,
)
from app.diagnostics.service import KINDS, StatusMessage, apply_change, lock_job, note_status
from app.diagnostics.store import DiagnosticsStore
from app.ocpp import v16
from app.settings import Settings

_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class StatusNotes:
    """The dependencies of the handlers."""

    database: Database
    clock: Clock


def diagnostics_handlers(notes: StatusNotes) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {
        "DiagnosticsStatusNotification": partial(diagnostics_status, notes),
        "LogStatusNotification": partial(log_status, notes),
    }


async def diagnostics_status(
    notes: StatusNotes, connection: Connection, request: v16.DiagnosticsStatusNotificationRequest
) -> v16.DiagnosticsStatusNotificationResponse:
    """Note the status of an upload of diagnostics. It is confirmed whether or not a job is known."""
    message = StatusMessage("DiagnosticsStatusNotification", request["status"], None, notes.clock.now())
    async with notes.database.tenant(connection.tenant_id) as work:
        await note_status(work, connection.charge_point_id, message)
    return {}


async def log_status(
    notes: StatusNotes, connection: Connection, request: v16.LogStatusNotificationRequest
) -> v16.LogStatusNotificationResponse:
    """Note the status of an upload of a log. It is confirmed whether or not a job is known."""
    number = request.get("requestId")
    # The standard has no bounds for it. One that no column holds was not made here.
    request_id = _storable(number)
    is_foreign = number is not None and request_id is None
    message = StatusMessage(
        "LogStatusNotification", request["status"], request_id, notes.clock.now(), is_foreign
    )
    async with notes.database.tenant(connection.tenant_id) as work:
        await note_status(work, connection.charge_point_id, message)
    return {}


class DiagnosticsEffect:
    """Notes the answer to GetDiagnostics or GetLog in its job. A command without a job gets one."""

    triggers: ClassVar[Mapping[str, str | None]] = {"GetDiagnostics": None, "GetLog": None}

    def __init__(self, settings: Settings) -> None:
        self._timeout = timedelta(seconds=settings.diagnostics_timeout_s)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Note what the outcome means. at: when it was known."""
        store = DiagnosticsStore(work)
        job = await self._job(store, command)
        if job is None:
            if outcome.state != "accepted" and not outcome.is_in_doubt:
                return
            job = self._of_command(command, at)
            if job is None:
                return
            await store.create(job)
        change = after_answer(job.kind, outcome, at)
        if job.state != "requested":
            # Its upload has begun already, or this is a second answer.
            change = change._replace(state=None)
        await apply_change(work, job, change)
        if outcome.status == "AcceptedCanceled":
            await self._supersede(work, job, at)

    async def _job(self, store: DiagnosticsStore, command: CommandRecord) -> DiagnosticsJob | None:
        """Return and lock the job of a command. The job may not know its command yet."""
        job = await store.of_command(command.id)
        if job is not None:
            return job
        job_id = job_of_key(command.idempotency_key)
        job = None if job_id is None else await store.get(job_id, to_change=True)
        if job is None or job.charge_point_id != command.charge_point_id:
            return None
        # The job may have got to know its command since the first look.
        if job.command_id not in (None, command.id):
            return None
        return replace(job, command_id=command.id)

    def _of_command(self, command: CommandRecord, at: datetime) -> DiagnosticsJob | None:
        asked = request_of_payload(command.action, command.payload)
        if asked is None:
            return None
        kind, location, request_id = asked
        return DiagnosticsJob(
            id=uuid4(),
            tenant_id=command.tenant_id,
            charge_point_id=command.charge_point_id,
            identity=command.identity,
            kind=kind,
            state="requested",
            request_id=_storable(request_id),
            location=location,
            upload_id=None,
            file_id=None,
            file_name=None,
            start_time=None,
            stop_time=None,
            retries=_storable(command.payload.get("retries")),
            retry_interval_s=_storable(command.payload.get("retryInterval")),
            reported_status=None,
            reported_at=None,
            command_id=command.id,
            retry_of=None,
            requested_by=command.issued_by,
            events=with_event([], JobEvent("requested", "server", command.created_at)),
            created_at=command.created_at,
            deadline_at=at + self._timeout,
            ended_at=None,
        )

    async def _supersede(self, work: TenantWork, job: DiagnosticsJob, at: datetime) -> None:
        """End the older uploads of logs that the charge point has stopped for this one (whitepaper N01)."""
        store = DiagnosticsStore(work)
        for other in await store.newest(job.charge_point_id, KINDS["LogStatusNotification"]):
            is_older = other.id != job.id and other.created_at <= job.created_at
            locked = await lock_job(work, other) if is_older else None
            if locked is not None and locked.state in OPEN_STATES and locked.file_id is None:
                event = JobEvent("superseded", "charge_point", at, f"by {job.id}")
                await apply_change(work, locked, JobChange(event, "superseded"))


def _storable(number: object) -> int | None:
    return number if isinstance(number, int) and -_LARGEST <= number <= _LARGEST else None
