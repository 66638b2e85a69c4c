"""`/v1/charge-points/{identity}/plug-and-charge`: messages to charge points on a real socket."""

import json
from typing import Any

import pytest

from tests.plug_and_charge.pki import make
from tests.support.certification import Station

OCA = "org.openchargealliance.iso15118pnc"
NAMED = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa11",
    "issuerKeyHash": "bb22",
    "serialNumber": "0c",
}
CHAIN = {"certificateType": "V2GRootCertificate", "certificateHashData": NAMED}


def path(station: Station, end: str) -> str:
    return f"{station.path}/plug-and-charge/{end}?wait=20"


async def operate(station: Station, end: str, body: Any, data: Any) -> tuple[Any, Any]:
    """Ask for an operation, and answer it. Return what was inside the message, and the result."""
    answer = {"status": "Accepted", "data": data if isinstance(data, str) else json.dumps(data)}
    payload, result = await station.answered(path(station, end), body, "DataTransfer", answer)
    assert payload["vendorId"] == OCA
    return (payload["messageId"], json.loads(payload["data"])), result


async def test_certificates_are_asked_for_and_kept(station: Station) -> None:
    assert (await station.operator.get(f"{station.path}/plug-and-charge/certificates"))["items"] == []
    sent, result = await operate(
        station,
        "certificates/refresh",
        {"certificate_types": ["V2GRootCertificate", "MORootCertificate"]},
        {"status": "Accepted", "certificateHashDataChain": [CHAIN]},
    )
    assert sent == (
        "GetInstalledCertificateIds",
        {"certificateType": ["V2GRootCertificate", "MORootCertificate"]},
    )
    assert result["status"] == "Accepted"
    assert result["certificates"][0]["certificateHashData"] == NAMED
    shown = await station.operator.get(f"{station.path}/plug-and-charge/certificates")
    assert shown["items"] == result["certificates"]
    assert (shown["status"], shown["command_id"]) == ("Accepted", result["command"]["id"])
    effect = await station.until_effect(result["command"], "plug_and_charge_answered")
    assert (effect["messageId"], effect["status"]) == ("GetInstalledCertificateIds", "Accepted")
    sent, result = await operate(station, "certificates/refresh", {}, {"status": "NotFound"})
    assert sent == ("GetInstalledCertificateIds", {})
    shown = await station.operator.get(f"{station.path}/plug-and-charge/certificates")
    assert (shown["items"], shown["status"]) == ([], "NotFound")


@pytest.mark.parametrize("use", ["V2GRootCertificate", "MORootCertificate"])
async def test_a_root_is_installed(station: Station, use: str) -> None:
    root = make("V2G Root", is_authority=True).pem
    body = {"certificate_type": use, "certificate": root}
    sent, result = await operate(station, "certificates", body, {"status": "Rejected"})
    assert sent == ("InstallCertificate", {"certificateType": use, "certificate": root})
    assert (result["status"], result["command"]["state"]) == ("Rejected", "accepted")


@pytest.mark.parametrize("certificate", ["not PEM", make("Leaf").pem])
async def test_what_is_no_root_is_not_installed(station: Station, certificate: str) -> None:
    body = {"certificate_type": "V2GRootCertificate", "certificate": certificate}
    assert await station.operator.refusal(path(station, "certificates"), body) == 422
    assert not station.calls


async def test_a_certificate_is_deleted(station: Station) -> None:
    body = {"issuer_name_hash": "aa11", "issuer_key_hash": "bb22", "serial_number": "0c"}
    sent, result = await operate(station, "certificates/delete", body, {"status": "NotFound"})
    assert sent == ("DeleteCertificate", {"certificateHashData": NAMED})
    assert result["status"] == "NotFound"


async def test_a_v2g_certificate_is_renewed(station: Station) -> None:
    sent, result = await operate(station, "certificate-renewal", {}, {"status": "NotImplemented"})
    assert sent == ("TriggerMessage", {})
    assert result["status"] == "NotImplemented"


@pytest.mark.parametrize(
    "data",
    ["not json", "[]", '{"status": "Perhaps"}', '{"status": 5}', "[" * 50_000, "x" * 100_000, ""],
    ids=["text", "array", "other status", "number", "nested", "long", "empty"],
)
async def test_an_answer_that_says_nothing_is_told(station: Station, data: str) -> None:
    _, result = await operate(station, "certificate-renewal", {}, data)
    assert result["status"] is None
    assert result["detail"]
    effect = await station.until_effect(result["command"], "plug_and_charge_answer_unreadable")
    assert effect["detail"] == result["detail"]


async def test_a_charge_point_without_plug_and_charge_is_told(station: Station) -> None:
    _, result = await station.answered(
        path(station, "certificate-renewal"), {}, "DataTransfer", {"status": "UnknownVendorId"}
    )
    assert result["status"] is None
    assert "UnknownVendorId" in result["detail"]
    assert result["command"]["state"] == "rejected"


async def test_a_charge_point_that_is_away_or_unknown_is_told(station: Station) -> None:
    await station.server.register("CP9")
    offline = await station.operator.post("/charge-points/CP9/plug-and-charge/certificate-renewal", {})
    assert (offline["command"]["state"], offline["status"]) == ("offline", None)
    missing = "/charge-points/NO-1/plug-and-charge/certificate-renewal"
    assert await station.operator.refusal(missing, {}) == 404
