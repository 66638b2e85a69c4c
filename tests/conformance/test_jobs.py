"""Cases of firmware, diagnostics and logs: the job shows each step, and the file arrives (chapter 8)."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.firmware.certificates import ec_signer
from tests.support.certification import Station

LOCATION = "https://firmware.example.com/duo-22-4.2.0.bin"
ACCEPTED = {"status": "Accepted"}


async def _until(station: Station, path: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            job: dict[str, Any] = await station.operator.get(path)
            if job["state"] == state:
                return job
            await asyncio.sleep(0.02)


async def _updated(station: Station, statuses: list[str], state: str) -> None:
    made = await station.operator.post(f"{station.path}/firmware-updates", {"location": LOCATION})
    asked = await station.expect("UpdateFirmware")
    assert asked.payload["location"] == LOCATION
    station.answer(asked, {})
    for status in statuses:
        assert await station.call("FirmwareStatusNotification", {"status": status}) == {}
    job = await _until(station, f"{station.path}/firmware-updates/{made['id']}", state)
    assert [entry["status"] for entry in job["statuses"]] == statuses
    times = [entry["at"] for entry in job["statuses"]]
    assert times == sorted(times)


async def test_tc_044_1_firmware_is_downloaded_and_installed(station: Station) -> None:
    await _updated(station, ["Downloading", "Downloaded", "Installing", "Installed"], "installed")


async def test_tc_044_2_a_download_of_firmware_fails(station: Station) -> None:
    await _updated(station, ["Downloading", "DownloadFailed"], "failed")


async def test_tc_044_3_an_installation_of_firmware_fails(station: Station) -> None:
    await _updated(station, ["Downloading", "Downloaded", "Installing", "InstallationFailed"], "failed")


async def _signed(station: Station, statuses: list[str], state: str) -> None:
    signed = {"signing_certificate": ec_signer().pem, "signature": ec_signer().sign()}
    body = {"location": LOCATION, "signed": signed}
    made = await station.operator.post(f"{station.path}/firmware-updates", body)
    asked = await station.expect("SignedUpdateFirmware")
    assert asked.payload["firmware"]["signingCertificate"] == ec_signer().pem
    station.answer(asked, ACCEPTED)
    for status in statuses:
        report = {"status": status, "requestId": asked.payload["requestId"]}
        assert await station.call("SignedFirmwareStatusNotification", report) == {}
    job = await _until(station, f"{station.path}/firmware-updates/{made['id']}", state)
    assert [entry["status"] for entry in job["statuses"]] == statuses


async def test_tc_080_signed_firmware_is_verified_and_installed(station: Station) -> None:
    steps = ["Downloading", "Downloaded", "SignatureVerified", "InstallRebooting", "Installing", "Installed"]
    await _signed(station, steps, "installed")


async def test_tc_081_signed_firmware_with_an_invalid_signature_is_refused(station: Station) -> None:
    await _signed(station, ["Downloading", "Downloaded", "InvalidSignature"], "failed")
    event = {"type": "InvalidFirmwareSignature", "timestamp": "2026-05-04T08:00:00Z"}
    assert await station.call("SecurityEventNotification", event) == {}
    (found,) = (await station.operator.get("/security-events", charge_point=station.identity))["items"]
    assert found["type"] == "InvalidFirmwareSignature"


async def _uploaded(station: Station, kind: str, action: str, status_action: str) -> None:
    made = await station.operator.post(f"{station.path}/diagnostics", {"kind": kind})
    asked = await station.expect(action)
    log = asked.payload.get("log", asked.payload)
    location = log.get("remoteLocation", log.get("location"))
    reported = {} if action == "GetDiagnostics" else {"requestId": asked.payload["requestId"]}
    name = (
        {"fileName": "log.txt"}
        if action == "GetDiagnostics"
        else {"status": "Accepted", "filename": "log.txt"}
    )
    station.answer(asked, name)
    assert await station.call(status_action, {"status": "Uploading", **reported}) == {}
    url = f"http://127.0.0.1:{station.server.port}{urlsplit(location).path}/log.txt"
    async with httpx.AsyncClient() as client:
        assert (await client.put(url, content=b"a line of the log")).is_success
    assert await station.call(status_action, {"status": "Uploaded", **reported}) == {}
    job = await _until(station, f"/diagnostics/{made['id']}", "uploaded")
    assert {"Uploading", "Uploaded"} <= {event["status"] for event in job["events"]}
    content = await station.operator.content(f"/files/{job['file_id']}/content")
    assert content == b"a line of the log"


async def test_tc_045_1_diagnostics_are_uploaded_and_offered(station: Station) -> None:
    await _uploaded(station, "diagnostics", "GetDiagnostics", "DiagnosticsStatusNotification")


async def test_tc_079_the_security_log_is_uploaded_and_offered(station: Station) -> None:
    await _uploaded(station, "security_log", "GetLog", "LogStatusNotification")


@pytest.mark.parametrize("location", [None, "ftp://files.example.com/in"])
async def test_tc_045_2_an_upload_of_diagnostics_fails(station: Station, location: str | None) -> None:
    body = {} if location is None else {"location": location}
    made = await station.operator.post(f"{station.path}/diagnostics", body)
    asked = await station.expect("GetDiagnostics")
    station.answer(asked, {"fileName": "log.txt"})
    for status in ("Uploading", "UploadFailed"):
        assert await station.call("DiagnosticsStatusNotification", {"status": status}) == {}
    job = await _until(station, f"/diagnostics/{made['id']}", "failed")
    assert (job["file_id"], job["reported_status"]) == (None, "UploadFailed")
