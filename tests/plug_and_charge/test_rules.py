"""Decisions about Plug & Charge, without a database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.id_tags.rules import fold_id_tag
from app.plug_and_charge.messages import (
    REQUESTS,
    AuthorizeMessage,
    EvCertificateMessage,
    OcspRequestData,
    read_answer,
    read_message,
)
from app.plug_and_charge.places import RequestPlaces
from app.plug_and_charge.records import HAS2BE_VENDOR, OCA_VENDOR, PlugAndChargeFault
from app.plug_and_charge.rules.contract import authorization, responder_of, status_of
from app.plug_and_charge.rules.ocsp import hash_data_of, question, result_text, status_in
from app.plug_and_charge.rules.v2g import sent_fingerprint, signed_payload
from app.types import TenantId
from tests.plug_and_charge.pki import DAY, Responder, make

ROOT = make("Root", is_authority=True)
LEAF = make("DE8AACA2B3C4D5N", ROOT, ocsp_url="http://ocsp.example.com/")
ASKED = hash_data_of(LEAF.certificate, ROOT.certificate)


@pytest.mark.parametrize(
    ("id_tag", "key"),
    [
        ("DE-8AA-CA2B3C4D5-N", "de8aaca2b3c4d5n"),
        ("DE8AACA2B3C4D5N", "de8aaca2b3c4d5n"),
        ("de-8aa-ca2b3c4d5", "de8aaca2b3c4d5"),
        ("DE8AA-CA2B3C4D5-N\0\0", "de8aaca2b3c4d5n"),
        ("AB-12", "ab-12"),
        ("DE-8AA-C123-N", "de-8aa-c123-n"),
        ("12-8AA-CA2B3C4D5-N", "12-8aa-ca2b3c4d5-n"),
        ("DE--8AACA2B3C4D5-N", "de--8aaca2b3c4d5-n"),
        ("DE*8AA*123456*1", "de*8aa*123456*1"),
    ],
)
def test_only_the_hyphens_of_an_emaid_count_for_nothing(id_tag: str, key: str) -> None:
    assert fold_id_tag(id_tag) == key


def test_both_dialects_have_the_same_messages() -> None:
    assert REQUESTS[OCA_VENDOR].keys() == REQUESTS[HAS2BE_VENDOR].keys()


def test_members_that_are_not_defined_are_allowed() -> None:
    data = {"idToken": {"idToken": "x", "type": "eMAID"}, "customData": {"vendorId": "y"}}
    assert read_message(json.dumps(data), AuthorizeMessage).id_token.id_token == "x"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"action": "Remove"}, "$.action"),
        ({"exiRequest": ""}, "$.exiRequest"),
        ({"exiRequest": "A" * 5601}, "$.exiRequest"),
        ({"iso15118SchemaVersion": None}, "$.iso15118SchemaVersion"),
    ],
)
def test_a_fault_names_the_member(change: dict[str, Any], named: str) -> None:
    data = {"iso15118SchemaVersion": "2", "action": "Install", "exiRequest": "AAAA", **change}
    with pytest.raises(PlugAndChargeFault) as caught:
        read_message(json.dumps(data), EvCertificateMessage)
    assert named in caught.value.detail


@pytest.mark.parametrize(
    ("found", "policy", "status"),
    [
        (["good", "good"], "refuse", "Accepted"),
        (["good", None], "refuse", "NoCertificateAvailable"),
        (["good", None], "accept", "Accepted"),
        ([None, "revoked"], "accept", "CertificateRevoked"),
        (["unknown", "good"], "accept", "CertChainError"),
    ],
)
def test_the_worst_certificate_decides(found: list[str | None], policy: Any, status: str) -> None:
    assert status_of(found, policy) == status


def test_an_expiry_and_no_parent_goes_to_the_charge_point() -> None:
    info = {"status": "Expired", "expiryDate": "2026-01-01T00:00:00.000Z", "parentIdTag": "FLEET"}
    conf = json.loads(authorization(OCA_VENDOR, info, "Accepted"))
    assert conf["idTokenInfo"] == {"status": "Expired", "cacheExpiryDateTime": "2026-01-01T00:00:00.000Z"}


def test_a_certificate_names_its_responder() -> None:
    assert responder_of(LEAF.certificate) == "http://ocsp.example.com/"
    assert responder_of(ROOT.certificate) is None


def test_a_question_names_the_certificate() -> None:
    request = ocsp.load_der_ocsp_request(question(ASKED))
    assert request.serial_number == LEAF.certificate.serial_number
    for wrong in ("serial_number", "issuer_key_hash"):
        values = {name: getattr(ASKED, name) for name in ASKED.__struct_fields__} | {wrong: "zz"}
        with pytest.raises(PlugAndChargeFault):
            question(OcspRequestData(**values))


def test_an_answer_counts_only_with_the_signature_of_the_issuer_and_in_its_time() -> None:
    responder, now = Responder(ROOT), datetime.now(UTC)
    request = ocsp.load_der_ocsp_request(question(ASKED))
    right = responder.answer(request)
    assert status_in(right, ASKED, [], now) == "good"
    assert result_text(right, ASKED)
    for later in (now + 30 * DAY, now - timedelta(hours=1)):
        with pytest.raises(PlugAndChargeFault):
            status_in(right, ASKED, [], later)
    responder.issuer = make("Root", is_authority=True)
    with pytest.raises(PlugAndChargeFault):
        status_in(responder.answer(request), ASKED, [ROOT.certificate], now)


def test_a_leaf_without_the_usage_may_not_sign_for_its_issuer() -> None:
    request = ocsp.load_der_ocsp_request(question(ASKED))
    for usage, is_right in ((ExtendedKeyUsageOID.OCSP_SIGNING, True), (None, False)):
        body = Responder(make("Delegate", ROOT, usage=usage)).answer(request)
        if is_right:
            assert status_in(body, ASKED, [ROOT.certificate], datetime.now(UTC)) == "good"
        else:
            with pytest.raises(PlugAndChargeFault):
                status_in(body, ASKED, [ROOT.certificate], datetime.now(UTC))


@pytest.mark.parametrize("dialect", [OCA_VENDOR, HAS2BE_VENDOR])
def test_a_sent_certificate_is_found_again(dialect: str) -> None:
    payload = signed_payload(dialect, LEAF.pem + ROOT.pem)
    expected = LEAF.certificate.fingerprint(ROOT.certificate.signature_hash_algorithm).hex()  # type: ignore[arg-type]
    assert sent_fingerprint(payload["data"]) == expected
    assert LEAF.certificate.public_bytes(Encoding.DER).hex() in payload["data"] or dialect == OCA_VENDOR


@pytest.mark.parametrize("data", ["", "[]", "5", "{}", '{"cert": []}', '{"cert": ["zz"]}', '{"cert": 5}'])
def test_other_data_has_no_certificate(data: str) -> None:
    assert sent_fingerprint(data) is None


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (None, None),
        ({"status": "Accepted", "data": '{"status":"Accepted"}'}, "Accepted"),
        ({"status": "Rejected", "data": '{"status":"Rejected"}'}, "Rejected"),
        ({"status": "Accepted", "data": {"status": "Accepted"}}, "Accepted"),
        ({"status": "Accepted"}, None),
        ({"status": "Accepted", "data": "x"}, None),
    ],
)
def test_the_answer_inside_is_read(result: Any, status: str | None) -> None:
    assert read_answer("TriggerMessage", result).status == status


def test_places_are_bounded_and_given_back() -> None:
    places, first, second = RequestPlaces(2, 1), TenantId(1), TenantId(2)
    with places.one(first):
        with pytest.raises(PlugAndChargeFault), places.one(first):
            pass
        with places.one(second), pytest.raises(PlugAndChargeFault), places.one(TenantId(3)):
            pass
    with places.one(first):
        pass
