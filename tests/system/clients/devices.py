"""Firmware, diagnostics and logs: files that really go between a charge point and the server."""

import hashlib
from typing import Any

from tests.firmware.certificates import IMAGE, ec_signer
from tests.system.clients.bench import Bench

DIAGNOSTICS = b"diagnostics of the charge point\n" * 1_000
LOG = b"security log of the charge point\n" * 1_000


async def updates_its_firmware(bench: Bench) -> None:
    """UpdateFirmware with FirmwareStatusNotification. The file comes from this server."""
    stored = await bench.store("vw22-3.2.0.bin", IMAGE)
    update = await bench.operator.post(
        f"{bench.path}/firmware-updates", {"file_id": stored["id"], "target_version": "3.2.0"}
    )
    asked = await bench.asked("UpdateFirmware")
    await bench.peer.call("FirmwareStatusNotification", {"status": "Downloading"})
    assert await bench.peer.download(asked["location"]) == IMAGE
    for name in ("Downloaded", "Installing", "Installed"):
        await bench.peer.call("FirmwareStatusNotification", {"status": name})
    path = f"{bench.path}/firmware-updates/{update['id']}"
    ended = await bench.until(path, lambda one: one["state"] == "installed")
    assert [one["status"] for one in ended["statuses"]] == [
        *("Downloading", "Downloaded", "Installing", "Installed")
    ]
    command = await bench.operator.get(f"/commands/{ended['command_id']}")
    assert (command["state"], command["action"]) == ("accepted", "UpdateFirmware")
    assert (await bench.effect(command, "firmware_update"))["firmware_update"] == update["id"]
    assert (await bench.operator.get(f"{bench.path}/firmware-status"))["status"] == "Installed"


async def updates_its_firmware_signed(bench: Bench) -> None:
    """SignedUpdateFirmware with SignedFirmwareStatusNotification. The signature is that of the file."""
    image = IMAGE + b", signed"
    stored = await bench.store("vw22-3.3.0.bin", image)
    signer = ec_signer()
    signed = {"signing_certificate": signer.pem, "signature": signer.sign(image=image)}
    update = await bench.operator.post(
        f"{bench.path}/firmware-updates", {"file_id": stored["id"], "signed": signed}
    )
    asked = await bench.asked("SignedUpdateFirmware")
    firmware, number = asked["firmware"], asked["requestId"]
    assert (firmware["signingCertificate"], firmware["signature"]) == (signer.pem, signed["signature"])
    assert await bench.peer.download(firmware["location"]) == image
    names = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
    for name in names:
        await bench.peer.call("SignedFirmwareStatusNotification", {"status": name, "requestId": number})
    path = f"{bench.path}/firmware-updates/{update['id']}"
    ended = await bench.until(path, lambda one: one["state"] == "installed")
    assert (ended["is_signed"], ended["request_id"]) == (True, number)
    assert [one["status"] for one in ended["statuses"]] == names
    command = await bench.operator.get(f"/commands/{ended['command_id']}")
    assert (await bench.effect(command, "firmware_update"))["firmware_update"] == update["id"]


async def uploads_diagnostics(bench: Bench) -> None:
    """GetDiagnostics with DiagnosticsStatusNotification. The file is found over REST."""
    job = await bench.operator.post(f"{bench.path}/diagnostics", {"kind": "diagnostics", "retries": 3})
    asked = await bench.asked("GetDiagnostics")
    assert asked["retries"] == 3
    await _uploads(bench, job, asked["location"], DIAGNOSTICS, "DiagnosticsStatusNotification", {})


async def uploads_its_log(bench: Bench) -> None:
    """GetLog with LogStatusNotification. The file is found over REST."""
    await bench.peer.answer("GetLog", {"status": "Accepted", "filename": "security.log"})
    job = await bench.operator.post(f"{bench.path}/diagnostics", {"kind": "security_log"})
    asked = await bench.asked("GetLog")
    assert (asked["logType"], asked["requestId"]) == ("SecurityLog", job["request_id"])
    more = {"requestId": asked["requestId"]}
    await _uploads(bench, job, asked["log"]["remoteLocation"], LOG, "LogStatusNotification", more)


async def _uploads(
    bench: Bench, job: dict[str, Any], url: str, content: bytes, action: str, more: dict[str, Any]
) -> None:
    await bench.peer.call(action, {"status": "Uploading", **more})
    assert await bench.peer.upload(url, content) == 201
    await bench.peer.call(action, {"status": "Uploaded", **more})
    ended = await bench.until(
        f"/diagnostics/{job['id']}",
        lambda one: one["state"] == "uploaded" and one["reported_status"] == "Uploaded",
    )
    reported = [one["status"] for one in ended["events"] if one["source"] == "charge_point"]
    assert [name for name in reported if name.startswith("Upload")] == ["Uploading", "Uploaded"]
    command = await bench.operator.get(f"/commands/{ended['command_id']}")
    assert (await bench.effect(command, "diagnostics_uploaded"))["fileId"] == ended["file_id"]
    file = await bench.operator.get(f"/files/{ended['file_id']}")
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert await bench.operator.content(f"/files/{ended['file_id']}/content") == content
    statuses = (await bench.operator.get(f"{bench.path}/diagnostics-status"))["items"]
    assert [one["status"] for one in statuses if one["action"] == action] == ["Uploaded"]
