"""The use cases of firmware jobs: make, show, retry and cancel them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.rules import REDACTED
from app.commands.service import CommandService
from app.database.database import Database
from app.errors import Conflict, NotFound, StoreUnavailable, TooManyRequests
from app.firmware.records import (
    FirmwareJob,
    FirmwareJobFilter,
    FirmwareJobState,
    FirmwareSource,
    LastFirmwareStatus,
    SigningFacts,
)
from app.firmware.rules.calls import new_job
from app.firmware.rules.jobs import ended
from app.firmware.sender import FirmwareSender
from app.firmware.sources import PreparedSource, SourcePreparer
from app.firmware.store.jobs import FirmwareJobStore
from app.logs import get_logger
from app.metrics import LIMITS_HIT
from app.types import TenantId

OPEN_JOBS_LIMIT: Final = 10
"""Open firmware jobs of one charge point. More of them would only replace each other."""

_LOG = get_logger(__name__)


class JobOptions(NamedTuple):
    """How a job is made. retrieve_date None: now; timeout_s None: that of the server."""

    created_by: str
    retrieve_date: datetime | None = None
    timeout_s: int | None = None
    retry_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class FirmwareUpdateService:
    """The use cases of firmware jobs. timeout_s: of jobs that name none."""

    database: Database
    commands: CommandService
    sources: SourcePreparer
    sender: FirmwareSender
    clock: Clock
    timeout_s: int

    async def create(
        self, tenant_id: TenantId, identity: str, source: FirmwareSource, options: JobOptions
    ) -> FirmwareJob:
        """Make a job, and hand it out if the charge point is connected. Otherwise it waits.

        Raises:
            NotFound: the tenant has no charge point of this identity, or no such file.
            NoPublicUrl: a stored file, and the server has no URL for charge points.
            InvalidInput: location, certificate or signature break a rule.
            TooManyRequests: too many jobs of the charge point are open.
        """
        async with self.database.tenant(tenant_id) as work:
            await existing_charge_point(work, identity)
        prepared = await self.sources.prepare(tenant_id, source)
        return await self._make(tenant_id, identity, prepared, options)

    async def get(self, tenant_id: TenantId, identity: str, job_id: UUID) -> FirmwareJob:
        """Return a job of a charge point.

        Raises:
            NotFound: there is no such job of this charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            job = await FirmwareJobStore(work).get(job_id)
        return _found(job, identity)

    async def page(
        self,
        tenant_id: TenantId,
        limit: int,
        after: tuple[datetime, UUID] | None,
        filters: FirmwareJobFilter,
    ) -> list[FirmwareJob]:
        """Return jobs, the newest first. after: (created_at, id) of the last one that was seen."""
        async with self.database.tenant(tenant_id) as work:
            return await FirmwareJobStore(work).page(limit, after, filters)

    async def page_of(
        self, tenant_id: TenantId, identity: str, limit: int, after: tuple[datetime, UUID] | None
    ) -> list[FirmwareJob]:
        """Return the jobs of a charge point, the newest first.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            await existing_charge_point(work, identity)
            return await FirmwareJobStore(work).page(limit, after, FirmwareJobFilter(identity))

    async def last_status(self, tenant_id: TenantId, identity: str) -> LastFirmwareStatus:
        """Return the firmware status that a charge point has last reported.

        Raises:
            NotFound: the tenant has no charge point of this identity, or it has reported none.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            status = await FirmwareJobStore(work).last_status(point.id)
        if status is None:
            raise NotFound("The charge point has not reported a firmware status.", "identity")
        return status

    async def retry(self, tenant_id: TenantId, identity: str, job_id: UUID, created_by: str) -> FirmwareJob:
        """Make a job like one that has ended. It is fetched from now on.

        Raises:
            NotFound: there is no such job of this charge point.
            Conflict: it has not ended, or its location is not known any more.
            InvalidInput: the certificate is not valid any more.
            TooManyRequests: too many jobs of the charge point are open.
        """
        job = await self.get(tenant_id, identity, job_id)
        if job.is_open:
            raise Conflict(f"The firmware update is {job.state}: only one that has ended can be repeated.")
        source = self._source_of(tenant_id, job)
        prepared = await self.sources.prepare(tenant_id, source)
        return await self._make(
            tenant_id, identity, prepared, JobOptions(created_by, None, job.timeout_s, job.id)
        )

    async def cancel(self, tenant_id: TenantId, identity: str, job_id: UUID) -> FirmwareJob:
        """Cancel a job that was not sent.

        Raises:
            NotFound: there is no such job of this charge point.
            Conflict: it was sent, or has ended.
            Unavailable: a worker that may have its command cannot be reached.
        """
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = _found(await store.get(job_id, to_change=True), identity)
            if job.state is FirmwareJobState.PENDING:
                job = ended(job, FirmwareJobState.CANCELLED, self.clock.now(), "operator")
                await store.save(job)
                return job
        if job.state is not FirmwareJobState.REQUESTED or job.command_id is None:
            raise Conflict(f"The firmware update cannot be cancelled any more: it is {job.state}.")
        # It refuses a command that was sent.
        await self.commands.cancel(tenant_id, job.command_id)
        async with self.database.tenant(tenant_id) as work:
            store = FirmwareJobStore(work)
            job = _found(await store.get(job_id, to_change=True), identity)
            if job.state is FirmwareJobState.REQUESTED:
                job = ended(job, FirmwareJobState.CANCELLED, self.clock.now(), "operator")
                await store.save(job)
        return job

    async def _make(
        self, tenant_id: TenantId, identity: str, prepared: PreparedSource, options: JobOptions
    ) -> FirmwareJob:
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity, to_change=True)
            store = FirmwareJobStore(work)
            if await store.open_count(point.id) >= OPEN_JOBS_LIMIT:
                LIMITS_HIT.labels("firmware_jobs").inc()
                detail = f"{OPEN_JOBS_LIMIT} firmware updates of this charge point are open already."
                raise TooManyRequests(detail, retry_after_s=60)
            signed = prepared.source.signing is not None
            job = new_job(
                prepared.source,
                point.id,
                point.identity,
                options.created_by,
                now,
                timeout_s=options.timeout_s or self.timeout_s,
                retrieve_date=options.retrieve_date or now,
                retry_of=options.retry_of,
                sealed_location=prepared.sealed_location,
                request_id=await store.next_request_id(point.id) if signed else None,
            )
            await store.add([job])
        try:
            await self.sender.send(tenant_id, job.id)
        except StoreUnavailable:
            # The job is stored, and the sweep hands it out.
            _LOG.warning("firmware_job_delayed", job=str(job.id))
            return job
        return await self.get(tenant_id, identity, job.id)

    def _source_of(self, tenant_id: TenantId, job: FirmwareJob) -> FirmwareSource:
        location = self.sources.unseal(tenant_id, job.sealed_location)
        if location is None and job.file_id is None:
            location = job.location
            if location is None or REDACTED in location:
                raise Conflict("The password of its location is not known: make a new firmware update.")
        if job.file_id is not None:
            # The sealed location was a link that has been used.
            location = None
        signing = None
        if job.signing_certificate is not None and job.signature is not None:
            signing = SigningFacts(job.signing_certificate, job.signature, job.install_date)
        return FirmwareSource(
            location=location,
            file_id=job.file_id,
            retries=job.retries,
            retry_interval_s=job.retry_interval_s,
            signing=signing,
            target_version=job.target_version,
        )


def _found(job: FirmwareJob | None, identity: str) -> FirmwareJob:
    if job is None or job.identity != identity:
        raise NotFound("There is no such firmware update of this charge point.", "firmware_update_id")
    return job
