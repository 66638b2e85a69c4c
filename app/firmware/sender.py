"""Hands out firmware jobs: a job is claimed, and its command is issued under a key of its own.

If the worker dies in between, the sweep issues the command again under the same key, so that it is recorded
and sent once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.service import CommandService
from app.database.database import Database
from app.errors import AppError, Conflict, InvalidInput, NotFound, TooManyRequests, Unavailable
from app.firmware.records import FirmwareJob, FirmwareJobState
from app.firmware.rules.calls import action_of, idempotency_key, payload_text, with_deadline
from app.firmware.rules.jobs import RETRY_AFTER, JobAnswer, ended, not_sent, with_answer
from app.firmware.rules.locations import require_location
from app.firmware.sources import SourcePreparer
from app.firmware.store.jobs import FirmwareJobStore, boot_facts
from app.live.presence import Presence
from app.logs import get_logger
from app.types import TenantId

LINK_MARGIN: Final = timedelta(hours=1)
"""How much longer than its job a download link is valid."""

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FirmwareSender:
    """Hands out the firmware jobs of all tenants."""

    database: Database
    commands: CommandService
    presence: Presence
    sources: SourcePreparer
    clock: Clock

    async def send(self, tenant_id: TenantId, job_id: UUID) -> None:
        """Hand out a job, if its charge point is connected and its time has not passed.

        Raises:
            StoreUnavailable: the database does not answer. The sweep tries again.
        """
        async with self.database.tenant(tenant_id) as work:
            job = await FirmwareJobStore(work).get(job_id)
        if job is None or not _is_to_be_issued(job):
            return
        if job.state is FirmwareJobState.PENDING:
            if await self.presence.find(tenant_id, job.identity) is None:
                return
            link = await self._link(tenant_id, job)
            if link is None and job.file_id is not None:
                return
            claimed = await self._claim(tenant_id, job_id, link)
            if claimed is None:
                return
            job = claimed
        await self._issue(tenant_id, job)

    async def _link(self, tenant_id: TenantId, job: FirmwareJob) -> bytes | None:
        """Return the sealed link to a stored file. None: there is none, and then the job has ended."""
        if job.file_id is None:
            return None
        expires_at = with_deadline(job, self.clock.now()).deadline_at + LINK_MARGIN
        try:
            link = await self.sources.links.download_link(tenant_id, job.file_id, job.identity, expires_at)
            require_location(link, "/location", is_signed=job.is_signed)
        except Unavailable:
            return None
        except AppError as error:
            await self._end(tenant_id, job, "file_not_available", error.detail)
            return None
        return self.sources.seal(tenant_id, link)

    async def _claim(self, tenant_id: TenantId, job_id: UUID, link: bytes | None) -> FirmwareJob | None:
        """Mark a pending job as handed out; None: another worker was faster, or its time has passed."""
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = await store.get(job_id, to_change=True)
            if job is None or job.state is not FirmwareJobState.PENDING or _is_late(job, now):
                return None
            version, _ = await boot_facts(store, job.charge_point_id)
            claimed = replace(
                job,
                state=FirmwareJobState.REQUESTED,
                issued_at=now,
                firmware_version_before=version,
                sealed_location=link or job.sealed_location,
                detail=None,
                review_at=now + RETRY_AFTER,
            )
            claimed = with_deadline(claimed, now)
            await store.save(claimed)
        return claimed

    async def _issue(self, tenant_id: TenantId, job: FirmwareJob) -> None:
        location = self.sources.unseal(tenant_id, job.sealed_location)
        if location is None:
            detail = "Its location was stored with another secret of the server."
            await self._end(tenant_id, job, "location_lost", detail)
            return
        request = CommandRequest(
            job.identity,
            action_of(job),
            payload_text(job, location),
            job.created_by,
            idempotency_key=idempotency_key(job),
        )
        try:
            command = await self.commands.issue(tenant_id, request)
        except NotFound:
            # The charge point was deleted, and the job with it.
            return
        except InvalidInput as error:
            await self._end(tenant_id, job, "invalid_request", error.detail)
        except (Conflict, TooManyRequests) as error:
            await self._return(tenant_id, job, error.detail)
        except Unavailable as error:
            # The command may have been recorded: the sweep issues it again under its key.
            _LOG.info("firmware_job_delayed", job=str(job.id), detail=error.detail)
        else:
            ending = command.state not in OPEN_COMMAND_STATES
            answer = JobAnswer(command.state, (command.result or {}).get("status"), command.error)
            await self._issued(tenant_id, job, command.id, answer if ending else None)

    async def _issued(
        self, tenant_id: TenantId, issued: FirmwareJob, command_id: UUID, answer: JobAnswer | None
    ) -> None:
        """Note the command of a job. answer: how the command has ended; its effect may have told already."""
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = await store.get(issued.id, to_change=True)
            if job is None or job.attempt != issued.attempt or job.state is FirmwareJobState.PENDING:
                return
            changed = replace(job, command_id=command_id)
            if answer is not None:
                changed = with_answer(changed, answer, self.clock.now())
            await store.save(changed)

    async def _return(self, tenant_id: TenantId, issued: FirmwareJob, detail: str) -> None:
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = await store.get(issued.id, to_change=True)
            if job is not None and job.state is FirmwareJobState.REQUESTED and job.attempt == issued.attempt:
                await store.save(not_sent(job, self.clock.now(), detail))

    async def _end(self, tenant_id: TenantId, found: FirmwareJob, reason: str, detail: str) -> None:
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = await store.get(found.id, to_change=True)
            if job is not None and job.state is found.state and job.attempt == found.attempt:
                await store.save(ended(job, FirmwareJobState.FAILED, self.clock.now(), reason, detail))


def _is_to_be_issued(job: FirmwareJob) -> bool:
    unconfirmed = job.state is FirmwareJobState.REQUESTED and job.command_id is None
    return unconfirmed or job.state is FirmwareJobState.PENDING


def _is_late(job: FirmwareJob, now: datetime) -> bool:
    return now >= job.deadline_at or (job.send_until is not None and now >= job.send_until)
