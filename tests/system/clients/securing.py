"""Certificates and security events. Each effect is found over REST."""

import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.support.tls_certificates import Authority
from tests.system.clients.bench import IDENTITY, Bench, at

ORGANIZATION = "Acme Charging"


def signing_request() -> str:
    """Return the signing request of the charge point, PEM."""
    names = [(NameOID.COMMON_NAME, IDENTITY), (NameOID.ORGANIZATION_NAME, ORGANIZATION)]
    subject = x509.Name([x509.NameAttribute(name, value) for name, value in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def hash_data(root: x509.Certificate) -> dict[str, Any]:
    """Return the hashes of a root, as charge points report them (CertificateHashDataType)."""
    key = root.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(root.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha256(key).hexdigest(),
        "serialNumber": f"{root.serial_number:x}",
    }


async def gets_a_certificate(bench: Bench) -> None:
    """ExtendedTriggerMessage leads to SignCertificate, and that to CertificateSigned."""
    authority = await bench.operator.post("/certificate-authority", {"organization": ORGANIZATION})
    trigger = await bench.command(
        "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
    )
    csr = signing_request()
    assert await bench.peer.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    page = await bench.until(
        "/certificate-requests",
        lambda found: [one["state"] for one in found["items"]] == ["accepted"],
        charge_point=IDENTITY,
    )
    [request] = page["items"]
    assert (request["csr"].strip(), request["trigger_command_id"]) == (csr.strip(), trigger["id"])
    effect = await bench.effect(trigger, "certificate_requested")
    assert effect["certificateRequestId"] == request["id"]
    chain = bench.peer.last_asked("CertificateSigned")["certificateChain"]
    leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority["certificate"].encode()))
    page = await bench.operator.get("/charge-point-certificates", charge_point=IDENTITY)
    [certificate] = page["items"]
    assert (certificate["state"], int(certificate["serial"], 16)) == ("accepted", leaf.serial_number)
    command = await bench.operator.get(f"/commands/{request['command_id']}")
    assert (command["action"], command["state"]) == ("CertificateSigned", "accepted")
    assert (await bench.effect(command, "certificate_accepted"))["serial"] == certificate["serial"]


async def has_roots_installed(bench: Bench) -> None:
    """InstallCertificate, GetInstalledCertificateIds and DeleteCertificate."""
    path, kind = f"{bench.path}/installed-certificates", "CentralSystemRootCertificate"
    root = Authority("Root of another operator")
    order = {"certificate_type": kind, "certificate": root.pem.decode()}
    [command] = (await bench.operator.post(f"{path}?wait=20", order))["commands"]
    assert (command["action"], command["state"]) == ("InstallCertificate", "accepted")
    sent = bench.peer.last_asked("InstallCertificate")
    assert (sent["certificateType"], sent["certificate"].strip()) == (kind, root.pem.decode().strip())
    [shown] = (await bench.operator.get(path))["items"]
    assert (shown["state"], shown["subject"]) == ("accepted", "CN=Root of another operator")
    effect = await bench.effect(command, "certificate_installed")
    assert effect["installedCertificateId"] == shown["id"]
    reported = {"status": "Accepted", "certificateHashData": [hash_data(root.certificate)]}
    await bench.peer.answer("GetInstalledCertificateIds", reported)
    read = await bench.command("GetInstalledCertificateIds", {"certificateType": kind})
    assert read["result"] == reported
    assert (await bench.effect(read, "certificates_reported"))["certificates"] == 1
    [shown] = (await bench.operator.get(path))["items"]
    assert (shown["state"], shown["subject"]) == ("reported", "CN=Root of another operator")
    assert shown["hash_data"] == hash_data(root.certificate)
    [command] = (await bench.operator.delete(f"{path}/{shown['id']}?force=true&wait=20"))["commands"]
    assert (command["action"], command["state"]) == ("DeleteCertificate", "accepted")
    assert bench.peer.last_asked("DeleteCertificate") == {"certificateHashData": hash_data(root.certificate)}
    assert (await bench.operator.get(path))["items"] == []
    effect = await bench.effect(command, "certificate_deleted")
    assert effect["installedCertificateIds"] == [shown["id"]]


async def reports_security_events(bench: Bench) -> None:
    """SecurityEventNotification: the event is listed, and a critical one raises an alarm."""
    event = {"type": "TamperDetectionActivated", "timestamp": at(), "techInfo": "front cover"}
    assert await bench.peer.call("SecurityEventNotification", event) == {}
    page = await bench.operator.get("/security-events", charge_point=IDENTITY)
    [shown] = [one for one in page["items"] if one["source"] == "charge_point"]
    assert (shown["type"], shown["critical"], shown["tech_info"]) == (event["type"], True, "front cover")
    assert shown["reported_timestamp"] == event["timestamp"]
    [alarm] = (await bench.operator.get("/security-alarms", acknowledged="false"))["items"]
    assert (alarm["charge_point"], alarm["first_event_id"]) == (IDENTITY, shown["id"])
    reason = {"reason": "The cover was opened for maintenance."}
    await bench.operator.post(f"/security-alarms/{alarm['id']}/acknowledgement", reason)
    assert (await bench.operator.get("/security-alarms", acknowledged="false"))["items"] == []
