"""`/v1/diagnostics` without a charge point."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.diagnostics.service import DiagnosticsService
from app.diagnostics.sweeper import KEPT, DiagnosticsSweeper
from app.errors import AppError, Conflict, TooManyRequests, Unavailable
from app.settings import Settings
from tests.files.conftest import Owner, kept, owner
from tests.support.api import open_api
from tests.support.scripted_commands import ScriptedCommands

__all__ = ["owner"]


@pytest.fixture
def file_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a small limit for uploads."""
    return settings.model_copy(
        update={
            "data_directory": tmp_path,
            "public_url": "http://server",
            "upload_limit_bytes": 500_000,
        }
    )


PATH = "/v1/charge-points/CP1/diagnostics"


async def requested(owner: Owner, **body: Any) -> dict[str, Any]:
    """Ask CP1, which is not connected, for an upload."""
    answer = await owner.api.call("POST", PATH, owner.key, json=body)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def sweeper(owner: Owner) -> DiagnosticsSweeper:
    """Make the sweeper of another worker."""
    service = owner.api.app.state.services.get(DiagnosticsService)
    return DiagnosticsSweeper(owner.api.services.storage.database, service, owner.clock)


async def test_a_charge_point_that_is_away_gets_no_request(owner: Owner) -> None:
    job = await requested(owner)
    assert (job["state"], job["ended_at"] is not None, job["command_id"] is not None) == (
        "not_delivered",
        True,
        True,
    )
    assert [event["status"] for event in job["events"]] == ["requested", "offline"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "other"}, "/kind"),
        ({"location": "file:///etc"}, "/location"),
        ({"location": "https://"}, "/location"),
        ({"retries": -1}, "/retries"),
        ({"retries": 101}, "/retries"),
        ({"retry_interval_s": 86_401}, "/retry_interval_s"),
        ({"timeout_s": 9}, "/timeout_s"),
        ({"start_time": "yesterday"}, "/start_time"),
        ({"start_time": "2026-05-04T00:00:00Z", "stop_time": "2026-05-03T00:00:00Z"}, "body"),
        ({"password": "x"}, "/password"),
    ],
)
async def test_a_wrong_request_is_refused(owner: Owner, body: dict[str, Any], field: str) -> None:
    answer = await owner.api.call("POST", PATH, owner.key, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert (await owner.api.call("GET", "/v1/diagnostics", owner.key)).json()["items"] == []


async def test_an_unknown_charge_point_has_no_job(owner: Owner) -> None:
    other = await owner.api.key(await owner.api.tenant())
    for key, identity in ((owner.key, "CP2"), (other, "CP1")):
        for body in ({}, {"location": "https://a.example/"}):
            path = f"/v1/charge-points/{identity}/diagnostics"
            answer = await owner.api.call("POST", path, key, json=body)
            assert (answer.status_code, answer.json()["field"]) == (404, "identity")
        path = f"/v1/charge-points/{identity}/diagnostics-status"
        assert (await owner.api.call("GET", path, key)).status_code == 404


async def test_another_tenant_finds_no_job(owner: Owner) -> None:
    job = await requested(owner)
    other = await owner.api.key(await owner.api.tenant())
    assert (await owner.api.call("GET", f"/v1/diagnostics/{job['id']}", other)).status_code == 404
    retry = await owner.api.call("POST", f"/v1/diagnostics/{job['id']}/retries", other, json={})
    assert retry.status_code == 404
    assert (await owner.api.call("GET", "/v1/diagnostics", other)).json()["items"] == []
    assert (await owner.api.call("GET", f"/v1/diagnostics/{uuid4()}", owner.key)).status_code == 404


async def test_a_job_that_has_ended_can_be_repeated(owner: Owner) -> None:
    first = await requested(owner, kind="security_log", retries=2, timeout_s=60)
    answer = await owner.api.call("POST", f"/v1/diagnostics/{first['id']}/retries", owner.key, json={})
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert (again["retry_of"], again["kind"], again["retries"]) == (first["id"], "security_log", 2)
    assert again["request_id"] != first["request_id"]
    assert again["deadline_at"] == first["deadline_at"]


async def test_a_location_with_a_password_is_asked_for_again(owner: Owner) -> None:
    location = "ftp://u:hunter2@files.example/logs"
    first = await requested(owner, location=location)
    assert first["location"] == "ftp://u:***@files.example/logs"
    path = f"/v1/diagnostics/{first['id']}/retries"
    refused = await owner.api.call("POST", path, owner.key, json={})
    assert (refused.status_code, refused.json()["field"]) == (422, "/location")
    assert (await owner.api.call("POST", path, owner.key, json={"location": location})).status_code == 202
    listed = await owner.api.call("GET", "/v1/diagnostics", owner.key)
    assert "hunter2" not in listed.text


async def test_jobs_are_listed_the_newest_first_and_by_their_filters(owner: Owner) -> None:
    for kind in ("diagnostics", "security_log", "diagnostics_log"):
        owner.clock.advance(1)
        await requested(owner, kind=kind)
    first = (await owner.api.call("GET", "/v1/diagnostics?limit=2", owner.key)).json()
    rest = (
        await owner.api.call("GET", f"/v1/diagnostics?limit=2&cursor={first['next_cursor']}", owner.key)
    ).json()
    kinds = [item["kind"] for item in first["items"] + rest["items"]]
    assert kinds == ["diagnostics_log", "security_log", "diagnostics"]
    for query, count in (
        ("kind=security_log", 1),
        ("state=not_delivered", 3),
        ("state=uploaded", 0),
        ("charge_point=CP1", 3),
        ("charge_point=CP2", 0),
    ):
        found = (await owner.api.call("GET", f"/v1/diagnostics?{query}", owner.key)).json()["items"]
        assert len(found) == count, query


async def test_asking_needs_the_scope_of_commands(owner: Owner) -> None:
    reader = await owner.api.key(owner.tenant, "read", "write")
    assert (await owner.api.call("POST", PATH, reader, json={})).status_code == 403


@pytest.mark.parametrize(
    ("error", "kept_jobs"),
    [(Conflict("It is Rejected."), 0), (TooManyRequests("full"), 0), (Unavailable("no bus"), 1)],
)
async def test_a_command_that_cannot_be_issued_leaves_no_job(
    storage: Any, redis_url: str, file_settings: Settings, error: AppError, kept_jobs: int
) -> None:
    commands = ScriptedCommands(storage.database)
    commands.outcome = error
    async with open_api(storage, redis_url, file_settings, commands) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        owner = Owner(api, tenant, await api.key(tenant))
        answer = await api.call("POST", PATH, owner.key, json={})
        assert answer.status_code == error.status
        jobs = (await api.call("GET", "/v1/diagnostics", owner.key)).json()["items"]
        assert len(jobs) == kept_jobs
        location = commands.issued[0].payload_text.split('"')[3]
        uploaded = await api.client.put(location, content=b"log")
        # It is not known whether the charge point has got the URL, so it is of use.
        assert uploaded.status_code == (201 if kept_jobs else 410)


async def test_a_job_is_kept_for_a_year(owner: Owner) -> None:
    job = await requested(owner)
    await sweeper(owner).sweep()
    owner.clock.advance(KEPT.total_seconds() - 1)
    await sweeper(owner).sweep()
    assert (await owner.api.call("GET", f"/v1/diagnostics/{job['id']}", owner.key)).status_code == 200
    owner.clock.advance(2)
    await sweeper(owner).sweep()
    assert (await owner.api.call("GET", f"/v1/diagnostics/{job['id']}", owner.key)).status_code == 404


async def test_an_open_job_ends_at_its_deadline(
    storage: Any, redis_url: str, file_settings: Settings
) -> None:
    commands = ScriptedCommands(storage.database)
    commands.outcome = Unavailable("no bus")
    async with open_api(storage, redis_url, file_settings, commands) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        owner = Owner(api, tenant, await api.key(tenant))
        await api.call("POST", PATH, owner.key, json={"timeout_s": 60})
        (job,) = (await api.call("GET", "/v1/diagnostics?state=requested", owner.key)).json()["items"]
        refused = await api.call("POST", f"/v1/diagnostics/{job['id']}/retries", owner.key, json={})
        assert refused.status_code == 409
        owner.clock.advance(59)
        await sweeper(owner).sweep()
        assert (await api.call("GET", f"/v1/diagnostics/{job['id']}", owner.key)).json()["ended_at"] is None
        owner.clock.advance(1)
        for _ in range(2):
            await sweeper(owner).sweep()
        job = (await api.call("GET", f"/v1/diagnostics/{job['id']}", owner.key)).json()
        assert [event["status"] for event in job["events"]] == ["requested", "timed_out"]
        assert job["state"] == "timed_out"
        location = commands.issued[0].payload_text.split('"')[3]
        late = await api.client.put(location, content=b"log")
        assert (late.status_code, late.json()["code"]) == (410, "link_expired")


async def test_a_failed_upload_is_told_in_its_job(
    storage: Any, redis_url: str, file_settings: Settings, tmp_path: Path
) -> None:
    commands = ScriptedCommands(storage.database)
    commands.outcome = Unavailable("no bus")
    async with open_api(storage, redis_url, file_settings, commands) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        key = await api.key(tenant)
        await api.call("POST", PATH, key, json={})
        location = commands.issued[0].payload_text.split('"')[3]
        for _ in range(3):
            assert (await api.client.put(location, content=b"x" * 500_001)).status_code == 413
        (job,) = (await api.call("GET", "/v1/diagnostics", key)).json()["items"]
        assert (job["state"], job["events"][-1]["status"], job["events"][-1]["count"]) == (
            "requested",
            "upload_too_large",
            3,
        )
        assert kept(tmp_path / "files") == []
        assert (await api.client.put(location + "a.log", content=b"log")).status_code == 201
        (job,) = (await api.call("GET", "/v1/diagnostics?state=uploaded", key)).json()["items"]
        repeated = await api.call("POST", f"/v1/diagnostics/{job['id']}/retries", key, json={})
        assert repeated.status_code == 409


async def test_without_a_public_url_the_operator_is_told(
    storage: Any, redis_url: str, file_settings: Settings
) -> None:
    unknown = file_settings.model_copy(update={"public_url": None, "host": "0.0.0.0"})  # noqa: S104
    async with open_api(storage, redis_url, unknown) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        key = await api.key(tenant)
        answer = await api.call("POST", PATH, key, json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "public_url_missing")
        assert "STATIONMASTER_PUBLIC_URL" in answer.json()["detail"]
        assert (await api.call("POST", PATH, key, json={"location": "https://a.example/"})).status_code == 202
