"""Which job a status belongs to, and how a job goes on."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.rules import UNREADABLE_ANSWER
from app.firmware.records import FirmwareJob
from app.firmware.records import FirmwareJobState as State
from app.firmware.rules.jobs import (
    STATUSES_LIMIT,
    JobAnswer,
    PointFacts,
    deadline_of,
    job_of_report,
    replaced_by,
    reviewed,
    with_answer,
    with_report,
)
from tests.firmware.jobs import TIMEOUT_S, at, job, report

GRACE = timedelta(seconds=60)
STATUSES = [
    "Downloading",
    "Downloaded",
    "DownloadFailed",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]


def told(made: FirmwareJob, *statuses: str) -> FirmwareJob:
    for number, status in enumerate(statuses, 1):
        made = with_report(made, report(status, 10 * number))
    return made


def notes(made: FirmwareJob) -> list[tuple[str, str | None]]:
    return [(entry["status"], entry["note"]) for entry in made.statuses]


# Which job


def test_a_request_id_decides() -> None:
    jobs = [job(3, request_id=12), job(2, request_id=11), job(1)]
    found = job_of_report(jobs, report("Downloaded", is_signed=True, request_id=11))
    assert found == jobs[1]
    assert job_of_report(jobs, report("Idle", is_signed=True, request_id=11)) == jobs[1]
    assert job_of_report(jobs, report("Downloaded", is_signed=True, request_id=99)) is None


@pytest.mark.parametrize(
    ("jobs", "more", "expected"),
    [
        ([job(3), job(2)], {}, 3),
        ([job(3, request_id=1), job(2)], {}, 2),
        ([job(3), job(2, request_id=1)], {"is_signed": True}, 2),
        # Some charge points confuse the two messages.
        ([job(3, request_id=1)], {}, 3),
        ([job(3)], {"is_signed": True}, 3),
        ([job(3, State.INSTALLED), job(2)], {}, 2),
        # It may be too busy with the older update to answer the newer one.
        ([job(3, State.REQUESTED), job(2, State.IN_PROGRESS)], {}, 2),
        ([job(3, State.REQUESTED), job(2, State.ACCEPTED)], {}, 2),
        ([job(3, State.REQUESTED), job(2, State.INSTALLED)], {}, 3),
        ([job(3, State.TIMED_OUT), job(2, State.FAILED)], {}, 3),
        ([job(3, State.INSTALLED), job(2, State.TIMED_OUT)], {}, None),
        ([job(3, State.REFUSED)], {}, None),
        ([job(3, State.CANCELLED)], {}, None),
        ([], {}, None),
    ],
)
def test_without_a_request_id_it_is_the_newest_open_job(
    jobs: list[FirmwareJob], more: dict[str, Any], expected: int | None
) -> None:
    found = job_of_report(jobs, report("Downloading", **more))
    assert (None if found is None else found.id.int) == expected


def test_idle_belongs_to_no_job() -> None:
    assert job_of_report([job(3)], report("Idle")) is None


# Statuses


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (["Downloading", "Downloaded", "Installing", "Installed"], State.INSTALLED),
        (["Downloading", "DownloadFailed"], State.FAILED),
        (["Downloading", "Downloaded", "Installing", "InstallationFailed"], State.FAILED),
        (["Downloading", "Downloaded", "InvalidSignature"], State.FAILED),
        (["Downloaded", "SignatureVerified", "InstallVerificationFailed"], State.FAILED),
        (["DownloadScheduled", "Downloading", "DownloadPaused"], State.IN_PROGRESS),
        (["SignatureVerified", "InstallScheduled", "InstallRebooting", "Installing"], State.IN_PROGRESS),
        (["Installed"], State.INSTALLED),
    ],
)
def test_each_status_is_kept_with_its_time(statuses: list[str], state: State) -> None:
    made = told(job(), *statuses)
    assert notes(made) == [(status, None) for status in statuses]
    assert [entry["at"] for entry in made.statuses] == [
        at(10 * number).isoformat() for number in range(1, len(statuses) + 1)
    ]
    assert (made.state, made.status, made.status_at) == (state, statuses[-1], at(10 * len(statuses)))
    assert (made.ended_at is None) is (state is State.IN_PROGRESS)


def test_a_repeated_status_is_counted_and_changes_nothing_else() -> None:
    once = told(job(), "Downloading")
    twice = with_report(once, report("Downloading", 500))
    assert (twice.statuses[0]["repeats"], twice.statuses[0]["last_at"]) == (1, at(500).isoformat())
    assert (twice.state, twice.deadline_at) == (once.state, once.deadline_at)


def test_a_status_out_of_order_is_kept_with_a_note() -> None:
    made = told(job(), "Installing", "Downloaded")
    assert notes(made) == [("Installing", None), ("Downloaded", "out_of_order")]
    assert made.state is State.IN_PROGRESS


def test_what_follows_the_end_does_not_change_it() -> None:
    made = told(job(), "Installed", "Downloading", "InstallationFailed")
    assert notes(made)[1:] == [("Downloading", "after_end"), ("InstallationFailed", "after_end")]
    assert (made.state, made.ended_at) == (State.INSTALLED, at(10))


def test_a_charge_point_that_tries_again_reopens_its_job() -> None:
    again = told(job(), "Downloading", "DownloadFailed", "Downloading")
    assert (again.state, again.ended_at, again.reason) == (State.IN_PROGRESS, None, None)
    assert told(again, "Installed").state is State.INSTALLED


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (State.TIMED_OUT, "Installed", State.INSTALLED),
        (State.TIMED_OUT, "Installing", State.IN_PROGRESS),
        (State.TIMED_OUT, "DownloadFailed", State.FAILED),
        (State.INSTALLED_SEEN_BY_BOOT, "Installed", State.INSTALLED),
        (State.INSTALLED_SEEN_BY_BOOT, "Installing", State.INSTALLED_SEEN_BY_BOOT),
        (State.INSTALLED_SEEN_BY_BOOT, "Idle", State.INSTALLED_SEEN_BY_BOOT),
        (State.REPLACED, "Installed", State.REPLACED),
        (State.REFUSED, "Installed", State.REFUSED),
        (State.CANCELLED, "Installed", State.CANCELLED),
    ],
)
def test_a_late_status_corrects_only_what_was_not_certain(state: State, status: str, expected: State) -> None:
    assert told(job(state=state, ended_at=at(1)), status).state is expected


@given(st.lists(st.sampled_from(STATUSES), max_size=120))
def test_any_order_of_statuses_leaves_a_job_with_a_bounded_list(statuses: list[str]) -> None:
    made = told(job(), *statuses)
    assert len(made.statuses) <= STATUSES_LIMIT
    assert made.status == (statuses[-1] if statuses else None)
    assert (made.ended_at is None) is made.is_open
    if "Installed" in statuses:
        assert made.state is State.INSTALLED


def test_endless_statuses_do_not_keep_a_job_open() -> None:
    made = told(job(), *["Downloading", "DownloadPaused"] * STATUSES_LIMIT)
    last = made.deadline_at
    assert told(made, "Downloading", "DownloadPaused").deadline_at == last


def test_a_job_that_waits_for_its_installation_is_not_late() -> None:
    waiting = job(install_date=at(100_000))
    assert deadline_of(waiting, at(5)) == at(100_000 + TIMEOUT_S)
    assert deadline_of(job(1), at(5)) == at(5 + TIMEOUT_S)


# Answers


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (JobAnswer("accepted"), State.ACCEPTED, None),
        (JobAnswer("accepted", "AcceptedCanceled"), State.ACCEPTED, None),
        (JobAnswer("rejected", "Rejected"), State.REFUSED, "rejected"),
        (JobAnswer("rejected", "InvalidCertificate"), State.REFUSED, "invalid_certificate"),
        (JobAnswer("rejected", "RevokedCertificate"), State.REFUSED, "revoked_certificate"),
        (JobAnswer("call_error", error={"code": "NotSupported"}), State.REFUSED, "unsigned_not_supported"),
        (JobAnswer("call_error", error={"code": "InternalError"}), State.REFUSED, "call_error"),
        (JobAnswer("call_error", error={"code": UNREADABLE_ANSWER}), State.REQUESTED, None),
        (JobAnswer("timed_out"), State.REQUESTED, None),
        (JobAnswer("connection_lost"), State.REQUESTED, None),
        (JobAnswer("offline"), State.PENDING, None),
        (JobAnswer("expired"), State.PENDING, None),
        (JobAnswer("cancelled"), State.CANCELLED, "command_cancelled"),
    ],
)
def test_the_end_of_the_command_decides(answer: JobAnswer, state: State, reason: str | None) -> None:
    made = with_answer(job(), answer, at(5))
    assert (made.state, made.reason) == (state, reason)
    # Only what was certainly not sent is sent again.
    assert made.attempt == (2 if state is State.PENDING else 1)


def test_not_supported_names_the_rule_of_signed_firmware() -> None:
    refused = with_answer(job(), JobAnswer("call_error", error={"code": "NotSupported"}), at(5))
    assert refused.detail is not None
    assert "L01.FR.20" in refused.detail
    signed = with_answer(job(request_id=1), JobAnswer("call_error", error={"code": "NotSupported"}), at(5))
    assert signed.reason == "not_supported"


def test_a_status_may_be_faster_than_the_answer() -> None:
    faster = told(job(), "Downloading")
    made = with_answer(faster, JobAnswer("accepted"), at(50))
    assert (made.state, made.answered_at) == (State.IN_PROGRESS, at(50))
    assert with_answer(faster, JobAnswer("timed_out"), at(50)) == faster


@pytest.mark.parametrize(
    ("older", "newer", "status", "expected"),
    [
        (job(1), job(2), None, True),
        (job(1, State.PENDING), job(2), None, False),
        (job(1, State.INSTALLED), job(2), None, False),
        (job(1, request_id=1), job(2, request_id=2), "Accepted", False),
        (job(1, request_id=1), job(2, request_id=2), "AcceptedCanceled", True),
        (job(3, request_id=1), job(2, request_id=2), "AcceptedCanceled", False),
        (job(1), job(2, request_id=2), "Accepted", False),
    ],
)
def test_a_newer_update_replaces_an_older_one(
    older: FirmwareJob, newer: FirmwareJob, status: str | None, expected: bool
) -> None:
    assert replaced_by(older, newer, JobAnswer("accepted", status)) is expected
    assert not replaced_by(older, newer, JobAnswer("rejected", status))


# Time


def test_a_boot_with_another_version_ends_a_job_after_a_grace() -> None:
    booted = PointFacts("2.0", at(50))
    early = reviewed(told(job(), "Downloading"), booted, at(60), GRACE)
    assert (early.state, early.firmware_version_after) == (State.IN_PROGRESS, "2.0")
    late = reviewed(early, booted, at(110), GRACE)
    assert (late.state, late.reason) == (State.INSTALLED_SEEN_BY_BOOT, "boot")


@pytest.mark.parametrize(
    ("made", "facts"),
    [
        (job(), PointFacts("1.0", at(50))),
        (job(), PointFacts("2.0", at(0))),
        (job(), PointFacts(None, at(50))),
        (job(), PointFacts("2.0", None)),
        (job(target_version="3.0"), PointFacts("2.0", at(50))),
        (job(firmware_version_before=None), PointFacts("2.0", at(50))),
    ],
)
def test_other_boots_end_no_job(made: FirmwareJob, facts: PointFacts) -> None:
    assert reviewed(made, facts, at(1000), GRACE).state is State.REQUESTED


def test_a_boot_with_the_target_version_counts_although_the_one_before_is_not_known() -> None:
    made = job(firmware_version_before=None, target_version="2.0")
    assert reviewed(made, PointFacts("2.0", at(50)), at(1000), GRACE).state is State.INSTALLED_SEEN_BY_BOOT


@pytest.mark.parametrize(
    ("made", "state", "reason"),
    [
        (job(), State.TIMED_OUT, "no_answer"),
        (job(state=State.ACCEPTED), State.TIMED_OUT, "silent"),
        (job(state=State.IN_PROGRESS), State.TIMED_OUT, "silent"),
        (job(state=State.PENDING), State.TIMED_OUT, "not_sent"),
        (job(state=State.PENDING, send_until=at(9)), State.CANCELLED, "not_sent_in_time"),
    ],
)
def test_a_job_times_out(made: FirmwareJob, state: State, reason: str) -> None:
    found = reviewed(made, PointFacts("1.0", None), made.deadline_at, GRACE)
    assert (found.state, found.reason) == (state, reason)
    before = reviewed(made, PointFacts("1.0", None), at(5), GRACE)
    assert before.state is made.state


def test_a_job_that_has_ended_is_watched_for_the_version_and_then_left() -> None:
    done = told(job(), "Installed")
    seen = reviewed(done, PointFacts("2.0", at(50)), at(60), GRACE)
    assert (seen.state, seen.firmware_version_after) == (State.INSTALLED, "2.0")
    assert seen.review_at is not None
    assert reviewed(seen, PointFacts("2.0", at(50)), at(10_000), GRACE).review_at is None


def test_a_boot_with_the_old_version_after_installed_is_a_failure() -> None:
    done = told(job(target_version="2.0"), "Installed")
    early = reviewed(done, PointFacts("1.0", at(50)), at(60), GRACE)
    assert early.state is State.INSTALLED
    failed = reviewed(early, PointFacts("1.0", at(50)), at(110), GRACE)
    assert (failed.state, failed.reason, failed.ended_at) == (State.FAILED, "old_version", at(110))
    assert "'1.0'" in (failed.detail or "")
    # It was a boot before the one into the new firmware.
    cured = reviewed(failed, PointFacts("2.0", at(120)), at(130), GRACE)
    assert (cured.state, cured.reason) == (State.INSTALLED_SEEN_BY_BOOT, "boot")


def test_a_later_downgrade_is_no_failure_of_the_update() -> None:
    done = reviewed(told(job(target_version="2.0"), "Installed"), PointFacts("2.0", at(50)), at(60), GRACE)
    assert reviewed(done, PointFacts("1.0", at(200)), at(1000), GRACE).state is State.INSTALLED


@pytest.mark.parametrize(
    ("made", "facts"),
    [
        # The boot came before Installed, which may have been reported after it.
        (job(target_version="2.0"), PointFacts("1.0", at(9))),
        # The name of the version may be another one than that of the charge point.
        (job(target_version="2.0"), PointFacts("v2.0-r3", at(50))),
        (job(target_version="2.0"), PointFacts(None, at(50))),
        # The same firmware once more.
        (job(target_version="1.0"), PointFacts("1.0", at(50))),
        (job(), PointFacts("1.0", at(50))),
    ],
)
def test_other_boots_after_installed_change_nothing(made: FirmwareJob, facts: PointFacts) -> None:
    assert reviewed(told(made, "Installed"), facts, at(1000), GRACE).state is State.INSTALLED
