"""The signing certificate and the signature of firmware."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from app.errors import InvalidInput
from app.firmware.rules.locations import require_location
from app.firmware.rules.signing import NOT_CHECKED_NOTE, PKCS1_NOTE, check_signing
from tests.firmware.certificates import DIGEST, Signer, ec_signer, ed25519_signer, rsa_signer

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
BROKEN = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIURmlybXdhcmU=\n-----END CERTIFICATE-----\n"
PAST, FUTURE = datetime(2021, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def refusal(certificate: str, signature: str, digest: bytes | None = DIGEST) -> tuple[str, str]:
    """Return pointer and code of the refusal."""
    with pytest.raises(InvalidInput) as refused:
        check_signing(certificate, signature, digest, NOW)
    [found] = refused.value.violations
    assert "BEGIN" not in found.detail
    return found.pointer, found.code


@pytest.mark.parametrize("make", [rsa_signer, ec_signer], ids=["rsa", "ec"])
def test_the_signature_of_the_file_is_verified(make: Callable[[], Signer]) -> None:
    signer = make()
    assert check_signing(signer.pem, signer.sign(), DIGEST, NOW) is None
    assert check_signing(signer.pem, signer.sign(), None, NOW) == NOT_CHECKED_NOTE
    other = signer.sign(image=b"another file")
    assert refusal(signer.pem, other) == ("/signed/signature", "wrong_signature")


@pytest.mark.parametrize(
    "length", [0, padding.PSS.DIGEST_LENGTH, padding.PSS.MAX_LENGTH], ids=["none", "digest", "longest"]
)
def test_a_salt_of_any_length_is_tolerated(length: Any) -> None:
    signature = rsa_signer().sign(padding.PSS(padding.MGF1(SHA256()), length))
    assert check_signing(rsa_signer().pem, signature, DIGEST, NOW) is None


def test_the_older_padding_is_tolerated_with_a_note() -> None:
    signature = rsa_signer().sign(padding.PKCS1v15())
    assert check_signing(rsa_signer().pem, signature, DIGEST, NOW) == PKCS1_NOTE


def test_another_key_is_refused() -> None:
    assert refusal(ec_signer().pem, rsa_signer().sign()) == ("/signed/signature", "wrong_signature")
    assert refusal(rsa_signer().pem, ec_signer().sign()) == ("/signed/signature", "wrong_signature")
    assert refusal(ed25519_signer().pem, ec_signer().sign())[1] == "unsupported_key"


# Made when they are needed: to make a key takes a while.
CERTIFICATES: list[tuple[str, Callable[[], str], str]] = [
    ("text", lambda: "not a certificate", "not_a_certificate"),
    ("damaged", lambda: BROKEN, "not_a_certificate"),
    ("surrogate", lambda: "\ud800", "not_a_certificate"),
    ("key", lambda: rsa_signer().private_pem, "private_key"),
    ("certificate and key", lambda: rsa_signer().pem + rsa_signer().private_pem, "private_key"),
    ("chain", lambda: rsa_signer().pem + ec_signer().pem, "chain_too_long"),
    ("expired", lambda: rsa_signer(until=PAST).pem, "certificate_expired"),
    ("early", lambda: rsa_signer(since=FUTURE).pem, "certificate_not_yet_valid"),
]


@pytest.mark.parametrize(
    ("make", "code"), [row[1:] for row in CERTIFICATES], ids=[row[0] for row in CERTIFICATES]
)
def test_a_certificate_that_charge_points_would_refuse_is_refused(make: Callable[[], str], code: str) -> None:
    assert refusal(make(), rsa_signer().sign()) == ("/signed/signing_certificate", code)


@pytest.mark.parametrize("signature", ["", "%%%", "abc", "YWJj\n"])
def test_a_signature_that_is_not_base64_is_refused(signature: str) -> None:
    assert refusal(rsa_signer().pem, signature) == ("/signed/signature", "not_base64")


@pytest.mark.parametrize(
    "location",
    [
        "https://files.example.com/a.bin",
        "http://[2001:db8::1]:8080/a",
        "ftp://user:secret@files.example.com/a%20b",
        "ftps://files.example.com",
        "sftp://files.example.com/a?x=1#y",
        "HTTPS://files.example.com/a",
    ],
)
def test_locations_of_the_five_schemes_are_valid(location: str) -> None:
    require_location(location, "/location", is_signed=True)


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "invalid_scheme"),
        ("javascript:alert(1)", "invalid_scheme"),
        ("files.example.com/a", "invalid_scheme"),
        ("", "invalid_scheme"),
        ("https://", "invalid_location"),
        ("https:///a", "invalid_location"),
        ("https://files.example.com:port/", "invalid_location"),
        ("https://[::1/", "invalid_location"),
        ("https://files.example.com/a b", "invalid_location"),
        ("https://files.example.com/\r\nX: y", "invalid_location"),
        ("https://files.example.com/\x00", "invalid_location"),
        ("https://files.example.com/\u00e9", "invalid_location"),
        ("https://files.example.com\\@other.example.com/", "invalid_location"),
        ("https://files.example.com/" + "a" * 487, "too_long"),
    ],
)
def test_other_locations_are_refused_without_being_repeated(location: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_location(location, "/location", is_signed=True)
    [found] = refused.value.violations
    assert (found.pointer, found.code) == ("/location", code)
    assert not location or location not in found.detail
