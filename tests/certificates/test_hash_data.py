"""Certificates are identified as charge points do it."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509 import ocsp

from app.certificates.records import InstalledRecord
from app.certificates.rules.hash_data import (
    expected_hash_data,
    find_known,
    installed_id,
    is_last_root,
    is_same,
    known_certificate,
)
from tests.support.certificates import issue

ROOT = issue("Root", serial=4095)
RSA_ROOT = issue("RSA root", kind="rsa2048", serial=0x0F00)
KNOWN = known_certificate(ROOT.certificate)


@pytest.mark.parametrize("root", [ROOT, RSA_ROOT, issue("Big", kind="rsa4096")])
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_the_hashes_are_those_of_ocsp(root: Any, algorithm: str) -> None:
    """The library computes the same for OCSP requests (RFC 6960), to which the standard refers."""
    digest = {"SHA256": SHA256(), "SHA384": SHA384(), "SHA512": SHA512()}[algorithm]
    builder = ocsp.OCSPRequestBuilder().add_certificate(root.certificate, root.certificate, digest)
    request = builder.build()
    data = expected_hash_data(known_certificate(root.certificate), algorithm)
    assert data["issuerNameHash"] == request.issuer_name_hash.hex()
    assert data["issuerKeyHash"] == request.issuer_key_hash.hex()
    assert int(data["serialNumber"], 16) == request.serial_number


def test_the_serial_number_is_written_as_in_the_standard() -> None:
    assert expected_hash_data(KNOWN)["serialNumber"] == "FFF"
    assert expected_hash_data(known_certificate(RSA_ROOT.certificate))["serialNumber"] == "F00"


@pytest.mark.parametrize("serial", ["fff", "FFF", "0FFF", "0000000fff", "0xFFF", "0F:FF"])
def test_other_spellings_name_the_same_certificate(serial: str) -> None:
    reported = {**expected_hash_data(KNOWN), "serialNumber": serial}
    reported["issuerNameHash"] = reported["issuerNameHash"].upper()
    assert is_same(reported, expected_hash_data(KNOWN))
    assert find_known(reported, [known_certificate(RSA_ROOT.certificate), KNOWN]) == KNOWN
    assert installed_id("x", reported) == installed_id("x", expected_hash_data(KNOWN))


@pytest.mark.parametrize(
    "changes",
    [
        {"serialNumber": "FFE"},
        {"issuerNameHash": "00"},
        {"issuerKeyHash": "00"},
        {"hashAlgorithm": "SHA384"},
    ],
)
def test_other_hash_data_name_another_certificate(changes: dict[str, str]) -> None:
    reported = {**expected_hash_data(KNOWN), **changes}
    assert not is_same(reported, expected_hash_data(KNOWN))
    assert find_known(reported, [KNOWN]) is None
    assert installed_id("x", reported) != installed_id("x", expected_hash_data(KNOWN))


def test_a_cross_signed_root_is_found_by_name_and_serial_number() -> None:
    crossed = known_certificate(issue("New root", ROOT, number=1).certificate)
    assert expected_hash_data(crossed)["issuerKeyHash"] == ""
    key = hashlib.sha256(b"of the issuer").hexdigest()
    assert find_known({**expected_hash_data(crossed), "issuerKeyHash": key}, [KNOWN, crossed]) == crossed


def record(number: int, **changes: Any) -> InstalledRecord:
    values: dict[str, Any] = {
        "id": str(number),
        "charge_point_id": 1,
        "certificate_type": "CentralSystemRootCertificate",
        "hash_data": {},
        "state": "reported",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "deletion": None,
        "fingerprint": None,
        **changes,
    }
    return InstalledRecord(**values)


@pytest.mark.parametrize(
    ("other", "is_last"),
    [
        (None, True),
        ({}, False),
        ({"state": "accepted"}, False),
        ({"state": "rejected"}, True),
        ({"state": "failed"}, True),
        ({"certificate_type": "ManufacturerRootCertificate"}, True),
        ({"deletion": "requested"}, True),
        ({"deletion": "unknown"}, True),
        ({"deletion": "failed"}, False),
    ],
)
def test_the_last_root_is_known(other: dict[str, Any] | None, is_last: bool) -> None:
    target = record(1)
    others = [] if other is None else [record(2, **other)]
    assert is_last_root(target, [target, *others]) is is_last


def test_a_manufacturer_root_is_never_the_last_one() -> None:
    target = record(1, certificate_type="ManufacturerRootCertificate")
    assert not is_last_root(target, [target])
