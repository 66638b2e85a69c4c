"""The parts of a charge point in virtual time: firmware, logs, certificates, security profile."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.simulator import commands
from app.simulator.certificate_keys import hash_data
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.persona import make_fleet
from app.simulator.work import Download, DownloadedFile, TransferFailure, Upload
from tests.firmware.certificates import DIGEST, IMAGE, ec_signer, ed25519_signer, rsa_signer
from tests.support.certificates import issue

Json = dict[str, Any]
ORIGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
NOW = "2026-03-01T06:00:00Z"
_ANSWERS: dict[str, Json] = {
    "BootNotification": {"status": "Accepted", "interval": 300},
    "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
}


def booted() -> VirtualChargePoint:
    charge_point = VirtualChargePoint(make_fleet(1, "parts")[0], ORIGIN, goes_offline=False)
    charge_point.connected()
    sent(charge_point)
    return charge_point


def sent(charge_point: VirtualChargePoint) -> list[tuple[str, Json]]:
    """Answer all messages, and return them."""
    rows: list[tuple[str, Json]] = []
    while (request := charge_point.take_request()) is not None:
        rows.append((request.action, request.payload))
        charge_point.answered(request, _ANSWERS.get(request.action, {}))
    return rows


def passed(charge_point: VirtualChargePoint, seconds: float) -> list[tuple[str, Json]]:
    """Let time pass, with reconnections, and return what was sent."""
    rows: list[tuple[str, Json]] = []
    for _ in range(int(seconds)):
        charge_point.advance(charge_point.agenda.now_s + 1.0)
        if charge_point.online and not charge_point.wants_connection:
            charge_point.disconnected()
        elif charge_point.wants_connection and not charge_point.online:
            charge_point.connected()
        rows += sent(charge_point)
    return rows


def answer(charge_point: VirtualChargePoint, action: str, payload: Json) -> Json:
    found = commands.answer(charge_point, action, payload)
    assert found is not None
    return found


def statuses(rows: list[tuple[str, Json]]) -> list[str]:
    return [payload["status"] for action, payload in rows if action.endswith("FirmwareStatusNotification")]


def signed(number: int, certificate: str, signature: str, **more: Any) -> Json:
    image = {
        "location": "https://files.example.com/vw22-3.2.0.bin",
        "retrieveDateTime": NOW,
        "signingCertificate": certificate,
        "signature": signature,
        **more,
    }
    return {"requestId": number, "firmware": image}


def download(charge_point: VirtualChargePoint, result: DownloadedFile | TransferFailure) -> None:
    [work] = charge_point.take_work()
    assert isinstance(work, Download)
    work.done(result)


def test_a_newer_signed_update_stops_the_one_before() -> None:
    point, signer = booted(), ec_signer()
    first = signed(1, signer.pem, signer.sign())
    assert answer(point, "SignedUpdateFirmware", first) == {"status": "Accepted"}
    passed(point, 3)
    old = point.take_work()
    second = signed(2, signer.pem, signer.sign())
    assert answer(point, "SignedUpdateFirmware", second) == {"status": "AcceptedCanceled"}
    rows = passed(point, 3)
    assert [row["requestId"] for action, row in rows if "Firmware" in action] == [2]
    assert isinstance(old[0], Download)
    old[0].done(DownloadedFile(DIGEST, len(IMAGE), "1.0"))
    assert statuses(passed(point, 3)) == []
    download(point, DownloadedFile(DIGEST, len(IMAGE), "3.2.0"))
    assert statuses(passed(point, 60)) == [
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    assert point.firmware.version == "3.2.0"


@pytest.mark.parametrize(
    "pem",
    [
        "no certificate",
        pytest.param(ed25519_signer().pem, id="kind of key"),
        pytest.param(rsa_signer(until=datetime(2021, 1, 1, tzinfo=UTC)).pem, id="expired"),
    ],
)
def test_a_signing_certificate_that_is_not_valid_is_refused(pem: str) -> None:
    point = booted()
    payload = signed(1, pem, ec_signer().sign())
    assert answer(point, "SignedUpdateFirmware", payload) == {"status": "InvalidCertificate"}
    events = [row["type"] for action, row in sent(point) if action == "SecurityEventNotification"]
    assert events == ["InvalidFirmwareSigningCertificate"]


def test_download_and_installation_are_scheduled() -> None:
    point, signer = booted(), ec_signer()
    later = {"retrieveDateTime": "2026-03-01T06:01:00Z", "installDateTime": "2026-03-01T06:03:00Z"}
    answer(point, "SignedUpdateFirmware", signed(1, signer.pem, signer.sign(), **later))
    assert statuses(passed(point, 65)) == ["DownloadScheduled", "Downloading"]
    download(point, DownloadedFile(DIGEST, len(IMAGE), "3.2.0"))
    assert statuses(passed(point, 60)) == ["Downloaded", "SignatureVerified", "InstallScheduled"]
    trigger = {"requestedMessage": "FirmwareStatusNotification"}
    assert answer(point, "ExtendedTriggerMessage", trigger) == {"status": "Accepted"}
    assert ("SignedFirmwareStatusNotification", {"status": "InstallScheduled", "requestId": 1}) in sent(point)
    assert answer(point, "TriggerMessage", trigger) == {"status": "Accepted"}
    assert sent(point) == [("FirmwareStatusNotification", {"status": "Idle"})]


def test_an_installation_waits_for_the_end_of_a_transaction() -> None:
    point = booted()
    answer(point, "RemoteStartTransaction", {"idTag": "A", "connectorId": 1})
    passed(point, 5)
    answer(point, "UpdateFirmware", {"location": "http://a.example/f-1.0.bin", "retrieveDate": NOW})
    passed(point, 3)
    download(point, DownloadedFile(DIGEST, len(IMAGE), "1.0"))
    assert statuses(passed(point, 60)) == ["Downloaded"]
    assert point.connectors[0].stop("Local")
    assert statuses(passed(point, 90)) == ["Installing", "Installed"]
    assert point.connectors[0].status == "Available"


def test_a_newer_log_stops_the_one_before() -> None:
    point = booted()
    wanted = {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "http://a.example/"}}
    assert answer(point, "GetLog", wanted)["status"] == "Accepted"
    passed(point, 3)
    [first] = point.take_work()
    assert answer(point, "GetLog", {**wanted, "requestId": 2})["status"] == "AcceptedCanceled"
    passed(point, 3)
    [second] = point.take_work()
    assert isinstance(first, Upload)
    assert isinstance(second, Upload)
    first.done(None)
    second.done(None)
    assert [row for action, row in sent(point) if action == "LogStatusNotification"] == [
        {"status": "Uploaded", "requestId": 2}
    ]


@pytest.mark.parametrize(
    ("value", "profile", "password", "tls", "certificate", "status"),
    [
        ("1", 0, True, False, False, "Accepted"),
        ("1", 0, False, False, False, "Rejected"),
        ("2", 1, True, True, False, "Accepted"),
        ("2", 1, True, False, False, "Rejected"),
        ("3", 2, True, True, True, "Accepted"),
        ("3", 1, False, True, True, "Accepted"),
        ("3", 2, True, True, False, "Rejected"),
        ("2", 2, True, True, True, "Rejected"),
        ("1", 2, True, True, True, "Rejected"),
        ("4", 2, True, True, True, "Rejected"),
        ("-1", 0, True, True, True, "Rejected"),
    ],
)
def test_a_profile_is_raised_with_what_it_needs(
    value: str, profile: int, password: bool, tls: bool, certificate: bool, status: str
) -> None:
    point = booted()
    point.security.begin(profile, has_password=password, can_use_tls=tls)
    if certificate:
        point.certificates.adopt("chain", "key")
    change = {"key": "SecurityProfile", "value": value}
    assert answer(point, "ChangeConfiguration", change) == {"status": status}
    passed(point, 5)
    assert point.security.profile == (int(value) if status == "Accepted" else profile)


def test_the_last_root_stays_while_it_is_needed() -> None:
    point, root = booted(), issue("Root of a test")
    install = {"certificateType": "CentralSystemRootCertificate", "certificate": root.pem}
    assert answer(point, "InstallCertificate", install) == {"status": "Accepted"}
    assert answer(point, "InstallCertificate", install) == {"status": "Accepted"}
    leaf = issue("leaf", root, is_authority=False)
    assert answer(point, "InstallCertificate", {**install, "certificate": leaf.pem}) == {"status": "Rejected"}
    wanted = {"certificateHashData": hash_data(root.pem, "SHA512")}
    point.security.begin(2, has_password=True, can_use_tls=True)
    assert answer(point, "DeleteCertificate", wanted) == {"status": "Failed"}
    point.security.begin(1, has_password=True, can_use_tls=True)
    assert answer(point, "DeleteCertificate", wanted) == {"status": "Accepted"}
    assert answer(point, "DeleteCertificate", wanted) == {"status": "NotFound"}


def test_a_fleet_loads_no_library_that_it_does_not_use() -> None:
    code = (
        "import sys, app.simulator.fleet; "
        "print([name for name in ('httpx', 'cryptography', 'pydantic') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert found.stdout.strip() == "[]"
