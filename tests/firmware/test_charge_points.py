"""Charge points over real sockets: the commands that they get, and what their statuses lead to."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database.database import Database
from app.firmware.keeper import FirmwareKeeper
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.firmware.certificates import ec_signer
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import new_key
from tests.support.raw_client import RawClient, close_all

LOCATION = "https://files.example.com/vw22-3.2.0.bin"
UPDATES = "/charge-points/CP1/firmware-updates"
SIGNED = {"signing_certificate": ec_signer().pem, "signature": ec_signer().sign()}
BOOT = {"chargePointVendor": "VendorOne", "chargePointModel": "VW22", "firmwareVersion": "3.1.4"}


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    return {}


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    """A server that does not wait for the status Installed after a boot."""
    impatient = settings.model_copy(update={"firmware_boot_grace_s": 0, "state_requests": False})
    app = apps.setdefault("one", apps.get("one") or create_app(impatient))
    async with serve(app, impatient) as port:
        try:
            yield GatewayServer(port, app, database, tenant, impatient)
        finally:
            await close_all()


@dataclass
class Scene:
    """A charge point that is connected, and an operator."""

    server: GatewayServer
    charger: RawClient
    client: httpx.AsyncClient
    numbers: int = 0

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None) -> Any:
        answer = await self.client.post(f"/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def answer(self, *answer: Any) -> tuple[str, Any]:
        """Answer the next CALL, and return action and payload. answer: rest of the frame."""
        kind, unique_id, action, payload = json.loads(await self.charger.text())
        assert kind == 2
        self.charger.send(json.dumps([3 if len(answer) == 1 else 4, unique_id, *answer]))
        return action, payload

    async def report(self, *statuses: str, **more: Any) -> None:
        """Report statuses, each of which must be confirmed. requestId, signed: SignedFirmware..."""
        signed = more.pop("signed", "requestId" in more)
        for status in statuses:
            self.numbers += 1
            action = "SignedFirmwareStatusNotification" if signed else "FirmwareStatusNotification"
            got = await self.charger.call(action, {"status": status, **more}, f"status-{self.numbers}")
            assert got[2] == {}, got

    async def job_in(self, job_id: str, *states: str) -> Any:
        """Return a job once it is in one of the states."""
        async with asyncio.timeout(20):
            while True:
                job = await self.get(f"{UPDATES}/{job_id}")
                if job["state"] in states:
                    return job
                await asyncio.sleep(0.02)

    async def effect(self, command_id: str) -> Any:
        """Return the effect of a command once it has one."""
        async with asyncio.timeout(20):
            while True:
                command = await self.get(f"/commands/{command_id}")
                if command["effect"] is not None:
                    return command["effect"]
                await asyncio.sleep(0.02)

    async def update(self, answer: Sequence[Any] = ({},), **body: Any) -> Any:
        """Make an update, let the charge point answer its command, and return it."""
        made = await self.post(UPDATES, {"location": LOCATION, **body})
        await self.answer(*answer)
        return made


@pytest.fixture
async def scene(server: GatewayServer) -> AsyncIterator[Scene]:
    await server.register("CP1")
    charger = await server.connect("CP1")
    await charger.call("BootNotification", BOOT, "boot")
    headers = {"Authorization": f"Bearer {await new_key(server, 'read', 'write', 'command')}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client:
        yield Scene(server, charger, client)


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        # TC_044_1, TC_044_2, TC_044_3
        (["Downloading", "Downloaded", "Installing", "Installed"], "installed"),
        (["Downloading", "DownloadFailed"], "failed"),
        (["Downloading", "Downloaded", "Installing", "InstallationFailed"], "failed"),
    ],
)
async def test_the_job_shows_each_step_with_its_time(scene: Scene, statuses: list[str], state: str) -> None:
    made = await scene.update()
    await scene.job_in(made["id"], "accepted")
    await scene.report(*statuses)
    job = await scene.job_in(made["id"], state)
    assert [entry["status"] for entry in job["statuses"]] == statuses
    times = [entry["at"] for entry in job["statuses"]]
    assert times == sorted(times)
    assert (job["command_state"], job["firmware_version_before"]) == ("accepted", "3.1.4")
    effect = await scene.effect(job["command_id"])
    assert effect == {"observed": "firmware_update", "firmware_update": made["id"]}


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        # TC_080, TC_081
        (
            [
                "DownloadScheduled",
                "Downloading",
                "DownloadPaused",
                "Downloaded",
                "SignatureVerified",
                "InstallScheduled",
                "InstallRebooting",
                "Installing",
                "Installed",
            ],
            "installed",
        ),
        (["Downloading", "Downloaded", "InvalidSignature"], "failed"),
        (["Downloading", "Downloaded", "SignatureVerified", "InstallVerificationFailed"], "failed"),
    ],
)
async def test_signed_firmware_shows_all_its_statuses(scene: Scene, statuses: list[str], state: str) -> None:
    made = await scene.update([{"status": "Accepted"}], signed=SIGNED)
    assert made["request_id"] == 1
    await scene.report(*statuses, requestId=1)
    job = await scene.job_in(made["id"], state)
    assert [entry["status"] for entry in job["statuses"]] == statuses


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("InvalidCertificate", "invalid_certificate"),
        ("RevokedCertificate", "revoked_certificate"),
        ("Rejected", "rejected"),
    ],
)
async def test_a_refusal_is_shown(scene: Scene, status: str, reason: str) -> None:
    made = await scene.update([{"status": status}], signed=SIGNED)
    job = await scene.job_in(made["id"], "refused")
    assert (job["reason"], job["command_state"], job["command_status"]) == (reason, "rejected", status)


async def test_a_charge_point_that_wants_signed_firmware_is_shown(scene: Scene) -> None:
    made = await scene.update(["NotSupported", "", {}])
    job = await scene.job_in(made["id"], "refused")
    assert job["reason"] == "unsigned_not_supported"
    assert "L01.FR.20" in job["detail"]


async def test_a_newer_update_replaces_the_one_that_the_charge_point_cancels(scene: Scene) -> None:
    first = await scene.update([{"status": "Accepted"}], signed=SIGNED)
    await scene.report("Downloading", requestId=1)
    second = await scene.update([{"status": "AcceptedCanceled"}], signed=SIGNED)
    assert (await scene.job_in(first["id"], "replaced"))["reason"] == "newer_update"
    # The charge point still has a status of the older one to tell.
    await scene.report("DownloadFailed", requestId=1)
    await scene.report("Downloading", requestId=2)
    old, new = await scene.job_in(first["id"], "replaced"), await scene.job_in(second["id"], "in_progress")
    assert [(one["status"], one["note"]) for one in old["statuses"]] == [
        ("Downloading", None),
        ("DownloadFailed", "after_end"),
    ]
    assert [one["status"] for one in new["statuses"]] == ["Downloading"]


async def test_statuses_after_a_reboot_belong_to_the_job(scene: Scene) -> None:
    made = await scene.update()
    await scene.report("Downloading", "Downloaded", "Installing")
    await scene.charger.close()
    scene.charger = await scene.server.connect("CP1")
    await scene.charger.call("BootNotification", {**BOOT, "firmwareVersion": "3.2.0"}, "again")
    await scene.report("Installed")
    job = await scene.job_in(made["id"], "installed")
    assert [one["status"] for one in job["statuses"]] == [
        "Downloading",
        "Downloaded",
        "Installing",
        "Installed",
    ]


async def test_a_command_of_an_operator_makes_a_job(scene: Scene) -> None:
    payload = {"location": "ftp://user:hunter2@files.example.com/a", "retrieveDate": "2026-01-01T00:00:00Z"}
    command = await scene.post("/charge-points/CP1/commands/UpdateFirmware", payload)
    action, sent = await scene.answer({})
    assert (action, sent) == ("UpdateFirmware", payload)
    effect = await scene.effect(command["id"])
    job = await scene.job_in(effect["firmware_update"], "accepted")
    assert (job["command_id"], job["location"], job["firmware_version_before"]) == (
        command["id"],
        "ftp://user:***@files.example.com/a",
        "3.1.4",
    )
    await scene.report("Downloading", "DownloadFailed")
    await scene.job_in(job["id"], "failed")
    refused = await scene.client.post(f"/v1{UPDATES}/{job['id']}/retries")
    assert refused.status_code == 409
    assert "password" in refused.json()["detail"]


async def test_a_signed_command_of_an_operator_keeps_its_request_id(scene: Scene) -> None:
    firmware = {
        "location": LOCATION,
        "retrieveDateTime": "2026-01-01T00:00:00Z",
        "signingCertificate": SIGNED["signing_certificate"],
        "signature": SIGNED["signature"],
    }
    payload = {"requestId": 41, "firmware": firmware}
    command = await scene.post("/charge-points/CP1/commands/SignedUpdateFirmware", payload)
    await scene.answer({"status": "Accepted"})
    effect = await scene.effect(command["id"])
    await scene.report("Installed", requestId=41)
    assert (await scene.job_in(effect["firmware_update"], "installed"))["request_id"] == 41
    # Ours are different ones.
    assert (await scene.update([{"status": "Accepted"}], signed=SIGNED))["request_id"] == 42


async def test_a_status_that_is_faster_than_the_answer_is_not_lost(scene: Scene) -> None:
    payload = {"location": LOCATION, "retrieveDate": "2026-01-01T00:00:00Z"}
    command = await scene.post("/charge-points/CP1/commands/UpdateFirmware", payload)
    _, unique_id, _, _ = json.loads(await scene.charger.text())
    await scene.report("Downloading")
    assert (await scene.get("/charge-points/CP1/firmware-status"))["firmware_update"] is None
    scene.charger.send(json.dumps([3, unique_id, {}]))
    effect = await scene.effect(command["id"])
    job = await scene.job_in(effect["firmware_update"], "in_progress")
    assert [one["status"] for one in job["statuses"]] == ["Downloading"]
    assert (await scene.get("/charge-points/CP1/firmware-status"))["firmware_update"] == job["id"]


async def test_every_status_is_confirmed_without_any_job(scene: Scene) -> None:
    await scene.report("Idle", "Downloading", "Installed")
    await scene.report("Idle", signed=True)
    await scene.report("Installed", requestId=4711)
    last = await scene.get("/charge-points/CP1/firmware-status")
    assert (last["status"], last["request_id"], last["firmware_update"]) == ("Installed", 4711, None)
    assert (await scene.get(UPDATES))["items"] == []


async def test_a_status_of_a_deleted_charge_point_is_confirmed(scene: Scene) -> None:
    async with scene.server.database.tenant(scene.server.tenant.id) as work:
        await work.connection.execute(
            text("delete from charge_points where tenant_id = :tenant"), {"tenant": scene.server.tenant.id}
        )
    await scene.report("Downloading")


async def test_the_boot_is_noticed_by_the_sweep(scene: Scene) -> None:
    made = await scene.update()
    await scene.report("Installing")
    await scene.charger.call("BootNotification", {**BOOT, "firmwareVersion": "3.2.0"}, "again")
    keeper: FirmwareKeeper = scene.server.app.state.services.get(FirmwareKeeper)
    async with scene.server.database.tenant(scene.server.tenant.id) as work:
        await work.connection.execute(
            text("update firmware_jobs set review_at = created_at where tenant_id = :tenant and id = :id"),
            {"tenant": scene.server.tenant.id, "id": uuid.UUID(made["id"])},
        )
    await keeper.sweep()
    job = await scene.job_in(made["id"], "installed_seen_by_boot")
    assert (job["firmware_version_before"], job["firmware_version_after"]) == ("3.1.4", "3.2.0")
