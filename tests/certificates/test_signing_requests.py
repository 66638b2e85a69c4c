"""Signing requests of charge points: which ones are signed."""

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA224, SHA384

from app.certificates.records import CertificateFault
from app.certificates.rules.pem import CERTIFICATE_LIMIT
from app.certificates.rules.signing_requests import judge_signing_request
from tests.support.certificates import ORGANIZATION, signing_request

GOOD = signing_request("CP1")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        signing_request("CP1", "rsa2048"),
        signing_request("CP1", "rsa2048", pss=True),
        signing_request("CP1", "p224"),
        signing_request("CP1", "p384", digest=SHA384()),
        GOOD.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        GOOD.replace("\n", "\r\n"),
    ],
)
def test_good_requests_are_accepted(text: str) -> None:
    judge_signing_request(text, "CP1", ORGANIZATION)


def test_any_organization_will_do_if_none_is_configured() -> None:
    judge_signing_request(signing_request("CP1", organization=None), "CP1", None)


def damaged() -> str:
    """Return a request whose signature does not fit."""
    body = bytearray(base64.b64decode("".join(GOOD.splitlines()[1:-1])))
    body[-1] ^= 1
    text = base64.encodebytes(bytes(body)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (signing_request("CP1", "rsa1024"), "weak_key"),
        (signing_request("CP1", "ed25519"), "key_not_supported"),
        (signing_request("CP1", "ecdsa", digest=SHA224()), "weak_hash"),
        (damaged(), "bad_signature"),
        (signing_request("CP2"), "wrong_identity"),
        (signing_request("cp1"), "wrong_identity"),
        (signing_request(None), "wrong_identity"),
        (signing_request("CP1", organization="Other"), "wrong_organization"),
        (signing_request("CP1", organization=None), "wrong_organization"),
        (GOOD + signing_request("CP1"), "several_requests"),
        (GOOD + "garbage", "not_pem"),
        ("garbage", "not_pem"),
        ("", "not_pem"),
        (GOOD.replace("M", "\u041c", 1), "not_ascii"),
        (GOOD + "\n" * CERTIFICATE_LIMIT, "too_long"),
        ("\x00", "not_pem"),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
            "unreadable_request",
        ),
    ],
)
def test_other_requests_are_refused(text: str, code: str) -> None:
    with pytest.raises(CertificateFault) as fault:
        judge_signing_request(text, "CP1", ORGANIZATION)
    assert fault.value.code == code
