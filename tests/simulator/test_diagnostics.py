"""A simulated charge point uploads its diagnostics and logs over HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.file_server import FileServer, serving_files
from tests.support.gateway import GatewayServer
from tests.support.simulated import Simulation, new_token, simulating

pytestmark = pytest.mark.slow


async def asked(simulation: Simulation, state: str, **body: Any) -> Any:
    """Ask for an upload, and return the job once it is in a state."""
    job = await simulation.operator.post(f"{simulation.path}/diagnostics", body)
    return await simulation.until_shown(f"/diagnostics/{job['id']}", lambda found: found["state"] == state)


@pytest.mark.parametrize("kind", ["diagnostics", "diagnostics_log", "security_log"])
@pytest.mark.parametrize("as_form", [False, True], ids=["put", "form"])
async def test_a_log_comes_to_the_server(
    server: GatewayServer, tmp_path: Path, kind: str, as_form: bool
) -> None:
    async with simulating(server, tmp_path, speed=60.0) as simulation:
        point = simulation.charge_point
        point.persona = replace(point.persona, uploads_form=as_form)
        job = await asked(simulation, "uploaded", kind=kind)
        ended = await simulation.until_shown(
            f"/diagnostics/{job['id']}", lambda found: found["reported_status"] == "Uploaded"
        )
        assert ended["file_name"].startswith(simulation.identity)
        reported = [row["status"] for row in ended["events"] if row["source"] == "charge_point"]
        assert reported[-2:] == ["Uploading", "Uploaded"]
    text = await content(server, ended["file_id"])
    assert "StartupOfTheDevice" in text
    assert ("HeartbeatInterval = 300" in text) == (kind != "security_log")
    assert "AuthorizationKey = ***" in text or kind == "security_log"


async def content(server: GatewayServer, file_id: str) -> str:
    headers = {"Authorization": f"Bearer {await new_token(server)}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/v1/files/{file_id}/content")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.mark.parametrize(
    ("kind", "status", "scheme", "reported", "tries"),
    [
        ("diagnostics", "500 Broken", "http", "UploadFailed", 2),
        ("diagnostics", "200 OK", "ftp", "UploadFailed", 0),
        ("diagnostics_log", "403 Forbidden", "http", "PermissionDenied", 2),
        ("diagnostics_log", "422 Unprocessable", "http", "BadMessage", 2),
        ("security_log", "200 OK", "sftp", "NotSupportedOperation", 0),
    ],
)
async def test_a_failure_is_reported(
    server: GatewayServer, tmp_path: Path, kind: str, status: str, scheme: str, reported: str, tries: int
) -> None:
    async with (
        simulating(server, tmp_path, speed=60.0) as simulation,
        serving_files(FileServer(status=status)) as files,
    ):
        location = files.url("logs").replace("http:", f"{scheme}:")
        job = await asked(simulation, "failed", kind=kind, location=location, retries=2, retry_interval_s=1)
        assert job["reported_status"] == reported
    assert len(files.uploads) == tries


@pytest.mark.parametrize(
    ("location", "as_form", "first"),
    [
        ("logs", False, "PUT /logs/SIM-00001-diagnostics-"),
        ("logs?signature=1", False, "PUT /logs?signature=1 "),
        ("logs?signature=1", True, "POST /logs?signature=1 "),
    ],
)
async def test_an_upload_to_a_server_of_the_operator(
    server: GatewayServer, tmp_path: Path, location: str, as_form: bool, first: str
) -> None:
    async with (
        simulating(server, tmp_path, speed=60.0) as simulation,
        serving_files(FileServer()) as files,
    ):
        point = simulation.charge_point
        point.persona = replace(point.persona, uploads_form=as_form)
        job = await asked(simulation, "uploaded", kind="diagnostics", location=files.url(location))
    [upload] = files.uploads
    assert b"HeartbeatInterval" in upload
    assert files.requests[0][0].startswith(first)
    assert (job["file_id"], job["reported_status"]) == (None, "Uploaded")
