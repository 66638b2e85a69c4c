"""A simulated charge point fetches firmware over HTTP, verifies it, and boots with it."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.firmware.certificates import IMAGE, ec_signer, rsa_signer
from tests.support.file_server import FileServer, serving_files
from tests.support.gateway import GatewayServer
from tests.support.simulated import Simulation, new_token, simulating

pytestmark = pytest.mark.slow

LARGE = hashlib.sha256(b"seed").digest() * 10_000


@pytest.fixture
async def simulation(server: GatewayServer, tmp_path: Path) -> AsyncIterator[Simulation]:
    async with simulating(server, tmp_path, speed=60.0) as running:
        yield running


async def updated(simulation: Simulation, state: str, **body: Any) -> Any:
    """Ask for an update, and return it once it is in a state."""
    made = await simulation.operator.post(f"{simulation.path}/firmware-updates", body)
    path = f"{simulation.path}/firmware-updates/{made['id']}"
    return await simulation.until_shown(path, lambda job: job["state"] == state)


def steps(job: Any) -> list[str]:
    return [entry["status"] for entry in job["statuses"]]


async def shown_version(simulation: Simulation, version: str) -> None:
    await simulation.until_shown(simulation.path, lambda point: point["firmware_version"] == version)


async def test_an_update_goes_on_where_it_was_cut_off(simulation: Simulation) -> None:
    async with serving_files(FileServer(LARGE, 'ETag: "v1"\r\n', cut_after=100_000)) as files:
        job = await updated(simulation, "installed", location=files.url("vw22-3.2.0.bin"))
    assert steps(job) == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert [wanted for _, wanted in files.requests] == [
        "",
        "bytes=100000-",
        "bytes=200000-",
        "bytes=300000-",
    ]
    await shown_version(simulation, "3.2.0")


async def test_a_server_without_ranges_is_read_from_the_beginning(simulation: Simulation) -> None:
    files = FileServer(LARGE, "X-Firmware-Version: 9.9.1-beta\r\n", cut_after=100_000, ignores_range=True)
    async with serving_files(files):
        made = await simulation.operator.post(
            f"{simulation.path}/firmware-updates", {"location": files.url("image.bin"), "retries": 50}
        )
        await simulation.until(lambda: len(files.requests) >= 2)
        files.cut_after = 0
        path = f"{simulation.path}/firmware-updates/{made['id']}"
        await simulation.until_shown(path, lambda job: job["state"] == "installed")
    await shown_version(simulation, "9.9.1-beta")


@pytest.mark.parametrize(
    ("files", "scheme", "last"),
    [
        pytest.param(FileServer(status="404 Not Found"), "http", "DownloadFailed", id="not found"),
        pytest.param(FileServer(), "ftp", "DownloadFailed", id="protocol"),
        pytest.param(FileServer(), "http", "InstallationFailed", id="empty file"),
    ],
)
async def test_a_failure_is_reported(
    simulation: Simulation, files: FileServer, scheme: str, last: str
) -> None:
    before = simulation.charge_point.firmware.version
    async with serving_files(files):
        location = files.url("x-1.0.bin").replace("http:", f"{scheme}:")
        job = await updated(simulation, "failed", location=location, retries=2, retry_interval_s=1)
    assert steps(job)[0] == "Downloading"
    assert steps(job)[-1] == last
    if files.status.startswith("404"):
        assert len(files.requests) == 2
    assert simulation.charge_point.firmware.version == before


@pytest.mark.parametrize("signer", [ec_signer(), rsa_signer()], ids=["ecdsa", "rsa"])
async def test_signed_firmware_is_verified_and_installed(
    server: GatewayServer, simulation: Simulation, signer: Any
) -> None:
    file_id = await stored(server, "vw22-3.2.0.bin")
    signed = {"signing_certificate": signer.pem, "signature": signer.sign()}
    job = await updated(simulation, "installed", file_id=file_id, signed=signed)
    assert steps(job) == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    await shown_version(simulation, "3.2.0")
    events = await simulation.until_shown(
        "/security-events",
        lambda page: "FirmwareUpdated" in {row["type"] for row in page["items"]},
        charge_point=simulation.identity,
    )
    assert "StartupOfTheDevice" in {row["type"] for row in events["items"]}


async def test_a_wrong_signature_is_not_installed(simulation: Simulation) -> None:
    signed = {"signing_certificate": ec_signer().pem, "signature": ec_signer().sign(image=b"another")}
    async with serving_files(FileServer(IMAGE)) as files:
        job = await updated(simulation, "failed", location=files.url("vw22-3.2.0.bin"), signed=signed)
    assert steps(job) == ["Downloading", "Downloaded", "InvalidSignature"]
    events = await simulation.operator.get("/security-events", charge_point=simulation.identity)
    assert "InvalidFirmwareSignature" in {row["type"] for row in events["items"]}


async def stored(server: GatewayServer, name: str) -> str:
    """Upload the image to the server, and return its file id."""
    headers = {"Authorization": f"Bearer {await new_token(server)}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client:
        answer = await client.post("/v1/files", params={"name": name}, content=IMAGE)
        assert answer.status_code == 201, answer.text
        file_id: str = answer.json()["id"]
        return file_id
