"""PEM is read strictly; keys and roots are judged."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.certificates.records import CertificateFault
from app.certificates.rules.pem import (
    CERTIFICATE_LIMIT,
    CHAIN_LIMIT,
    certificates_of,
    check_key,
    check_root,
    fingerprint_of,
    is_authority,
    is_issued_by,
    leaf_fingerprint,
    one_certificate,
    serial_text,
)
from tests.support.certificates import BEGIN, chain_of, issue, key_of, signing_request

ROOT = issue("Root")
OTHER = issue("Other", number=1)


def fault_of(text: str) -> str:
    with pytest.raises(CertificateFault) as fault:
        one_certificate(text)
    return fault.value.code


def test_one_certificate_is_read_with_blanks_around_it_and_any_line_ends() -> None:
    for text in (ROOT.pem, f"\n {ROOT.pem}\n\n", ROOT.pem.replace("\n", "\r\n"), ROOT.pem.strip()):
        assert one_certificate(text) == ROOT.certificate


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_pem"),
        ("garbage", "not_pem"),
        (ROOT.pem + "garbage", "not_pem"),
        ("garbage" + ROOT.pem, "not_pem"),
        (ROOT.pem + OTHER.pem, "several_certificates"),
        (ROOT.pem.replace("CERTIFICATE", "PRIVATE KEY"), "not_pem"),
        (signing_request("CP1"), "not_pem"),
        (ROOT.pem.replace("M", "\u041c", 1), "not_ascii"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "unreadable_certificate"),
        ("-----BEGIN CERTIFICATE-----\nMIIBs\n-----END CERTIFICATE-----\n", "not_pem"),
        (ROOT.pem + " " * CERTIFICATE_LIMIT, "too_long"),
        ("-----BEGIN " * 400, "not_pem"),
    ],
)
def test_other_texts_are_refused(text: str, code: str) -> None:
    assert fault_of(text) == code


def test_a_certificate_with_bytes_behind_it_is_refused() -> None:
    import base64

    body = base64.b64encode(ROOT.der + b"\x00").decode()
    assert fault_of(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----") == (
        "unreadable_certificate"
    )


def test_every_cut_certificate_is_refused_without_another_error() -> None:
    import base64

    for length in range(0, len(ROOT.der), 7):
        body = base64.b64encode(ROOT.der[:length]).decode() or "AAAA"
        assert fault_of(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----") in (
            "unreadable_certificate",
            "not_pem",
        )


def test_a_chain_has_a_limited_number_of_certificates() -> None:
    assert len(certificates_of(chain_of(ROOT, OTHER), CHAIN_LIMIT)) == 2
    with pytest.raises(CertificateFault) as fault:
        certificates_of(chain_of(*[ROOT] * 11), 10 * CHAIN_LIMIT)
    assert fault.value.code == "too_many_certificates"


@pytest.mark.parametrize("kind", ["rsa2048", "ecdsa", "p224", "p384"])
def test_strong_keys_are_allowed(kind: str) -> None:
    check_key(key_of(kind).public_key())


@pytest.mark.parametrize(("kind", "code"), [("rsa1024", "weak_key"), ("ed25519", "key_not_supported")])
def test_other_keys_are_refused(kind: str, code: str) -> None:
    with pytest.raises(CertificateFault) as fault:
        check_key(key_of(kind).public_key())
    assert fault.value.code == code


def test_an_rsa_key_with_a_small_exponent_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=3, key_size=2048).public_key()
    with pytest.raises(CertificateFault) as fault:
        check_key(key)
    assert fault.value.code == "weak_key"


def test_a_root_must_be_an_authority_that_has_not_expired() -> None:
    check_root(ROOT.certificate, BEGIN)
    with pytest.raises(CertificateFault) as fault:
        check_root(ROOT.certificate, ROOT.certificate.not_valid_after_utc)
    assert fault.value.code == "expired"
    leaf = issue("CP1", ROOT, is_authority=False)
    assert not is_authority(leaf.certificate)
    with pytest.raises(CertificateFault) as fault:
        check_root(leaf.certificate, BEGIN + timedelta(days=1))
    assert fault.value.code == "not_an_authority"


def test_an_issuer_is_found_by_name_and_signature() -> None:
    leaf = issue("CP1", ROOT, is_authority=False)
    namesake = issue("Root", number=7)
    assert is_issued_by(leaf.certificate, ROOT.certificate)
    assert not is_issued_by(leaf.certificate, namesake.certificate)
    assert not is_issued_by(leaf.certificate, OTHER.certificate)


def test_the_leaf_of_a_chain_is_recognized_without_parsing_it() -> None:
    leaf = issue("CP1", ROOT, is_authority=False)
    assert leaf_fingerprint(chain_of(leaf, ROOT)) == fingerprint_of(leaf.certificate)
    assert leaf_fingerprint("no PEM") is None
    assert leaf_fingerprint("-----BEGIN X-----\nA\n-----END X-----") is None


@pytest.mark.parametrize(("number", "text"), [(4095, "fff"), (1, "1"), (2**152, "1" + "0" * 38)])
def test_a_serial_number_has_no_leading_zeros(number: int, text: str) -> None:
    assert serial_text(number) == text
