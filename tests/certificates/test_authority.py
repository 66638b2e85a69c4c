"""Roots, certificates and revocation lists that are made here; chains of external authorities."""

import contextlib
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.certificates.records import CertificateFault, KeyType, NewAuthority, NewCertificate
from app.certificates.rules.authority import (
    RevokedSerial,
    judge_chain,
    mint_authority,
    revocation_list,
    sign_request,
)
from app.certificates.rules.pem import CHAIN_LIMIT, certificates_of, one_certificate, serial_text
from app.certificates.rules.signing_requests import read_signing_request
from tests.support.certificates import ORGANIZATION, YEAR, Issued, issue, key_of, signing_request

NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)
ROOT = issue("External root")
MIDDLE = issue("Intermediate", ROOT, number=1)


def signed(key_type: KeyType, csr: str, days: int = 365, years: int = 10) -> tuple[x509.Certificate, ...]:
    minted = mint_authority(NewAuthority(ORGANIZATION, key_type, years, days), "Charge points 1", NOW)
    root = one_certificate(minted.certificate)
    new = sign_request(read_signing_request(csr), root, minted.private_key, days, NOW)
    (leaf,) = certificates_of(new.chain, CHAIN_LIMIT)
    return root, leaf


@pytest.mark.parametrize("key_type", ["ecdsa_p256", "ecdsa_p384", "rsa_2048"])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa2048"])
def test_a_certificate_verifies_by_its_root(key_type: KeyType, kind: str) -> None:
    root, leaf = signed(key_type, signing_request("CP1", kind))
    leaf.verify_directly_issued_by(root)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert isinstance(root.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    assert leaf.subject.rfc4514_string() == f"CN=CP1,O={ORGANIZATION}"


def test_the_certificate_has_a_random_serial_number_of_twenty_octets() -> None:
    serials = {signed("ecdsa_p256", signing_request("CP1"))[1].serial_number for _ in range(5)}
    assert len(serials) == 5
    assert all(0 < serial < 2**159 for serial in serials)
    assert max(serials).bit_length() > 140


def test_a_certificate_ends_with_its_root() -> None:
    root, leaf = signed("ecdsa_p256", signing_request("CP1"), days=1825, years=1)
    assert leaf.not_valid_after_utc == root.not_valid_after_utc
    assert leaf.not_valid_before_utc <= NOW < leaf.not_valid_after_utc


def test_an_expired_root_signs_nothing() -> None:
    minted = mint_authority(NewAuthority(ORGANIZATION, "ecdsa_p256", 1, 1), "Root", NOW)
    root, csr = one_certificate(minted.certificate), read_signing_request(signing_request("CP1"))
    with pytest.raises(CertificateFault) as fault:
        sign_request(csr, root, minted.private_key, 30, NOW + 2 * YEAR)
    assert fault.value.code == "authority_expired"


@pytest.mark.parametrize("key_type", ["ecdsa_p256", "rsa_2048"])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa2048"])
def test_a_charge_point_connects_by_tls_with_its_certificate(
    key_type: KeyType, kind: str, tmp_path: Path
) -> None:
    """OpenSSL, on both sides of a handshake, accepts what is signed here."""
    now = datetime.now(UTC)
    minted = mint_authority(NewAuthority(ORGANIZATION, key_type, 10, 365), "Root", now)
    root, csr = one_certificate(minted.certificate), read_signing_request(signing_request("CP1", kind))
    new = sign_request(csr, root, minted.private_key, 365, now)
    key = key_of(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "client.pem").write_bytes(new.chain.encode() + key)
    server_authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server_authority.issue_cert("localhost").configure_cert(server)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=minted.certificate)
    server_authority.configure_trust(client)
    client.load_cert_chain(tmp_path / "client.pem")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there, server_hostname="localhost")
    for _ in range(4):
        for end in (theirs, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown = ours.getpeercert(binary_form=True)
    assert shown == certificates_of(new.chain, CHAIN_LIMIT)[0].public_bytes(Encoding.DER)


def test_a_revocation_list_names_serial_numbers() -> None:
    minted = mint_authority(NewAuthority(ORGANIZATION, "ecdsa_p256", 1, 1), "Root", NOW)
    root = one_certificate(minted.certificate)
    text = revocation_list(root, minted.private_key, [RevokedSerial("abc", NOW)], NOW)
    parsed = x509.load_pem_x509_crl(text.encode())
    assert [serial_text(entry.serial_number) for entry in parsed] == ["abc"]
    key = root.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert parsed.is_signature_valid(key)


# Chains of external authorities


def judged(*chain: Issued, csr: str | None = None, anchors: list[Issued] | None = None) -> NewCertificate:
    request = read_signing_request(csr or signing_request("CP1", number=5))
    roots = [one.certificate for one in anchors or [ROOT]]
    return judge_chain([one.certificate for one in chain], request, roots, NOW)


def leaf(**changes: object) -> Issued:
    options: dict[str, object] = {"number": 5, "is_authority": False, **changes}
    return issue("CP1", MIDDLE, **options)  # type: ignore[arg-type]


def leaf_with_serial(octet: int) -> Issued:
    """Return a leaf with a serial number of one octet that no builder makes. Its signature is wrong."""
    good = leaf(serial=77)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = good.der.replace(b"\x02\x01\x4d", bytes([2, 1, octet]))
        return Issued(x509.load_der_x509_certificate(encoded), good.key)


def test_a_chain_is_stored_without_its_root() -> None:
    with_root = judged(good := leaf(), MIDDLE, ROOT)
    assert with_root == judged(good, MIDDLE)
    assert with_root.chain == good.pem + MIDDLE.pem
    assert (with_root.identity, with_root.issuer) == ("CP1", f"CN=Intermediate,O={ORGANIZATION}")


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ([leaf(number=6), MIDDLE], "wrong_key"),
        ([issue("CP2", MIDDLE, number=5, is_authority=False), MIDDLE], "wrong_identity"),
        ([leaf(organization="Other"), MIDDLE], "wrong_organization"),
        ([leaf(end=NOW - timedelta(days=1)), MIDDLE], "expired"),
        ([leaf(begin=NOW + timedelta(days=60)), MIDDLE], "not_yet_valid"),
        ([leaf(), issue("Intermediate", ROOT, number=8)], "broken_chain"),
        ([leaf()], "untrusted_chain"),
        ([MIDDLE, leaf()], "wrong_key"),
        ([leaf(), MIDDLE, issue("External root", number=9)], "broken_chain"),
        ([issue("CP1", number=5, is_authority=False)], "untrusted_chain"),
        ([leaf(is_authority=True), MIDDLE], "an_authority"),
        ([leaf_with_serial(0), MIDDLE], "wrong_serial"),
        ([leaf_with_serial(255), MIDDLE], "wrong_serial"),
    ],
)
@pytest.mark.filterwarnings("ignore:Parsed a serial number", "ignore:The parsed certificate")
def test_a_chain_that_does_not_answer_the_request_is_refused(chain: list[Issued], code: str) -> None:
    with pytest.raises(CertificateFault) as fault:
        judged(*chain)
    assert fault.value.code == code
