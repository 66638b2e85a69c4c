"""Cases of the test suite of the Open Charge Alliance, by their ids, on real sockets."""

import json
from typing import Any

import pytest
from cryptography.x509.oid import NameOID

from app.certificates.rules.hash_data import expected_hash_data, known_certificate
from app.certificates.rules.pem import CHAIN_LIMIT, certificates_of, one_certificate
from app.clock import utc_text
from tests.certificates.conftest import Site
from tests.support.certificates import BEGIN, ORGANIZATION, YEAR, Issued, issue, signing_request
from tests.support.eventually import eventually

INSTALLED = "/v1/charge-points/CP1/installed-certificates"
TRIGGER = "/v1/charge-points/CP1/commands/ExtendedTriggerMessage"
ROOT = issue("Central system root", end=BEGIN + 30 * YEAR)
OTHER_ROOT = issue("Another root", number=1, end=BEGIN + 30 * YEAR)
ROOT_HASHES = expected_hash_data(known_certificate(ROOT.certificate))


async def trigger(site: Site) -> str:
    """Ask the charge point for a request, and return the id of the command."""
    command = await site.post(TRIGGER, {"requestedMessage": "SignChargePointCertificate"}, 202)
    request = await site.charger.answer("ExtendedTriggerMessage", {"status": "Accepted"})
    assert request == {"requestedMessage": "SignChargePointCertificate"}
    return str(command["id"])


@pytest.mark.parametrize("kind", ["ecdsa", "rsa2048"])
@pytest.mark.parametrize("key_type", ["ecdsa_p256", "rsa_2048"])
async def test_tc_074_update_of_the_charge_point_certificate(site: Site, kind: str, key_type: str) -> None:
    authority = await site.authority(key_type=key_type)
    command_id = await trigger(site)
    answer = await site.charger.say("SignCertificate", {"csr": signing_request("CP1", kind)})
    assert answer[2] == {"status": "Accepted"}
    signed = await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    (leaf,) = certificates_of(signed["certificateChain"], CHAIN_LIMIT)
    leaf.verify_directly_issued_by(one_certificate(authority["certificate"]))
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CP1"
    shown = await site.until("/v1/charge-point-certificates", "accepted")
    assert (shown["charge_point"], shown["chain"]) == ("CP1", signed["certificateChain"])
    request = await site.until("/v1/certificate-requests", "accepted")
    assert request["trigger_command_id"] == command_id
    command = await site.get(f"/v1/commands/{command_id}")
    assert command["effect"] == {
        "observed": "certificate_requested",
        "certificateRequestId": request["id"],
    }


async def test_tc_074_with_a_request_that_is_faster_than_the_answer_to_the_trigger(site: Site) -> None:
    await site.authority()
    command = await site.post(TRIGGER, {"requestedMessage": "SignChargePointCertificate"}, 202)
    frame = await site.charger.asked("ExtendedTriggerMessage")
    await site.charger.say("SignCertificate", {"csr": signing_request("CP1")})
    site.charger.client.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    request = await site.until("/v1/certificate-requests", "accepted")
    assert request["trigger_command_id"] == command["id"]


async def install(site: Site, kind: str, root: Issued, answer: str) -> Any:
    """Install a root, and return what the list shows then."""
    body = {"certificate_type": kind, "certificate": root.pem}
    (command,) = (await site.post(INSTALLED, body, 202))["commands"]
    sent = await site.charger.answer("InstallCertificate", {"status": answer})
    assert sent == {"certificateType": kind, "certificate": root.pem}
    await site.http.get(f"/v1/commands/{command['id']}")
    return (await site.until(INSTALLED, answer.lower()))["state"]


async def refresh(site: Site, **listed: Any) -> Any:
    """Ask for the lists of both kinds, answer, and return the list. listed: by kind; absent: NotFound."""
    commands = (await site.post(f"{INSTALLED}/refresh", None, 202))["commands"]
    for _ in commands:
        frame = await site.charger.asked("GetInstalledCertificateIds")
        hashes = listed.get(frame[3]["certificateType"])
        payload: dict[str, Any] = {"status": "NotFound"}
        if hashes is not None:
            payload = {"status": "Accepted", "certificateHashData": hashes}
        site.charger.client.send(json.dumps([3, frame[1], payload]))
    for command in commands:
        await ended(site, command["id"])
    return await site.get(INSTALLED)


async def ended(site: Site, command_id: str) -> Any:
    """Wait for the end of a command."""
    return await eventually(
        lambda: site.get(f"/v1/commands/{command_id}"),
        lambda command: command["state"] not in ("queued", "sent"),
    )


async def installed_and_listed(site: Site, kind: str) -> None:
    assert await install(site, kind, ROOT, "Accepted") == "accepted"
    shown = await refresh(site, **{kind: [ROOT_HASHES]})
    (item,) = shown["items"]
    assert (item["state"], item["certificate_type"], item["hash_data"]) == ("reported", kind, ROOT_HASHES)
    assert (item["certificate"], item["subject"]) == (ROOT.pem, ROOT.certificate.subject.rfc4514_string())
    assert shown["central_system_roots_reported_at"] is not None
    assert shown["manufacturer_roots_reported_at"] is not None


async def test_tc_075_1_install_a_root_of_the_manufacturer(site: Site) -> None:
    await installed_and_listed(site, "ManufacturerRootCertificate")


async def test_tc_075_2_install_a_root_of_the_central_system(site: Site) -> None:
    await installed_and_listed(site, "CentralSystemRootCertificate")


async def test_tc_076_delete_a_certificate(site: Site) -> None:
    # The charge point writes hash data in its own way, and gets them back as it wrote them (M04.FR.07).
    reported = {
        "hashAlgorithm": "SHA384",
        "issuerNameHash": "AB" * 48,
        "issuerKeyHash": "cd" * 48,
        "serialNumber": "0A1b",
    }
    shown = await refresh(site, CentralSystemRootCertificate=[ROOT_HASHES, reported])
    by_serial = {item["hash_data"]["serialNumber"]: item for item in shown["items"]}
    target = by_serial["0A1b"]
    assert target["certificate"] is None
    answer = await site.http.delete(f"{INSTALLED}/{target['id']}")
    assert answer.status_code == 202, answer.text
    sent = await site.charger.answer("DeleteCertificate", {"status": "Accepted"})
    assert sent == {"certificateHashData": reported}
    await ended(site, answer.json()["commands"][0]["id"])
    (left,) = (await site.get(INSTALLED))["items"]
    assert left["hash_data"] == ROOT_HASHES


async def test_tc_076_a_raw_command_does_not_delete_the_last_root_either(site: Site) -> None:
    await refresh(site, CentralSystemRootCertificate=[ROOT_HASHES])
    payload = {"certificateHashData": {**ROOT_HASHES, "serialNumber": ROOT_HASHES["serialNumber"].upper()}}
    raw = "/v1/charge-points/CP1/commands/DeleteCertificate"
    for path, body in [
        (raw, payload),
        (f"{raw}?when_offline=queue", payload),
        ("/v1/commands", {"action": "DeleteCertificate", "payload": payload, "filter": {}}),
    ]:
        answer = await site.http.post(path, json=body)
        assert answer.status_code == 409, answer.text
        assert "force=true" in answer.json()["detail"]
    # Another root remains, so that this one may go.
    others = expected_hash_data(known_certificate(OTHER_ROOT.certificate))
    await refresh(site, CentralSystemRootCertificate=[ROOT_HASHES, others])
    command = await site.post(raw, payload, 202)
    await site.charger.answer("DeleteCertificate", {"status": "Accepted"})
    await ended(site, command["id"])
    (left,) = (await site.get(INSTALLED))["items"]
    assert left["hash_data"] == others


async def reported(site: Site, event_type: str) -> None:
    """Let the charge point report an event. The operator sees it, and no alarm: it is not critical."""
    report = {"type": event_type, "timestamp": utc_text(site.server.services.clock.now())}
    assert (await site.charger.say("SecurityEventNotification", report))[2] == {}
    (event,) = (await site.get(f"/v1/security-events?type={event_type}"))["items"]
    assert (event["charge_point"], event["source"], event["critical"]) == ("CP1", "charge_point", False)
    assert (await site.get(f"/v1/security-alarms?type={event_type}"))["items"] == []


async def test_tc_077_the_charge_point_rejects_its_certificate(site: Site) -> None:
    await site.authority()
    await trigger(site)
    await site.charger.say("SignCertificate", {"csr": signing_request("CP1")})
    await site.charger.answer("CertificateSigned", {"status": "Rejected"})
    shown = await site.until("/v1/charge-point-certificates", "rejected")
    request = await site.until("/v1/certificate-requests", "rejected")
    assert (shown["charge_point"], request["reason"]) == ("CP1", "rejected_by_charge_point")
    await reported(site, "InvalidChargePointCertificate")


async def test_tc_078_the_charge_point_rejects_a_root(site: Site) -> None:
    kind = "CentralSystemRootCertificate"
    assert await install(site, kind, ROOT, "Rejected") == "rejected"
    # A rejected root does not count as one that verifies this server.
    shown = await refresh(site)
    (item,) = shown["items"]
    assert item["state"] == "rejected"
    assert (await site.http.delete(f"{INSTALLED}/{item['id']}")).status_code == 404
    assert ORGANIZATION in item["subject"]
    assert OTHER_ROOT.pem not in str(shown)
    await reported(site, "InvalidCentralSystemCertificate")
