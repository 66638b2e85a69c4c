"""Records what charge points say of their updates: statuses, and answers to the commands that hand them out.

Both lock the charge point first, so that a status and the answer before it find each other in any order.
"""

from dataclasses import replace
from datetime import datetime

from app.charge_points.records import ChargePointRecord
from app.charge_points.service import existing_charge_point
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.errors import NotFound
from app.firmware.records import FirmwareJob, FirmwareJobState, FirmwareReport, LastFirmwareStatus
from app.firmware.rules.calls import idempotency_key, is_own_key, job_of_command
from app.firmware.rules.jobs import (
    STATUSES_LIMIT,
    JobAnswer,
    ended,
    job_of_report,
    replaced_by,
    with_answer,
    with_report,
)
from app.firmware.store.jobs import FirmwareJobStore
from app.metrics import LIMITS_HIT


async def record_report(
    work: TenantWork, identity: str, charge_point_id: int, report: FirmwareReport
) -> bool:
    """Record a status, and change the job that it belongs to. False: the charge point was deleted."""
    point = await _locked(work, identity)
    if point is None or point.id != charge_point_id:
        return False
    store = FirmwareJobStore(work)
    job = job_of_report(await store.handed_out(charge_point_id), report)
    if job is not None:
        if len(job.statuses) >= STATUSES_LIMIT:
            LIMITS_HIT.labels("firmware_statuses").inc()
        await store.save(with_report(job, report))
    await store.put_status(charge_point_id, _last_status(report, job))
    return True


async def apply_answer(
    work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime, timeout_s: int
) -> FirmwareJob | None:
    """Change the job of a command by its end, or by an answer that came later, and return the job.

    A command without a job gets one, unless it was certainly not sent. timeout_s: of such a job.
    """
    point = await _locked(work, command.identity)
    if point is None or point.id != command.charge_point_id:
        return None
    store, answer = FirmwareJobStore(work), JobAnswer(outcome.state, outcome.status, outcome.error)
    jobs = await store.handed_out(command.charge_point_id)
    key = command.idempotency_key
    # Of an earlier attempt nothing is asked any more: it was certainly not sent.
    job = next((job for job in jobs if key == idempotency_key(job) or job.command_id == command.id), None)
    if job is not None:
        changed = with_answer(job, answer, at)
        if changed.state is not FirmwareJobState.PENDING:
            changed = replace(changed, command_id=command.id)
        await store.save(changed)
    else:
        if outcome.state in ("offline", "expired", "cancelled") or is_own_key(key):
            return None
        changed = await _add_job(store, command, answer, at, point, timeout_s)
    for older in jobs:
        if replaced_by(older, changed, answer):
            detail = f"The charge point goes on with the firmware update {changed.id}."
            await store.save(ended(older, FirmwareJobState.REPLACED, at, "newer_update", detail))
    return changed


async def _add_job(
    store: FirmwareJobStore,
    command: CommandRecord,
    answer: JobAnswer,
    at: datetime,
    point: ChargePointRecord,
    timeout_s: int,
) -> FirmwareJob:
    """Make the job of a command of an operator, with the status that came before the answer was recorded."""
    made = job_of_command(command, timeout_s)
    booted_since = (
        point.booted_at is not None and made.issued_at is not None and point.booted_at > made.issued_at
    )
    before = None if booted_since else point.firmware_version
    job = with_answer(replace(made, firmware_version_before=before), answer, at)
    await store.add([job])
    last = await store.last_status(command.charge_point_id)
    if last is None or last.job_id is not None or job.issued_at is None or last.received_at < job.issued_at:
        return job
    report = FirmwareReport(last.status, last.received_at, last.epoch, last.is_signed, last.request_id)
    if job_of_report([job], report) is None:
        return job
    job = with_report(job, report)
    await store.save(job)
    await store.put_status(command.charge_point_id, _last_status(report, job))
    return job


def _last_status(report: FirmwareReport, job: FirmwareJob | None) -> LastFirmwareStatus:
    return LastFirmwareStatus(
        report.status,
        report.is_signed,
        report.request_id,
        report.at,
        report.epoch,
        None if job is None else job.id,
    )


async def _locked(work: TenantWork, identity: str) -> ChargePointRecord | None:
    try:
        return await existing_charge_point(work, identity, to_change=True)
    except NotFound:
        return None
