"""Certificates of cars and charge points on a real socket, in both dialects."""

import asyncio
import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from app.types import TenantId
from tests.data_transfer.conftest import listed
from tests.plug_and_charge.pki import Pki, hash_data, make, wrapped
from tests.support.certificates import issue, signing_request
from tests.support.certification import Station
from tests.support.eventually import eventually
from tests.support.gateway import until
from tests.support.outgoing import TenantServer

ENDPOINT = "/v1/plug-and-charge/contract-certificate-endpoint"
AUTHORITY = "/v1/plug-and-charge/v2g-authority"
REQUESTS = "/plug-and-charge/certificate-requests"
EXI = base64.b64encode(b"exi of the car").decode()
ANSWER = base64.b64encode(b"exi of the contract").decode()
OCA, HAS2BE = "org.openchargealliance.iso15118pnc", "iso15118"
ASK = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": EXI}


async def put(station: Station, path: str, **members: Any) -> Any:
    response = await station.operator._client.put(path, json=members)
    assert response.status_code == 200, response.text
    return response.json()


async def inside(station: Station, message_id: str, data: Any, vendor: str = OCA) -> dict[str, Any]:
    """Send a message, and return what is inside its answer."""
    conf = await station.call("DataTransfer", wrapped(message_id, data, vendor))
    assert conf["status"] == "Accepted", conf
    found: dict[str, Any] = json.loads(conf["data"])
    return found


# Get15118EVCertificate


@pytest.mark.parametrize("action", ["Install", "Update"])
async def test_a_contract_certificate_comes_from_the_endpoint(
    station: Station, endpoint: TenantServer, action: str
) -> None:
    endpoint.answer = {"status": "Accepted", "exiResponse": ANSWER}
    made = await put(station, ENDPOINT, url=endpoint.url, header="X-Api-Key", authorization="key-1")
    assert made["secret"].startswith("whsec_")
    assert "key-1" not in json.dumps(made)
    conf = await inside(station, "Get15118EVCertificate", {**ASK, "action": action})
    assert conf == {"status": "Accepted", "exiResponse": ANSWER}
    [received] = endpoint.received
    assert received.headers["x-api-key"] == "key-1"
    assert received.headers["webhook-signature"].startswith("v1,")
    assert received.question == {
        "type": "contract_certificate",
        "tenant": station.server.tenant.slug,
        "charge_point": "CP1",
        "action": action,
        "iso15118SchemaVersion": ASK["iso15118SchemaVersion"],
        "exiRequest": EXI,
    }


async def test_the_dialect_of_has2be_names_no_action(station: Station, endpoint: TenantServer) -> None:
    endpoint.answer = {"exiResponse": ANSWER}
    await put(station, ENDPOINT, url=endpoint.url)
    data = {"15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "exiRequest": EXI}
    conf = await inside(station, "Get15118EVCertificate", data, HAS2BE)
    assert conf == {"status": "Accepted", "exiResponse": ANSWER}
    assert endpoint.received[0].question["action"] is None


@pytest.mark.parametrize(
    ("mode", "answer", "reason"),
    [
        ("hang", None, "deadline"),
        ("slow", None, "deadline"),
        ("500", None, "http_status"),
        ("redirect", None, "redirect"),
        ("huge", None, "body_too_large"),
        ("not json", None, "invalid_answer"),
        ("empty", None, "invalid_answer"),
        ("no http", None, "connection_broken"),
        ("right", [], "invalid_answer"),
        ("right", {"exiResponse": 5}, "invalid_answer"),
        ("right", {"exiResponse": "not base64!"}, "invalid_answer"),
        ("right", {"exiResponse": "A" * 5604}, "invalid_answer"),
        ("right", {"status": "Failed", "reason": "unknown vehicle"}, "refused_by_endpoint"),
    ],
)
async def test_if_the_endpoint_fails_the_car_is_told_in_time(
    station: Station, endpoint: TenantServer, mode: str, answer: Any, reason: str
) -> None:
    endpoint.mode, endpoint.answer = mode, answer
    await put(station, ENDPOINT, url=endpoint.url, deadline_ms=500)
    conf = await inside(station, "Get15118EVCertificate", ASK)
    assert conf == {"status": "Failed", "exiResponse": ""}
    [shown] = await listed(station)
    assert shown["reason"] == reason


async def test_without_an_endpoint_a_car_gets_no_contract(station: Station) -> None:
    conf = await inside(station, "Get15118EVCertificate", ASK)
    assert conf == {"status": "Failed", "exiResponse": ""}


async def test_other_charge_points_and_commands_go_on_while_the_endpoint_is_asked(
    station: Station, endpoint: TenantServer
) -> None:
    endpoint.mode, endpoint.answer = "wait", {"exiResponse": ANSWER}
    await put(station, ENDPOINT, url=endpoint.url, deadline_ms=20_000)
    await station.server.register("CP2")
    other = Station(station.server, station.operator, "CP2", await station.server.connect("CP2"))
    asking = asyncio.create_task(other.ask("DataTransfer", wrapped("Get15118EVCertificate", ASK)))
    await endpoint.arrived.wait()
    assert "currentTime" in await station.call("Heartbeat", {})
    # A command of the operator reaches the charge point that waits, and its answer comes back.
    command = asyncio.create_task(station.operator.post("/charge-points/CP2/commands/ClearCache?wait=20", {}))
    await until(lambda: bool(other.calls))
    other.answer(other.calls.popleft(), {"status": "Accepted"})
    assert (await command)["state"] == "accepted"
    endpoint.release.set()
    assert json.loads((await asking)[2]["data"])["exiResponse"] == ANSWER


async def test_more_requests_than_places_are_answered_failed_at_once(
    station: Station, endpoint: TenantServer
) -> None:
    endpoint.mode, endpoint.answer = "wait", {"exiResponse": ANSWER}
    await put(station, ENDPOINT, url=endpoint.url, deadline_ms=20_000)
    others = []
    for number in range(16):
        identity = f"CAR-{number}"
        await station.server.register(identity)
        client = await station.server.connect(identity)
        others.append(Station(station.server, station.operator, identity, client))
    asking = [
        asyncio.create_task(one.call("DataTransfer", wrapped("Get15118EVCertificate", ASK))) for one in others
    ]
    await until(lambda: len(endpoint.received) == 16)
    assert (await inside(station, "Get15118EVCertificate", ASK))["status"] == "Failed"
    assert [one["reason"] for one in await listed(station)] == ["busy"]
    endpoint.release.set()
    answers = [json.loads((await one)["data"])["status"] for one in asking]
    assert answers == ["Accepted"] * 16


# GetCertificateStatus


@pytest.mark.parametrize("vendor", [OCA, HAS2BE])
async def test_the_answer_of_a_responder_goes_back_as_it_came(
    station: Station, contracts: Pki, vendor: str
) -> None:
    contracts.responder.revoked.add(contracts.contract.certificate.serial_number)
    conf = await inside(station, "GetCertificateStatus", {"ocspRequestData": contracts.hashes[0]}, vendor)
    assert conf["status"] == "Accepted"
    response = ocsp.load_der_ocsp_response(base64.b64decode(conf["ocspResult"]))
    assert response.certificate_status is ocsp.OCSPCertStatus.REVOKED


@pytest.mark.parametrize("mode", ["garbage", "500", "redirect", "other", "busy"])
async def test_without_an_answer_the_status_is_failed(station: Station, contracts: Pki, mode: str) -> None:
    contracts.responder.mode = mode
    conf = await inside(station, "GetCertificateStatus", {"ocspRequestData": contracts.hashes[0]})
    assert conf == {"status": "Failed"}


async def test_a_private_responder_is_not_asked(station: Station, contracts: Pki) -> None:
    data = {"ocspRequestData": hash_data(contracts.contract, contracts.sub, "http://10.0.0.1/ocsp")}
    assert await inside(station, "GetCertificateStatus", data) == {"status": "Failed"}
    [shown] = await listed(station)
    assert shown["reason"] == "address_not_allowed"


# SignCertificate and CertificateSigned


def signed_by(root: Any, csr: str) -> str:
    """Return what an authority signs for a request."""
    request = x509.load_pem_x509_csr(csr.encode())
    return issue("SECC-1", root, is_authority=False, public_key=request.public_key()).pem


async def request_of(station: Station) -> dict[str, Any]:
    [shown] = (await station.operator.get(REQUESTS))["items"]
    found: dict[str, Any] = shown
    return found


async def in_state(station: Station, state: str) -> dict[str, Any]:
    """Wait until the only request is in a state."""
    return await eventually(lambda: request_of(station), lambda found: found["state"] == state)


@pytest.mark.parametrize("vendor", [OCA, HAS2BE])
async def test_a_v2g_certificate_is_signed_and_sent_inside_data_transfer(
    station: Station, endpoint: TenantServer, vendor: str
) -> None:
    root, csr = issue("V2G Root"), signing_request("SECC-1")
    endpoint.answer = {"chain": signed_by(root, csr)}
    await put(station, AUTHORITY, url=endpoint.url, anchors=root.pem)
    assert await inside(station, "SignCertificate", {"csr": csr}, vendor) == {"status": "Accepted"}
    asked = await station.expect("DataTransfer")
    assert (asked.payload["vendorId"], asked.payload["messageId"]) == (vendor, "CertificateSigned")
    data = json.loads(asked.payload["data"])
    if vendor == OCA:
        assert data == {"certificateChain": endpoint.answer["chain"]}
    else:
        leaf = x509.load_pem_x509_certificate(endpoint.answer["chain"].encode())
        der = leaf.public_bytes(Encoding.DER).hex()
        assert data == {"cert": [der], "typeOfCertificate": "V2GCertificate"}
    station.answer(asked, {"status": "Accepted", "data": '{"status": "Accepted"}'})
    found = await in_state(station, "accepted")
    assert (found["certificate_type"], found["dialect"]) == ("V2GCertificate", vendor)
    assert found["chain"] == endpoint.answer["chain"]
    [received] = endpoint.received
    assert received.question["certificate_type"] == "V2GCertificate"
    assert received.question["csr"] == csr
    # It does not count for logins.
    assert (await station.operator.get("/charge-point-certificates"))["items"] == []


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ({"status": "Accepted", "data": '{"status": "Rejected"}'}, "rejected", "rejected_by_charge_point"),
        ({"status": "Accepted", "data": "garbage"}, "failed", "accepted"),
        ({"status": "Accepted"}, "failed", "accepted"),
        ({"status": "UnknownMessageId"}, "failed", "rejected"),
        ({"status": "UnknownVendorId"}, "failed", "rejected"),
    ],
)
async def test_what_the_charge_point_says_of_its_certificate_is_kept(
    station: Station, endpoint: TenantServer, answer: dict[str, str], state: str, reason: str
) -> None:
    root, csr = issue("V2G Root"), signing_request("SECC-1")
    endpoint.answer = {"chain": signed_by(root, csr)}
    await put(station, AUTHORITY, url=endpoint.url, anchors=root.pem)
    await inside(station, "SignCertificate", {"csr": csr})
    station.answer(await station.expect("DataTransfer"), answer)
    assert (await in_state(station, state))["reason"] == reason


async def test_a_chain_that_comes_later_is_posted(station: Station, endpoint: TenantServer) -> None:
    root, csr = issue("V2G Root"), signing_request("SECC-1")
    endpoint.answer = {"status": "pending"}
    await put(station, AUTHORITY, url=endpoint.url, anchors=root.pem)
    await inside(station, "SignCertificate", {"csr": csr})
    found = await in_state(station, "forwarded")
    path = f"{REQUESTS}/{found['id']}/chain"
    stranger = issue("Stranger")
    assert await station.operator.refusal(path, {"chain": signed_by(stranger, csr)}) == 422
    assert await station.operator.refusal(path, {"chain": "not PEM"}) == 422
    await station.operator.post(path, {"chain": signed_by(root, csr)})
    station.answer(
        await station.expect("DataTransfer"), {"status": "Accepted", "data": '{"status":"Accepted"}'}
    )
    await in_state(station, "accepted")
    assert await station.operator.refusal(path, {"chain": signed_by(root, csr)}) == 409


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "refused", "reason": "not yours"}, "refused_by_authority"),
        ({"chain": "garbage"}, "not_pem"),
        ({"more": 1}, "invalid_answer"),
    ],
)
async def test_an_authority_may_refuse(
    station: Station, endpoint: TenantServer, answer: Any, reason: str
) -> None:
    endpoint.answer = answer
    await put(station, AUTHORITY, url=endpoint.url, anchors=issue("V2G Root").pem)
    await inside(station, "SignCertificate", {"csr": signing_request("SECC-1")})
    assert (await in_state(station, "failed"))["reason"] == reason


async def test_requests_that_cannot_be_signed_are_rejected(station: Station, endpoint: TenantServer) -> None:
    rejected = {"status": "Rejected"}
    assert await inside(station, "SignCertificate", {"csr": signing_request("X")}) == rejected
    assert (await request_of(station))["reason"] == "no_authority"
    await put(station, AUTHORITY, url=endpoint.url, anchors=issue("V2G Root").pem)
    for csr in ("not PEM", signing_request("X", "ed25519"), make("X").pem):
        assert await inside(station, "SignCertificate", {"csr": csr}) == rejected
    states = [one["state"] for one in (await station.operator.get(REQUESTS))["items"]]
    assert states == ["refused"] * 4
    assert endpoint.received == []


async def test_a_repeated_request_is_signed_once_and_too_many_are_rejected(
    station: Station, endpoint: TenantServer
) -> None:
    endpoint.answer = {"status": "pending"}
    await put(station, AUTHORITY, url=endpoint.url, anchors=issue("V2G Root").pem)
    csr = signing_request("SECC-1")
    for _ in range(3):
        assert await inside(station, "SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    assert len((await station.operator.get(REQUESTS))["items"]) == 1
    for _ in range(9):
        await inside(station, "SignCertificate", {"csr": "wrong"})
    [_, *rest] = [await inside(station, "SignCertificate", {"csr": signing_request("Y")}) for _ in range(2)]
    assert rest == [{"status": "Rejected"}]
    assert len((await station.operator.get(REQUESTS))["items"]) == 10


async def test_a_certificate_waits_for_a_charge_point_that_is_away(
    station: Station, endpoint: TenantServer
) -> None:
    root, csr = issue("V2G Root"), signing_request("SECC-1")
    endpoint.answer = {"status": "pending"}
    await put(station, AUTHORITY, url=endpoint.url, anchors=root.pem)
    await inside(station, "SignCertificate", {"csr": csr})
    found = await in_state(station, "forwarded")
    await station.client.close()
    parts = station.server.services
    async with asyncio.timeout(20):
        while await parts.presence.find(TenantId(station.server.tenant.id), "CP1"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await station.operator.post(f"{REQUESTS}/{found['id']}/chain", {"chain": signed_by(root, csr)})
    await station.reconnect()
    asked = await station.expect("DataTransfer")
    station.answer(asked, {"status": "Accepted", "data": '{"status":"Accepted"}'})
    await in_state(station, "accepted")
