"""The CALLs of firmware jobs: their payloads, and the jobs that commands of operators make. Pure values."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import orjson

from app.clock import parse_time, utc_text
from app.commands.records import CommandRecord
from app.firmware.records import FirmwareJob, FirmwareJobState, FirmwareSource
from app.firmware.rules.jobs import RETRY_AFTER, deadline_of

_KEY_PREFIX: Final = "firmware-update:"


def action_of(job: FirmwareJob) -> str:
    """Return the action that hands out a job."""
    return "SignedUpdateFirmware" if job.is_signed else "UpdateFirmware"


def payload_text(job: FirmwareJob, location: str) -> str:
    """Return the payload of the CALL of a job, always the same for the same job and location."""
    tries: dict[str, Any] = {}
    if job.retries is not None:
        tries["retries"] = job.retries
    if job.retry_interval_s is not None:
        tries["retryInterval"] = job.retry_interval_s
    if not job.is_signed:
        payload = {"location": location, "retrieveDate": utc_text(job.retrieve_date), **tries}
        return orjson.dumps(payload).decode()
    firmware = {
        "location": location,
        "retrieveDateTime": utc_text(job.retrieve_date),
        "signingCertificate": job.signing_certificate,
        "signature": job.signature,
    }
    if job.install_date is not None:
        firmware["installDateTime"] = utc_text(job.install_date)
    return orjson.dumps({"requestId": job.request_id, "firmware": firmware, **tries}).decode()


def idempotency_key(job: FirmwareJob) -> str:
    """Return the key under which the command of a job is recorded, so that it is never sent twice."""
    return f"{_KEY_PREFIX}{job.id}:{job.attempt}"


def is_own_key(key: str | None) -> bool:
    """Tell whether an idempotency key has the form of those of jobs."""
    return key is not None and key.startswith(_KEY_PREFIX)


def new_job(
    source: FirmwareSource, charge_point_id: int, identity: str, created_by: str, at: datetime, **more: Any
) -> FirmwareJob:
    """Return a new job that is to be sent. more: other members; `timeout_s` is needed."""
    signing = source.signing
    more.setdefault("retrieve_date", at)
    job = FirmwareJob(
        id=uuid4(),
        charge_point_id=charge_point_id,
        identity=identity,
        state=FirmwareJobState.PENDING,
        created_at=at,
        created_by=created_by,
        deadline_at=at,
        location=source.shown_location,
        file_id=source.file_id,
        retries=source.retries,
        retry_interval_s=source.retry_interval_s,
        signing_certificate=None if signing is None else signing.signing_certificate,
        signature=None if signing is None else signing.signature,
        install_date=None if signing is None else signing.install_date,
        signature_note=source.signature_note,
        target_version=source.target_version,
        review_at=at + RETRY_AFTER,
        **more,
    )
    return with_deadline(job, at)


def with_deadline(job: FirmwareJob, event: datetime) -> FirmwareJob:
    """Return a job that times out if nothing follows an event."""
    return replace(job, deadline_at=deadline_of(job, event))


def job_of_command(command: CommandRecord, timeout_s: int) -> FirmwareJob:
    """Return the job of a command that an operator has issued. The password of its location is not known."""
    payload = command.payload
    firmware = payload.get("firmware", {})
    sent_at = command.sent_at or command.created_at
    date = parse_time(str(firmware.get("retrieveDateTime") or payload.get("retrieveDate")))
    install_date = parse_time(str(firmware.get("installDateTime")))
    job = FirmwareJob(
        id=uuid4(),
        charge_point_id=command.charge_point_id,
        identity=command.identity,
        state=FirmwareJobState.REQUESTED,
        created_at=command.created_at,
        created_by=command.issued_by,
        retrieve_date=date or command.created_at,
        timeout_s=timeout_s,
        deadline_at=sent_at,
        request_id=payload.get("requestId"),
        location=firmware.get("location") or payload.get("location"),
        retries=payload.get("retries"),
        retry_interval_s=payload.get("retryInterval"),
        signing_certificate=firmware.get("signingCertificate"),
        signature=firmware.get("signature"),
        install_date=install_date,
        command_id=command.id,
        issued_at=sent_at,
        review_at=sent_at + RETRY_AFTER,
    )
    return with_deadline(job, sent_at)
