"""The meaning of answers, statuses and uploads, decided without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from app.commands.rules import UNREADABLE_ANSWER, Outcome
from app.diagnostics.records import DiagnosticsJob, JobEvent, JobRequest
from app.diagnostics.rules import (
    EVENTS_LIMIT,
    after_answer,
    after_deadline,
    after_status,
    command_key,
    fault_of_upload_location,
    job_of_key,
    job_of_status,
    needs_location,
    payload_of,
    request_of_payload,
    with_event,
)
from app.ocpp import Protocol

NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)


def job(**changes: Any) -> DiagnosticsJob:
    """Make a job that was accepted."""
    facts: dict[str, Any] = {name: None for name in DiagnosticsJob.__dataclass_fields__}
    facts |= {"id": uuid4(), "kind": "diagnostics", "state": "accepted", "events": [], "created_at": NOW}
    return DiagnosticsJob(**{**facts, **changes})


@pytest.mark.parametrize(
    "location",
    [
        "https://files.example.com/logs",
        "http://192.0.2.1:8080/",
        "ftp://user:pass@files.example.com/a/b",
        "FTPS://files.example.com",
        "sftp://files.example.com/~/logs",
        "http://[2001:db8::1]/",
    ],
)
def test_locations_of_files_are_allowed(location: str) -> None:
    assert fault_of_upload_location(location) is None


@pytest.mark.parametrize(
    "location",
    [
        "",
        "files.example.com",
        "file:///etc/passwd",
        "gopher://files.example.com/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://files.example.com/a b",
        "https://files.example.com/\r\nX: y",
        "https://files.example.com/\x00",
        "https://b\u00fccher.example/",
        "https://[::1",
        "https://files.example.com:99999/",
        "https://files.example.com/" + "x" * 500,
    ],
)
def test_other_locations_are_refused(location: str) -> None:
    assert fault_of_upload_location(location)


@pytest.mark.parametrize("kind", ["diagnostics", "diagnostics_log", "security_log"])
def test_what_is_asked_fits_the_standard_and_is_read_back(kind: Any) -> None:
    asked = JobRequest(kind, None, NOW, NOW + timedelta(hours=1), 3, 60)
    payload = payload_of(asked, "https://files.example.com/", 12)
    action = "GetDiagnostics" if kind == "diagnostics" else "GetLog"
    verdict = Protocol.v16().check_call("central_system", action, orjson.dumps(payload).decode())
    assert list(verdict.violations) == []
    number = None if kind == "diagnostics" else 12
    assert request_of_payload(action, payload) == (kind, "https://files.example.com/", number)


def test_a_command_that_is_no_request_for_a_log_is_none() -> None:
    assert request_of_payload("GetLog", {"logType": "Other", "log": {}}) is None
    assert request_of_payload("GetLog", {"logType": "SecurityLog", "log": "x"}) is None


def test_the_key_of_a_command_names_its_job() -> None:
    job_id = uuid4()
    assert job_of_key(command_key(job_id)) == job_id
    assert [job_of_key(key) for key in (None, "", "diagnostics:", "diagnostics:x", str(job_id))] == [None] * 5


_NOT_SUPPORTED = {"code": "NotSupported", "description": ""}


@pytest.mark.parametrize(
    ("kind", "outcome", "state", "status"),
    [
        ("diagnostics", Outcome("accepted", {"fileName": "a.zip"}, answered=True), "accepted", "accepted"),
        ("diagnostics", Outcome("accepted", {}, answered=True), "nothing_to_upload", "accepted"),
        (
            "security_log",
            Outcome("accepted", {"status": "Accepted"}, status="Accepted", answered=True),
            "accepted",
            "Accepted",
        ),
        (
            "diagnostics_log",
            Outcome("rejected", {"status": "Rejected"}, status="Rejected", answered=True),
            "rejected",
            "Rejected",
        ),
        ("diagnostics", Outcome("call_error", error=_NOT_SUPPORTED, answered=True), "rejected", "call_error"),
        (
            "diagnostics",
            Outcome("call_error", error={"code": UNREADABLE_ANSWER, "description": ""}, answered=True),
            None,
            "call_error",
        ),
        ("diagnostics", Outcome("timed_out"), None, "timed_out"),
        ("diagnostics", Outcome("connection_lost"), None, "connection_lost"),
        ("diagnostics", Outcome("offline"), "not_delivered", "offline"),
        ("diagnostics", Outcome("expired"), "not_delivered", "expired"),
        ("diagnostics", Outcome("cancelled"), "not_delivered", "cancelled"),
    ],
)
def test_the_end_of_the_command_changes_the_job(kind: Any, outcome: Outcome, state: Any, status: str) -> None:
    change = after_answer(kind, outcome, NOW)
    assert (change.state, change.event.status, change.is_report) == (state, status, False)
    assert change.event.source == ("charge_point" if outcome.answered else "server")


def test_a_command_that_has_not_ended_changes_nothing() -> None:
    with pytest.raises(ValueError, match="not the end"):
        after_answer("diagnostics", Outcome("sent"), NOW)


@pytest.mark.parametrize(
    ("changes", "status", "state"),
    [
        ({}, "Uploading", "uploading"),
        # The file has not come to this server, although the charge point says so.
        ({}, "Uploaded", "uploading"),
        ({"location": "https://a.example/"}, "Uploaded", "uploaded"),
        ({}, "UploadFailed", "failed"),
        ({}, "UploadFailure", "failed"),
        ({}, "BadMessage", "failed"),
        ({}, "NotSupportedOperation", "failed"),
        ({}, "PermissionDenied", "failed"),
        ({}, "Idle", None),
        ({"state": "failed"}, "Uploading", "uploading"),
        ({"state": "timed_out"}, "Uploading", "uploading"),
        ({"state": "superseded"}, "UploadFailure", None),
        ({"state": "uploaded", "file_id": uuid4()}, "UploadFailed", None),
    ],
)
def test_a_status_changes_the_job(changes: dict[str, Any], status: str, state: Any) -> None:
    change = after_status(job(**changes), status, NOW)
    assert (change.state, change.is_report, change.event.source) == (state, True, "charge_point")


def test_a_job_that_never_got_its_file_says_so() -> None:
    assert after_deadline(job(), NOW).event.detail is None
    assert "no file has come" in (after_deadline(job(reported_status="Uploaded"), NOW).event.detail or "")


def test_a_status_without_a_number_belongs_to_the_newest_open_job() -> None:
    newest, older = job(state="timed_out", ended_at=NOW), job()
    assert job_of_status([newest, older], NOW) is older
    assert job_of_status([newest], NOW + timedelta(minutes=59)) is newest
    assert job_of_status([newest], NOW + timedelta(minutes=61)) is None
    assert job_of_status([replace(newest, reported_status="UploadFailed")], NOW) is None
    assert job_of_status([], NOW) is None


def test_a_status_goes_on_with_a_job_that_was_answered_before_one_that_was_not() -> None:
    # The charge point is still busy with the older one, and has not answered the newer one.
    unanswered, older = job(state="requested"), job(state="uploading")
    assert job_of_status([unanswered, older], NOW) is older
    # Without another one it was faster than its answer, or its answer is lost.
    assert job_of_status([unanswered], NOW) is unanswered


@pytest.mark.parametrize("state", ["not_delivered", "rejected", "superseded"])
def test_a_status_does_not_finish_a_job_that_the_charge_point_does_not_work_on(state: Any) -> None:
    assert job_of_status([job(state=state, ended_at=NOW)], NOW) is None
    failed = job(state="failed", ended_at=NOW)
    assert job_of_status([job(state=state, ended_at=NOW), failed], NOW) is failed


def test_events_are_counted_and_bounded() -> None:
    events: list[dict[str, Any]] = []
    for second in range(3):
        events = with_event(events, JobEvent("Uploading", "charge_point", NOW + timedelta(seconds=second)))
    assert len(events) == 1
    assert (events[0]["count"], events[0]["at"], events[0]["last_at"]) == (
        3,
        "2026-05-04T08:15:30.000Z",
        "2026-05-04T08:15:32.000Z",
    )
    for number in range(2 * EVENTS_LIMIT):
        events = with_event(events, JobEvent(str(number), "charge_point", NOW))
    assert len(events) == EVENTS_LIMIT
    assert (events[0]["status"], events[-1]["status"]) == ("Uploading", str(2 * EVENTS_LIMIT - 1))


def test_a_location_with_a_password_must_be_given_again() -> None:
    assert needs_location(job(location="ftp://u:***@a.example/"))
    assert not needs_location(job(location="ftp://a.example/"))
    assert not needs_location(job())
