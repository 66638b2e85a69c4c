"""The decisions about firmware jobs: which job a status belongs to, and how a job goes on. Pure values.

pending -> requested -> accepted -> in_progress -> installed
pending, requested, accepted, in_progress -> timed_out
requested, accepted, in_progress -> installed_seen_by_boot, failed, replaced
requested -> pending (certainly not sent), refused
pending, requested -> cancelled
failed, timed_out -> in_progress, installed (the charge point went on); installed_seen_by_boot -> installed
installed -> failed (it has booted with the old firmware), then -> installed_seen_by_boot (with the new one)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.commands.records import CommandState
from app.commands.rules import UNREADABLE_ANSWER
from app.firmware.records import SENT_JOB_STATES, FirmwareJob, FirmwareJobState, FirmwareReport, StatusNote
from app.types import Json

FAILURES: Final = frozenset(
    {"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"}
)
"""The statuses that say that an update has failed."""

STATUSES_LIMIT: Final = 50
"""Statuses of a job that are kept. Later ones still count; a sane update has about ten."""

_RANKS: Final[Mapping[str, int]] = {
    "DownloadScheduled": 0,
    "Downloading": 1,
    "DownloadPaused": 1,
    "Downloaded": 2,
    "SignatureVerified": 3,
    "InstallScheduled": 4,
    "Installing": 5,
    "InstallRebooting": 5,
    "Installed": 6,
}
_CORRECTABLE: Final = (
    FirmwareJobState.FAILED,
    FirmwareJobState.TIMED_OUT,
    FirmwareJobState.INSTALLED_SEEN_BY_BOOT,
)
"""The final states that a later status of the charge point may correct."""

OLD_VERSION: Final = "old_version"
"""The reason of a job that was reported as installed, but whose charge point runs its old firmware."""

RETRY_AFTER: Final = timedelta(seconds=15)
"""The time between two tries to send a job, and between two looks at one that is under way."""
WATCH_AFTER: Final = timedelta(minutes=1)
"""The time between two looks at a job that has ended."""
WATCHED_FOR: Final = timedelta(hours=1)
"""How long a job that has ended is watched for the boot with the new firmware."""


@dataclass(frozen=True, slots=True)
class PointFacts:
    """The charge point of a job, as it last booted."""

    firmware_version: str | None
    booted_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """The end of the command of a job. status: of the response; error: of a command without a result."""

    state: CommandState
    status: str | None = None
    error: Json | None = None


def deadline_of(job: FirmwareJob, event: datetime) -> datetime:
    """Return when a job times out, if nothing follows an event.

    A charge point that waits for the date of the download or of the installation is not late.
    """
    dates = [date for date in (job.retrieve_date, job.install_date) if date is not None]
    return max([event, *dates]) + timedelta(seconds=job.timeout_s)


def ended(
    job: FirmwareJob,
    state: FirmwareJobState,
    at: datetime,
    reason: str | None = None,
    detail: str | None = None,
) -> FirmwareJob:
    """Return a job in a final state. It is watched for a while, because a boot or a status may follow."""
    watched = state in (*_CORRECTABLE, FirmwareJobState.INSTALLED)
    review_at = at + RETRY_AFTER if watched else None
    return replace(job, state=state, ended_at=at, reason=reason, detail=detail, review_at=review_at)


# Statuses


def job_of_report(jobs: Sequence[FirmwareJob], report: FirmwareReport) -> FirmwareJob | None:
    """Return the job that a status belongs to; None: no job asked for it.

    A requestId decides. Without one it is the newest open job of the same kind, signed or not, then that of
    the other kind, because some charge points confuse the two messages. One that was answered comes before a
    newer one that was not: the charge point may be too busy to answer. At last it is the newest job of the
    same kind, if its end may be corrected. Idle without a requestId says that nothing is under way.

    Args:
        jobs: Those of the charge point that were handed out, the newest first.
        report: The status.
    """
    if report.request_id is not None:
        return next((job for job in jobs if job.request_id == report.request_id), None)
    if report.status == "Idle":
        return None
    same = [job for job in jobs if job.is_signed == report.is_signed]
    others = [job for job in jobs if job.is_signed != report.is_signed]
    for candidates in (same, others):
        sent = [job for job in candidates if job.state in SENT_JOB_STATES]
        if sent:
            return next((job for job in sent if job.state is not FirmwareJobState.REQUESTED), sent[0])
    newest = same[0] if same else None
    return newest if newest is not None and newest.state in _CORRECTABLE else None


def with_report(job: FirmwareJob, report: FirmwareReport) -> FirmwareJob:
    """Return a job after a status. One that repeats, is late or out of order is kept with a note."""
    if job.statuses and job.statuses[-1]["status"] == report.status:
        return _with_repeated(job, report)
    note, state = _judge(job, report.status)
    entry = {
        "status": report.status,
        "at": report.at.isoformat(),
        "repeats": 0,
        "last_at": report.at.isoformat(),
        "note": note,
    }
    is_full = len(job.statuses) >= STATUSES_LIMIT
    # The last place always shows the newest status.
    kept = job.statuses[: STATUSES_LIMIT - 1] if is_full else job.statuses
    changed = replace(job, statuses=[*kept, entry], status=report.status, status_at=report.at)
    if note == "after_end" or report.status == "Idle":
        return changed
    if state is FirmwareJobState.IN_PROGRESS:
        # A charge point that reports without end does not keep its job open for ever.
        deadline = job.deadline_at if is_full else deadline_of(job, report.at)
        return replace(
            changed,
            state=state,
            deadline_at=deadline,
            ended_at=None,
            reason=None,
            detail=None,
            review_at=report.at + RETRY_AFTER,
        )
    reason = "reported" if state is FirmwareJobState.FAILED else None
    return ended(changed, state, report.at, reason)


def _with_repeated(job: FirmwareJob, report: FirmwareReport) -> FirmwareJob:
    last = job.statuses[-1]
    note: StatusNote | None = last["note"] or "repeated"
    again = {**last, "repeats": last["repeats"] + 1, "last_at": report.at.isoformat(), "note": note}
    return replace(job, statuses=[*job.statuses[:-1], again], status_at=report.at)


def _judge(job: FirmwareJob, status: str) -> tuple[StatusNote | None, FirmwareJobState]:
    """Return the note of a status, and the state that it leads to."""
    if not job.is_open and job.state not in _CORRECTABLE:
        return "after_end", job.state
    if status == "Idle":
        return None, job.state
    if job.state is FirmwareJobState.INSTALLED_SEEN_BY_BOOT and status != "Installed":
        return "after_end", job.state
    late: StatusNote | None = "late" if not job.is_open else None
    if status == "Installed":
        return late, FirmwareJobState.INSTALLED
    if status in FAILURES:
        return late, FirmwareJobState.FAILED
    before = [_RANKS.get(entry["status"], -1) for entry in job.statuses]
    is_older = (
        bool(before) and _RANKS.get(status, -1) < max(before) and job.state is not FirmwareJobState.FAILED
    )
    return "out_of_order" if is_older else late, FirmwareJobState.IN_PROGRESS


# Answers


def with_answer(job: FirmwareJob, answer: JobAnswer, at: datetime) -> FirmwareJob:
    """Return a job after the end of its command, or after an answer that came later.

    UpdateFirmware.conf has no status: it says yes (OCPP 1.6 5.19).
    """
    if job.state is not FirmwareJobState.REQUESTED:
        # A status was faster, or the job has ended.
        return replace(job, answered_at=at) if answer.state == "accepted" else job
    if answer.state == "accepted":
        deadline = deadline_of(job, at)
        return replace(
            job,
            state=FirmwareJobState.ACCEPTED,
            answered_at=at,
            deadline_at=deadline,
            detail=None,
            review_at=at + RETRY_AFTER,
        )
    if answer.state == "rejected":
        reason = _REFUSALS.get(answer.status or "", "rejected")
        return replace(ended(job, FirmwareJobState.REFUSED, at, reason, _DETAILS[reason]), answered_at=at)
    if answer.state == "call_error":
        return _with_call_error(job, answer.error or {}, at)
    if answer.state in ("offline", "expired"):
        return not_sent(job, at, "The charge point was not connected.")
    if answer.state == "cancelled":
        return ended(job, FirmwareJobState.CANCELLED, at, "command_cancelled")
    # It may have begun, so it is never sent again.
    return replace(job, detail="There was no answer. The charge point may have begun all the same.")


def not_sent(job: FirmwareJob, at: datetime, detail: str) -> FirmwareJob:
    """Return a job whose command was certainly not sent: it is tried again with another command."""
    return replace(
        job,
        state=FirmwareJobState.PENDING,
        attempt=job.attempt + 1,
        command_id=None,
        issued_at=None,
        detail=detail,
        review_at=at + RETRY_AFTER,
    )


def _with_call_error(job: FirmwareJob, error: Mapping[str, Any], at: datetime) -> FirmwareJob:
    code = error.get("code")
    if code == UNREADABLE_ANSWER:
        return replace(
            job, detail="The answer could not be read. The charge point may have begun all the same."
        )
    reason = "call_error"
    if code in ("NotSupported", "NotImplemented"):
        reason = "not_supported" if job.is_signed else "unsigned_not_supported"
    detail = f"{_DETAILS[reason]} It answered {code}."
    return replace(ended(job, FirmwareJobState.REFUSED, at, reason, detail), answered_at=at)


_REFUSALS: Final = {"InvalidCertificate": "invalid_certificate", "RevokedCertificate": "revoked_certificate"}
_DETAILS: Final = {
    "rejected": "The charge point has rejected the update.",
    "invalid_certificate": "The charge point does not accept the signing certificate.",
    "revoked_certificate": "The charge point says that the signing certificate is revoked.",
    "call_error": "The charge point answered with an error.",
    "not_supported": "The charge point does not support signed firmware.",
    "unsigned_not_supported": "The charge point does not take unsigned firmware. One that supports signed "
    "firmware answers so (security whitepaper L01.FR.20): send the update with `signed`.",
}


def replaced_by(job: FirmwareJob, newer: FirmwareJob, answer: JobAnswer) -> bool:
    """Tell whether a charge point that has answered a newer job does not continue an older one.

    AcceptedCanceled says so (L01.FR.26). After a second UpdateFirmware the statuses of the first one could
    not be told from those of the second one.
    """
    if answer.state != "accepted" or job.id == newer.id or job.state not in SENT_JOB_STATES:
        return False
    is_older = (job.issued_at or job.created_at) <= (newer.issued_at or newer.created_at)
    return is_older and (answer.status == "AcceptedCanceled" or not (job.is_signed or newer.is_signed))


# Time


def reviewed(job: FirmwareJob, point: PointFacts, now: datetime, boot_grace: timedelta) -> FirmwareJob:
    """Return a job after a look at the time and at its charge point. A job that stays pending may be sent.

    boot_grace: how long the status Installed may follow a boot with another firmware version, and the boot
    with the new firmware may follow one with the old.
    """
    if job.state is FirmwareJobState.PENDING:
        if job.send_until is not None and now >= job.send_until:
            return ended(job, FirmwareJobState.CANCELLED, now, "not_sent_in_time", job.detail)
        if now >= job.deadline_at:
            detail = job.detail or "The charge point was not connected."
            return ended(job, FirmwareJobState.TIMED_OUT, now, "not_sent", detail)
        return replace(job, review_at=now + RETRY_AFTER)
    ran_new_firmware = _has_new_firmware(job)
    job = _with_version(job, point)
    has_booted_late = point.booted_at is not None and now >= point.booted_at + boot_grace
    if not job.is_open:
        # One that ran it and has its old version now was given that later.
        if has_booted_late and not ran_new_firmware and _has_old_firmware(job, point):
            detail = (
                f"It has reported Installed, and has booted with {job.firmware_version_after!r} again since."
            )
            return ended(job, FirmwareJobState.FAILED, now, OLD_VERSION, detail)
        if job.reason == OLD_VERSION and _has_new_firmware(job):
            detail = "It has booted with the new firmware version after all."
            return ended(job, FirmwareJobState.INSTALLED_SEEN_BY_BOOT, now, "boot", detail)
        is_watched = job.ended_at is not None and now < job.ended_at + WATCHED_FOR
        return replace(job, review_at=now + WATCH_AFTER if is_watched else None)
    if _has_new_firmware(job) and has_booted_late:
        detail = "The charge point has booted with another firmware version, but did not report Installed."
        return ended(job, FirmwareJobState.INSTALLED_SEEN_BY_BOOT, now, "boot", detail)
    if now >= job.deadline_at:
        reason = "no_answer" if job.state is FirmwareJobState.REQUESTED else "silent"
        return ended(job, FirmwareJobState.TIMED_OUT, now, reason, job.detail)
    return replace(job, review_at=min(now + RETRY_AFTER, job.deadline_at))


def _with_version(job: FirmwareJob, point: PointFacts) -> FirmwareJob:
    """Return a job with the firmware version of the first look after a boot that followed the command."""
    if job.issued_at is None or point.booted_at is None or point.booted_at <= job.issued_at:
        return job
    return replace(job, firmware_version_after=point.firmware_version)


def _has_old_firmware(job: FirmwareJob, point: PointFacts) -> bool:
    """Tell whether a charge point has booted with its old firmware after it has reported Installed.

    The version that is wanted must be known: otherwise the same firmware may have been installed again.
    """
    after, wanted = job.firmware_version_after, job.target_version
    if job.state is not FirmwareJobState.INSTALLED or wanted is None or after in (None, wanted):
        return False
    has_booted = point.booted_at is not None and job.ended_at is not None and point.booted_at > job.ended_at
    return has_booted and after == job.firmware_version_before


def _has_new_firmware(job: FirmwareJob) -> bool:
    after = job.firmware_version_after
    if after is None or after == job.firmware_version_before:
        return False
    if job.target_version is not None:
        return after == job.target_version
    return job.firmware_version_before is not None
