"""Diagnostics and logs of charge points on real sockets, with uploads by HTTP."""

import asyncio
from typing import Any

import pytest

from tests.diagnostics.conftest import DiagnosticsServer
from tests.support.asked import AskedCharger, charger

LOG = b"all is well\n" * 50_000


def answering(**answers: Any) -> Any:
    """Return answers by action; others are accepted."""
    return lambda action, payload: answers.get(action, {"status": "Accepted"})


async def asked_for(charge_point: AskedCharger, action: str) -> dict[str, Any]:
    """Wait until a charge point was asked, and return the payload."""
    async with asyncio.timeout(20):
        while not (found := [payload for name, payload in charge_point.asked if name == action]):
            await charge_point.until(len(charge_point.asked) + 1)
    return found[-1]


def told(job: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a job was told, and by what."""
    return [(event["status"], event["source"]) for event in job["events"]]


async def test_diagnostics_come_to_this_server(serving: DiagnosticsServer) -> None:
    await serving.gateway.register("CP1")
    answers = answering(GetDiagnostics={"fileName": "cp1.zip"})
    async with charger(serving.gateway, "CP1", answers) as charge_point:
        job = await serving.request("CP1", start_time="2026-05-03T00:00:00Z", retries=3, retry_interval_s=60)
        asked = await asked_for(charge_point, "GetDiagnostics")
        await serving.answered(job)
        assert (asked["retries"], asked["retryInterval"]) == (3, 60)
        assert (asked["startTime"], "stopTime" in asked) == ("2026-05-03T00:00:00.000Z", False)
        assert await charge_point.call("DiagnosticsStatusNotification", {"status": "Uploading"}) == [
            3,
            "own-1",
            {},
        ]
        uploaded = await serving.upload(asked["location"], LOG, "cp1.zip")
        assert uploaded.status_code == 201, uploaded.text
        await charge_point.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
    job = await serving.job(job["id"])
    assert (job["state"], job["file_name"], job["location"]) == ("uploaded", "cp1.zip", None)
    assert (job["reported_status"], job["ended_at"] is not None) == ("Uploaded", True)
    assert told(job) == [
        ("requested", "server"),
        ("accepted", "charge_point"),
        ("Uploading", "charge_point"),
        ("file_received", "upload"),
        ("Uploaded", "charge_point"),
    ]
    content = await serving.call("GET", f"/v1/files/{job['file_id']}/content")
    assert content.content == LOG
    command = (await serving.call("GET", f"/v1/commands/{job['command_id']}")).json()
    assert command["effect"] == {
        "observed": "diagnostics_uploaded",
        "diagnosticsJobId": job["id"],
        "fileId": job["file_id"],
    }
    token = asked["location"].split("/")[4]
    shown = await serving.call("GET", "/v1/commands")
    assert token not in shown.text
    assert "/transfers/***/" in shown.text
    await serving.gateway.flush()
    frames = await serving.call("GET", "/v1/charge-points/CP1/frames")
    assert "GetDiagnostics" in frames.text
    assert token not in frames.text


async def test_an_upload_counts_without_any_status(serving: DiagnosticsServer) -> None:
    await serving.gateway.register("CP1")
    async with charger(serving.gateway, "CP1", answering(GetLog={"status": "Accepted"})) as charge_point:
        job = await serving.request("CP1", kind="security_log", stop_time="2026-05-03T00:00:00Z")
        asked = await asked_for(charge_point, "GetLog")
        assert (asked["logType"], asked["requestId"]) == ("SecurityLog", job["request_id"])
        assert asked["log"]["latestTimestamp"] == "2026-05-03T00:00:00.000Z"
        await serving.upload(asked["log"]["remoteLocation"], LOG)
        await serving.answered(job)
    job = await serving.job(job["id"])
    assert (job["state"], job["reported_status"]) == ("uploaded", None)
    assert ("file_received", "upload") in told(job)


async def test_a_log_is_followed_by_its_number(serving: DiagnosticsServer) -> None:
    await serving.gateway.register("CP1")
    replies = iter([{"status": "Accepted", "filename": "a.log"}, {"status": "AcceptedCanceled"}])
    async with charger(
        serving.gateway,
        "CP1",
        lambda action, _: next(replies) if action == "GetLog" else {"status": "Accepted"},
    ) as charge_point:
        first = await serving.request(
            "CP1", kind="diagnostics_log", location="ftp://u:hunter2@files.example/a"
        )
        await serving.answered(first)
        second = await serving.request("CP1", kind="security_log")
        await serving.answered(second)
        foreign = {"status": "UploadFailure", "requestId": 2**40}
        await charge_point.call("LogStatusNotification", foreign)
        for status in ("Uploading", "PermissionDenied"):
            number = {"status": status, "requestId": second["request_id"]}
            await charge_point.call("LogStatusNotification", number)
        await charge_point.call("LogStatusNotification", {"status": "Uploaded", "requestId": 1_000_000})
        await charge_point.call("LogStatusNotification", {"status": "Idle"})
    assert charge_point.asked[0][1]["log"]["remoteLocation"] == "ftp://u:hunter2@files.example/a"
    first, second = await serving.job(first["id"]), await serving.job(second["id"])
    assert (first["state"], first["location"]) == ("superseded", "ftp://u:***@files.example/a")
    assert (second["state"], second["reported_status"]) == ("failed", "PermissionDenied")
    assert "UploadFailure" not in [event["status"] for event in second["events"]]
    last = (await serving.call("GET", "/v1/charge-points/CP1/diagnostics-status")).json()["items"]
    assert [(item["action"], item["status"], item["request_id"]) for item in last] == [
        ("LogStatusNotification", "Idle", None)
    ]


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("DiagnosticsStatusNotification", {"status": "Idle"}),
        ("DiagnosticsStatusNotification", {"status": "Uploaded"}),
        ("LogStatusNotification", {"status": "Idle"}),
        ("LogStatusNotification", {"status": "BadMessage", "requestId": 7}),
        ("LogStatusNotification", {"status": "Uploading", "requestId": 2**40}),
    ],
)
async def test_each_status_is_confirmed_and_kept_without_a_job(
    serving: DiagnosticsServer, action: str, payload: dict[str, Any]
) -> None:
    await serving.gateway.register("CP1")
    async with charger(serving.gateway, "CP1") as charge_point:
        assert (await charge_point.call(action, payload))[0::2] == [3, {}]
    (item,) = (await serving.call("GET", "/v1/charge-points/CP1/diagnostics-status")).json()["items"]
    assert (item["action"], item["status"], item["job_id"]) == (action, payload["status"], None)


async def test_a_command_of_its_own_makes_a_job(serving: DiagnosticsServer) -> None:
    await serving.gateway.register("CP1")
    answers = answering(GetDiagnostics={"fileName": "x.zip"}, GetLog={"status": "Rejected"})
    async with charger(serving.gateway, "CP1", answers) as charge_point:
        body = {"location": "https://u:hunter2@files.example/logs", "retries": 2}
        issued = await serving.call(
            "POST", "/v1/charge-points/CP1/commands/GetDiagnostics?wait=10", json=body
        )
        refused = {"logType": "SecurityLog", "requestId": 5, "log": {"remoteLocation": "https://a.example/"}}
        await serving.call("POST", "/v1/charge-points/CP1/commands/GetLog?wait=10", json=refused)
        await charge_point.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
    (job,) = (await serving.call("GET", "/v1/diagnostics?charge_point=CP1")).json()["items"]
    assert (job["state"], job["kind"], job["retries"]) == ("uploaded", "diagnostics", 2)
    assert job["location"] == "https://u:***@files.example/logs"
    assert job["command_id"] == issued.json()["id"]
    command = (await serving.call("GET", f"/v1/commands/{job['command_id']}")).json()
    assert command["effect"] == {"observed": "diagnostics_uploaded", "diagnosticsJobId": job["id"]}


@pytest.mark.parametrize(
    ("kind", "answer", "state"),
    [
        ("diagnostics", {}, "nothing_to_upload"),
        ("diagnostics", "NotSupported", "rejected"),
        ("security_log", {"status": "Rejected"}, "rejected"),
        ("security_log", {"status": "Nonsense"}, "requested"),
    ],
)
async def test_what_a_charge_point_answers_is_shown(
    serving: DiagnosticsServer, kind: str, answer: Any, state: str
) -> None:
    await serving.gateway.register("CP1")
    async with charger(serving.gateway, "CP1", lambda action, _: answer):
        job = await serving.request("CP1", kind=kind)
        await serving.answered(job)
        job = await serving.job(job["id"])
    assert job["state"] == state
    assert job["events"][-1]["source"] == "charge_point"
