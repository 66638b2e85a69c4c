"""The use cases of diagnostics: ask for an upload, follow it, ask again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import orjson

from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.rules import Outcome, without_secrets
from app.commands.service import CommandService
from app.commands.store.effects import CommandEffectStore
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.diagnostics.records import (
    DiagnosticsJob,
    JobChange,
    JobEvent,
    JobFilter,
    JobKind,
    JobRequest,
    ReportedStatus,
    StatusAction,
)
from app.diagnostics.rules import (
    ACTIONS,
    OPEN_STATES,
    after_answer,
    after_deadline,
    after_status,
    command_key,
    effect_of,
    job_of_status,
    needs_location,
    payload_of,
    with_event,
)
from app.diagnostics.store import DiagnosticsStore
from app.errors import (
    AppError,
    Conflict,
    FieldViolation,
    InvalidInput,
    NoSuchChargePoint,
    NotFound,
    Unavailable,
)
from app.files.records import CompletedUpload, LinkRecord, UploadFailure
from app.files.service import FileService
from app.settings import Settings
from app.types import TenantId

PURPOSE: Final = "diagnostics"
"""The purpose of the links for uploads of this capability."""
KINDS: Final[dict[StatusAction, tuple[JobKind, ...]]] = {
    "DiagnosticsStatusNotification": ("diagnostics",),
    "LogStatusNotification": ("diagnostics_log", "security_log"),
}
"""The jobs that a status may belong to."""


@dataclass(frozen=True, slots=True)
class DiagnosticsService:
    """The use cases of diagnostics."""

    database: Database
    commands: CommandService
    files: FileService
    clock: Clock
    settings: Settings

    async def request(
        self,
        tenant_id: TenantId,
        identity: str,
        wanted: JobRequest,
        actor: str,
        *,
        retry_of: UUID | None = None,
    ) -> DiagnosticsJob:
        """Ask a charge point for an upload, and return the job that follows it.

        Raises:
            NotFound: no such charge point.
            NoPublicUrl: the server has no URL for charge points, and no other location is given.
            Conflict, TooManyRequests: the command cannot be issued now. There is no job then.
            Unavailable: it is not known whether the command was issued. The job stays, to tell its end.
        """
        now = self.clock.now()
        timeout_s = self.settings.diagnostics_timeout_s if wanted.timeout_s is None else wanted.timeout_s
        deadline_at = now + timedelta(seconds=timeout_s)
        link = None
        if wanted.location is None:
            link = await self.files.upload_link(tenant_id, identity, PURPOSE, deadline_at)
        async with self.database.tenant(tenant_id) as work:
            store = DiagnosticsStore(work)
            charge_point_id = await store.charge_point_id(identity)
            if charge_point_id is None:
                raise NoSuchChargePoint(identity)
            request_id = None if wanted.kind == "diagnostics" else await store.next_request_id()
            job = DiagnosticsJob(
                id=uuid4(),
                tenant_id=tenant_id,
                charge_point_id=charge_point_id,
                identity=identity,
                kind=wanted.kind,
                state="requested",
                request_id=request_id,
                location=shown_location(wanted.location),
                upload_id=None if link is None else link.upload_id,
                file_id=None,
                file_name=None,
                start_time=wanted.start_time,
                stop_time=wanted.stop_time,
                retries=wanted.retries,
                retry_interval_s=wanted.retry_interval_s,
                reported_status=None,
                reported_at=None,
                command_id=None,
                retry_of=retry_of,
                requested_by=actor,
                events=with_event([], JobEvent("requested", "server", now)),
                created_at=now,
                deadline_at=deadline_at,
                ended_at=None,
            )
            await store.create(job)
        location = wanted.location if link is None else link.url
        await self._issue(job, payload_of(wanted, location or "", request_id), actor)
        return await self.get(tenant_id, job.id)

    async def retry(
        self, tenant_id: TenantId, job_id: UUID, actor: str, location: str | None = None
    ) -> DiagnosticsJob:
        """Ask once more for the upload of a job that has ended; return the new job.

        location: in place of that of the job.

        Raises:
            NotFound: the tenant has no such job.
            Conflict: the job is open, or has its file.
            InvalidInput: the location of the job had a password, so it must be given again.
            The errors of `request`.
        """
        job = await self.get(tenant_id, job_id)
        if job.ended_at is None:
            raise Conflict(f"The job is {job.state}: it can be repeated when it has ended.")
        if job.state == "uploaded":
            raise Conflict("The file of the job was uploaded already.")
        if location is None and needs_location(job):
            detail = "is required, because the password of the location was not kept"
            raise InvalidInput([FieldViolation("/location", "missing", detail)])
        wanted = JobRequest(
            kind=job.kind,
            location=location or job.location,
            start_time=job.start_time,
            stop_time=job.stop_time,
            retries=job.retries,
            retry_interval_s=job.retry_interval_s,
            timeout_s=round((job.deadline_at - job.created_at).total_seconds()),
        )
        return await self.request(tenant_id, job.identity, wanted, actor, retry_of=job.id)

    async def get(self, tenant_id: TenantId, job_id: UUID) -> DiagnosticsJob:
        """Return a job.

        Raises:
            NotFound: the tenant has no such job.
        """
        async with self.database.tenant(tenant_id) as work:
            job = await DiagnosticsStore(work).get(job_id)
        if job is None:
            raise NotFound("There is no such job.", "job_id")
        return job

    async def page(
        self, tenant_id: TenantId, limit: int, after: tuple[datetime, UUID] | None, filters: JobFilter
    ) -> Sequence[DiagnosticsJob]:
        """Return jobs, the newest first. after: (created_at, id) of the last one that was seen."""
        async with self.database.tenant(tenant_id) as work:
            return await DiagnosticsStore(work).page(limit, after, filters)

    async def statuses(self, tenant_id: TenantId, identity: str) -> Sequence[ReportedStatus]:
        """Return the last statuses of a charge point.

        Raises:
            NotFound: no such charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            store = DiagnosticsStore(work)
            charge_point_id = await store.charge_point_id(identity)
            if charge_point_id is None:
                raise NoSuchChargePoint(identity)
            return await store.statuses(charge_point_id)

    async def time_out(self, tenant_id: int, job_id: UUID) -> None:
        """End a job whose time is over, unless it has ended meanwhile."""
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            found = await DiagnosticsStore(work).get(job_id)
            job = None if found is None else await lock_job(work, found)
            if job is not None and job.ended_at is None and job.deadline_at <= now:
                await apply_change(work, job, after_deadline(job, now))

    async def _issue(self, job: DiagnosticsJob, payload: dict[str, object], actor: str) -> None:
        tenant_id = TenantId(job.tenant_id)
        request = CommandRequest(
            identity=job.identity,
            action=ACTIONS[job.kind],
            payload_text=orjson.dumps(payload).decode(),
            issued_by=actor,
            idempotency_key=command_key(job.id),
        )
        try:
            command = await self.commands.issue(tenant_id, request)
        except Unavailable:
            # The charge point may get the command all the same, so its link stays open.
            raise
        except AppError:
            async with self.database.tenant(tenant_id) as work:
                await DiagnosticsStore(work).delete(job.id)
            if job.upload_id is not None:
                await self.files.revoke(tenant_id, upload_id=job.upload_id)
            raise
        async with self.database.tenant(tenant_id) as work:
            # Its answer may have come before this.
            known = await DiagnosticsStore(work).get(job.id, to_change=True)
            if known is None:
                return
            known = replace(known, command_id=command.id)
            if command.state == "offline" and known.state == "requested":
                change = after_answer(job.kind, Outcome("offline"), self.clock.now())
                await apply_change(work, known, change)
            else:
                await DiagnosticsStore(work).save(known)


async def apply_change(work: TenantWork, job: DiagnosticsJob, change: JobChange) -> DiagnosticsJob:
    """Store what an event changes, and tell the command of the job. Return the job as it is then.

    job: locked.
    """
    event = change.event
    state = job.state if change.state is None else change.state
    ended_at = None
    if state not in OPEN_STATES:
        ended_at = job.ended_at if state == job.state and job.ended_at is not None else event.at
    changed = replace(
        job,
        state=state,
        file_id=change.file_id or job.file_id,
        file_name=change.file_name or job.file_name,
        reported_status=event.status if change.is_report else job.reported_status,
        reported_at=event.at if change.is_report else job.reported_at,
        events=with_event(job.events, event),
        ended_at=ended_at,
    )
    await DiagnosticsStore(work).save(changed)
    if changed.command_id is not None:
        await CommandEffectStore(work).record(changed.command_id, effect_of(changed))
    return changed


async def lock_job(work: TenantWork, job: DiagnosticsJob) -> DiagnosticsJob | None:
    """Lock a job, and return it as it is now; None: it was deleted.

    Its command is locked first, as it is where an answer changes the job. Else two could wait for each other.
    """
    if job.command_id is not None:
        await CommandEffectStore(work).record(job.command_id, effect_of(job))
    return await DiagnosticsStore(work).get(job.id, to_change=True)


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A status of a charge point.

    request_id: of GetLog, if the charge point has told it; is_foreign: one was told that was not made here.
    """

    action: StatusAction
    status: str
    request_id: int | None
    at: datetime
    is_foreign: bool = False


async def note_status(work: TenantWork, charge_point_id: int, message: StatusMessage) -> None:
    """Keep a status as the last one of the charge point, and note it in the job that it belongs to."""
    store, at = DiagnosticsStore(work), message.at
    if not await store.exists(charge_point_id):
        # It was deleted, and its connection will be closed.
        return
    job = None
    if message.request_id is not None:
        job = await store.of_request(charge_point_id, message.request_id)
    elif not message.is_foreign:
        job = job_of_status(await store.newest(charge_point_id, KINDS[message.action]), at)
    job_id = None if job is None else job.id
    last = ReportedStatus(message.action, message.status, message.request_id, job_id, at)
    await store.report(charge_point_id, last)
    locked = None if job is None else await lock_job(work, job)
    if locked is not None:
        await apply_change(work, locked, after_status(locked, message.status, at))


def shown_location(location: str | None) -> str | None:
    """Return a location without its password."""
    return None if location is None else str(without_secrets({"location": location})["location"])


class UploadNotes:
    """Takes note of uploads that charge points have made to this server."""

    async def upload_completed(self, work: TenantWork, upload: CompletedUpload) -> None:
        """Mark the job of the upload as uploaded, whatever the charge point has reported."""
        job = await self._job(work, upload.link)
        if job is not None:
            event = JobEvent("file_received", "upload", upload.at, upload.file.name)
            await apply_change(work, job, JobChange(event, "uploaded", file_id=upload.file.id))

    async def upload_failed(
        self, work: TenantWork, link: LinkRecord, failure: UploadFailure, at: datetime
    ) -> None:
        """Note in the job why its upload was not kept. The charge point may try again."""
        job = await self._job(work, link)
        if job is not None and job.file_id is None:
            await apply_change(work, job, JobChange(JobEvent(f"upload_{failure}", "upload", at)))

    async def _job(self, work: TenantWork, link: LinkRecord) -> DiagnosticsJob | None:
        if link.purpose != PURPOSE:
            return None
        job = await DiagnosticsStore(work).of_upload(link.id)
        return None if job is None else await lock_job(work, job)
