"""Authorize of Plug & Charge on a real socket, in both dialects: who may charge, and what is checked."""

import json
from typing import Any

import pytest

from app.data_transfer.recorder import TransferRecorder
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.plug_and_charge import servers
from app.tenants.store import TenantStore
from tests.data_transfer.conftest import listed
from tests.plug_and_charge.pki import DAY, EMAID, Pki, hash_data, make, wrapped
from tests.support.certification import Station, operating
from tests.support.gateway import GatewayServer

SETTINGS = "/v1/plug-and-charge/validation"


async def tag(station: Station, id_tag: str = "DE-8AA-CA2B3C4D5-N", **members: Any) -> None:
    async with station.server.database.tenant(station.server.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag(id_tag, **members))


async def validation(station: Station, **members: Any) -> None:
    response = await station.operator._client.put(SETTINGS, json=members)
    assert response.status_code == 200, response.text


async def authorize(station: Station, emaid: str = EMAID, **members: Any) -> dict[str, Any]:
    """Send Authorize in the form of the note, and return what is inside its answer."""
    conf = await station.call(
        "DataTransfer", wrapped("Authorize", {"idToken": {"idToken": emaid}, **members})
    )
    assert conf["status"] == "Accepted", conf
    inner: dict[str, Any] = json.loads(conf["data"])
    return inner


@pytest.mark.parametrize("presented", [EMAID, EMAID.lower(), "DE-8AA-CA2B3C4D5-N", "de-8aa-ca2b3c4d5-n"])
@pytest.mark.parametrize("stored", [EMAID, "de-8AA-CA2B3C4D5-N"])
async def test_an_emaid_is_a_tag_in_each_spelling(station: Station, presented: str, stored: str) -> None:
    await tag(station, stored)
    assert await authorize(station, presented) == {"idTokenInfo": {"status": "Accepted"}}
    started = await station.start(presented)
    assert started["idTagInfo"]["status"] == "Accepted"
    assert (await station.transaction(started["transactionId"]))["id_tag"] == presented


async def test_an_unknown_or_blocked_or_expired_emaid_may_not_charge(station: Station) -> None:
    assert await authorize(station) == {"idTokenInfo": {"status": "Invalid"}}
    await tag(station, status="Blocked")
    assert await authorize(station) == {"idTokenInfo": {"status": "Blocked"}}
    assert (await station.start(EMAID))["idTagInfo"]["status"] == "Blocked"


async def test_the_end_of_a_contract_is_told(station: Station) -> None:
    made = await station.operator.post("/id-tags", {"id_tag": EMAID, "expires_at": "2090-01-01T00:00:00Z"})
    info = (await authorize(station))["idTokenInfo"]
    assert info == {"status": "Accepted", "cacheExpiryDateTime": made["expires_at"]}


async def test_the_responder_of_the_message_tells_the_status(station: Station, contracts: Pki) -> None:
    await tag(station)
    accepted = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}
    assert await authorize(station, iso15118CertificateHashData=contracts.hashes) == accepted
    [asked] = contracts.responder.asked
    assert asked.serial_number == contracts.contract.certificate.serial_number
    head = contracts.responder.heads[0].lower()
    assert "content-type: application/ocsp-request" in head
    assert "webhook-signature" not in head
    contracts.responder.revoked.add(asked.serial_number)
    revoked = {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "CertificateRevoked"}
    assert await authorize(station, iso15118CertificateHashData=contracts.hashes) == revoked


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("delegated", "NoCertificateAvailable", "bad_signature"),
        ("unsigned", "NoCertificateAvailable", "bad_signature"),
        ("outdated", "NoCertificateAvailable", "outdated"),
        ("other", "NoCertificateAvailable", "other_certificate"),
        ("garbage", "NoCertificateAvailable", "not_ocsp"),
        ("busy", "NoCertificateAvailable", "responder_failed"),
        ("500", "NoCertificateAvailable", "http_status"),
        ("redirect", "NoCertificateAvailable", "redirect"),
    ],
)
async def test_without_a_valid_answer_a_contract_is_refused_unless_the_operator_accepts_it(
    station: Station, contracts: Pki, mode: str, status: str, reason: str
) -> None:
    await tag(station)
    contracts.responder.mode = mode
    conf = await authorize(station, iso15118CertificateHashData=contracts.hashes)
    assert conf == {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": status}
    [shown] = await listed(station)
    assert (shown["answered_by"], shown["reason"]) == ("extension", reason)
    await validation(station, without_status="accept")
    conf = await authorize(station, iso15118CertificateHashData=contracts.hashes)
    assert conf == {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}


async def test_a_responder_that_hangs_delays_an_answer_up_to_its_deadline(
    station: Station, contracts: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_OCSP_DEADLINE_S", 0.2)
    await tag(station)
    contracts.responder.mode = "hang"
    conf = await authorize(station, iso15118CertificateHashData=contracts.hashes * 4)
    assert conf["certificateStatus"] == "NoCertificateAvailable"
    assert len(contracts.responder.asked) == 4
    [shown] = await listed(station)
    assert shown["reason"] == "deadline"


async def test_more_hash_data_than_the_standard_allows_is_rejected(station: Station, contracts: Pki) -> None:
    data = {"idToken": {"idToken": EMAID}, "iso15118CertificateHashData": contracts.hashes * 5}
    assert (await station.call("DataTransfer", wrapped("Authorize", data)))["status"] == "Rejected"
    assert contracts.responder.asked == []


async def test_a_delegate_may_sign_if_its_issuer_is_known(station: Station, contracts: Pki) -> None:
    await tag(station)
    contracts.responder.mode = "delegated"
    await validation(station, roots=contracts.root.pem + contracts.sub.pem)
    conf = await authorize(station, iso15118CertificateHashData=contracts.hashes)
    assert conf["certificateStatus"] == "Accepted"


async def test_an_unknown_certificate_is_never_accepted(station: Station, contracts: Pki) -> None:
    await tag(station)
    await validation(station, without_status="accept")
    contracts.responder.unknown.add(contracts.contract.certificate.serial_number)
    conf = await authorize(station, iso15118CertificateHashData=contracts.hashes)
    assert conf == {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "CertChainError"}


async def test_the_responder_of_the_operator_is_asked_in_place_of_the_named_one(
    station: Station, contracts: Pki
) -> None:
    await tag(station)
    await validation(station, ocsp_url=contracts.responder.url)
    named = [hash_data(contracts.contract, contracts.sub, "http://192.0.2.1/ocsp")]
    assert (await authorize(station, iso15118CertificateHashData=named))["certificateStatus"] == "Accepted"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/latest", "address_not_allowed"),
        ("http://10.1.2.3/", "address_not_allowed"),
        ("http://[::1]/", "address_not_allowed"),
        ("http://127.0.0.1:6379/", "url_not_allowed"),
        ("http://user:secret@8.8.8.8/", "url_not_allowed"),
        ("ftp://8.8.8.8/", "url_not_allowed"),
        ("", "no_responder"),
        ("javascript:alert(1)", "url_not_allowed"),
    ],
)
async def test_a_charge_point_reaches_no_private_network_by_a_responder(
    station: Station, contracts: Pki, url: str, reason: str
) -> None:
    await tag(station)
    named = [hash_data(contracts.contract, contracts.sub, url)]
    conf = await authorize(station, iso15118CertificateHashData=named)
    assert conf["idTokenInfo"] == {"status": "Invalid"}
    [shown] = await listed(station)
    assert shown["reason"] == reason


async def test_a_contract_certificate_is_checked_up_to_a_root(station: Station, contracts: Pki) -> None:
    await tag(station)
    assert (await authorize(station, certificate=contracts.chain)) == {
        "idTokenInfo": {"status": "Invalid"},
        "certificateStatus": "NoCertificateAvailable",
    }
    await validation(station, roots=contracts.root.pem)
    accepted = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}
    assert await authorize(station, certificate=contracts.chain) == accepted
    assert len(contracts.responder.asked) == 1
    contracts.responder.revoked.add(contracts.contract.certificate.serial_number)
    revoked = await authorize(station, certificate=contracts.chain)
    assert revoked["certificateStatus"] == "CertificateRevoked"
    await validation(station, roots=contracts.sub.pem)
    contracts.responder.revoked.clear()
    assert await authorize(station, certificate=contracts.contract.pem) == accepted


async def test_a_contract_that_is_not_valid_is_refused(station: Station, contracts: Pki) -> None:
    await tag(station)
    await validation(station, roots=contracts.root.pem)
    stranger = make("Mallory", is_authority=True)
    wrong = {
        make(EMAID, contracts.sub, ends_in=-DAY).pem + contracts.sub.pem: "CertificateExpired",
        make(EMAID, stranger).pem + stranger.pem: "CertChainError",
        make("DE8AAC00000000X", contracts.sub).pem + contracts.sub.pem: "CertChainError",
        make(EMAID, contracts.contract).pem + contracts.contract.pem + contracts.sub.pem: "CertChainError",
        contracts.contract.pem: "CertChainError",
        "not a certificate": "CertChainError",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "CertChainError",
    }
    for pem, status in wrong.items():
        conf = await authorize(station, certificate=pem)
        assert conf == {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": status}, pem


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("not json", "not_json"),
        ("", "missing_data"),
        ("[]", "invalid_message"),
        ("{}", "invalid_message"),
        ('{"idToken": "DE8AACA2B3C4D5N"}', "invalid_message"),
        ('{"idToken": {"idToken": 5}}', "invalid_message"),
        ('{"idToken": {"idToken": "' + "x" * 37 + '"}}', "invalid_message"),
        ('{"idToken": {"idToken": "x"}, "iso15118CertificateHashData": [{}]}', "invalid_message"),
        ('{"idToken": {"idToken": "x"}, "certificate": "' + "x" * 5501 + '"}', "invalid_message"),
        ("[" * 30_000, "invalid_message"),
        ('{"more": ' + "[" * 30_000, "not_json"),
        ("x" * 1_000_000, "too_long"),
        ("\x00\x01", "not_json"),
    ],
)
async def test_a_wrong_message_is_rejected_with_what_is_wrong(
    station: Station, data: str, reason: str
) -> None:
    conf = await station.call("DataTransfer", wrapped("Authorize", data))
    assert conf["status"] == "Rejected"
    assert json.loads(conf["data"])["errorCode"] == reason
    [shown] = await listed(station)
    assert shown["reason"] == reason


async def test_without_data_a_message_is_rejected(station: Station) -> None:
    request = {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "Authorize"}
    assert (await station.call("DataTransfer", request))["status"] == "Rejected"
    assert await station.call("DataTransfer", {**request, "messageId": "CertificateSigned"}) == {
        "status": "UnknownMessageId"
    }


async def test_hash_data_that_is_not_hexadecimal_asks_nobody(station: Station, contracts: Pki) -> None:
    await tag(station)
    named = [{**contracts.hashes[0], "serialNumber": "xyz"}, {**contracts.hashes[0], "issuerKeyHash": "aa"}]
    conf = await authorize(station, iso15118CertificateHashData=named)
    assert conf["certificateStatus"] == "NoCertificateAvailable"
    assert contracts.responder.asked == []


async def test_the_dialect_of_has2be_has_other_names_and_two_statuses(
    station: Station, contracts: Pki
) -> None:
    await tag(station)
    data = {
        "idToken": {"idToken": EMAID, "type": "eMAID"},
        "15118CertificateHashData": contracts.hashes,
    }
    conf = await station.call("DataTransfer", wrapped("Authorize", data, "iso15118"))
    assert json.loads(conf["data"]) == {
        "idTokenInfo": {"status": "Accepted"},
        "certificateStatus": "Accepted",
    }
    contracts.responder.mode = "garbage"
    conf = await station.call("DataTransfer", wrapped("Authorize", data, "iso15118"))
    assert json.loads(conf["data"]) == {
        "idTokenInfo": {"status": "Invalid"},
        "certificateStatus": "CertificateRevoked",
    }
    del data["15118CertificateHashData"]
    conf = await station.call("DataTransfer", wrapped("Authorize", data, "iso15118"))
    assert conf["status"] == "Rejected"


async def test_two_tenants_with_the_same_emaid_decide_for_themselves(
    station: Station, allowing_server: GatewayServer
) -> None:
    await tag(station)
    async with allowing_server.database.platform() as work:
        other = await TenantStore(work).create("contract-stranger", "Another")
    foreign = GatewayServer(
        allowing_server.port, allowing_server.app, allowing_server.database, other, allowing_server.settings
    )
    await foreign.register("CP1")
    async with operating(foreign) as operator:
        guest = Station(foreign, operator, "CP1", await foreign.connect("CP1"))
        assert await authorize(guest) == {"idTokenInfo": {"status": "Invalid"}}
        await tag(guest, EMAID, status="Blocked")
        assert await authorize(guest) == {"idTokenInfo": {"status": "Blocked"}}
        assert await authorize(station) == {"idTokenInfo": {"status": "Accepted"}}


async def test_a_subscription_of_the_operator_goes_first(station: Station) -> None:
    body = {"vendor_id": "org.openchargealliance.iso15118pnc", "message_id": "Authorize", "data": "mine"}
    await station.operator.post("/data-transfer-subscriptions", body)
    conf = await station.call("DataTransfer", wrapped("Authorize", "anything"))
    assert conf == {"status": "Accepted", "data": "mine"}
    assert station.server.app.state.services.get(TransferRecorder) is not None
