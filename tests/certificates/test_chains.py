"""Which certificate of a charge point is trusted: paths, limits of authorities, ends, and revocation."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.certificates.records import CertificateFault
from app.certificates.rules.chains import Root, verified_root
from app.certificates.rules.pem import fingerprint_of, issuer_name_hash, serial_text
from tests.support.api import NOW
from tests.support.certificates import BEGIN, ORGANIZATION, YEAR, Issued, issue, key_of, name_of

ROOT = issue("Root of chains", number=61)
NAMESAKE = issue("Root of chains", number=62)
MIDDLE = issue("Middle", ROOT, number=63)
DEEP = issue("Deep", MIDDLE, number=64)
FOR_SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def made(name: str, issuer: Issued, number: int, *extensions: tuple[Any, bool]) -> Issued:
    """Return a certificate with extensions, each with whether it is critical."""
    key = key_of("ecdsa", number)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + YEAR)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(issuer.key, SHA256()), key)


def leaf(issuer: Issued, identity: str | None = "CP1", **options: Any) -> Issued:
    return issue(identity, issuer, number=77, is_authority=False, **options)


def judged(
    chain: Sequence[Issued],
    *roots: Issued,
    organization: str | None = ORGANIZATION,
    revoked: Sequence[Issued] = (),
    identity: str = "CP1",
) -> str:
    """Return the name of the fault, or the fingerprint of the root."""
    by_name: dict[bytes, list[Root]] = {}
    for root in roots or (ROOT,):
        one = root.certificate
        found = Root(one, fingerprint_of(one), organization)
        by_name.setdefault(one.subject.public_bytes(), []).append(found)
    keys = {
        (issuer_name_hash(one.certificate.issuer), serial_text(one.certificate.serial_number))
        for one in revoked
    }
    try:
        return verified_root([one.der for one in chain], identity, by_name, keys, NOW).fingerprint
    except CertificateFault as fault:
        return fault.code if fault.detail.endswith(".") else f"no sentence: {fault.detail}"


@pytest.mark.parametrize("chain", [[leaf(ROOT)], [leaf(MIDDLE), MIDDLE], [leaf(DEEP), MIDDLE, DEEP]])
def test_a_chain_leads_to_the_root_that_signed_it(chain: list[Issued]) -> None:
    assert judged(chain) == fingerprint_of(ROOT.certificate)
    # A namesake is not in the way, wherever it is.
    for roots in ([NAMESAKE, ROOT], [ROOT, NAMESAKE]):
        assert judged(chain, *roots) == fingerprint_of(ROOT.certificate)
    assert judged(chain, NAMESAKE) == "untrusted_chain"


def test_a_root_may_be_an_authority_below_another() -> None:
    assert judged([leaf(DEEP)], DEEP) == fingerprint_of(DEEP.certificate)
    assert judged([leaf(DEEP), DEEP], ROOT) == "untrusted_chain"
    # It is found although the client sends it, too.
    assert judged([leaf(DEEP), DEEP, MIDDLE], DEEP) == fingerprint_of(DEEP.certificate)
    assert judged([leaf(DEEP), DEEP, MIDDLE], MIDDLE) == fingerprint_of(MIDDLE.certificate)


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        (leaf(ROOT, "CP2"), "wrong_identity"),
        (leaf(ROOT, None), "wrong_identity"),
        (leaf(ROOT, organization="Other"), "wrong_organization"),
        (leaf(ROOT, organization=None), "wrong_organization"),
        (leaf(ROOT, begin=NOW + timedelta(seconds=1)), "expired"),
        (leaf(ROOT, begin=NOW - timedelta(days=9), end=NOW), "expired"),
        (issue("CP1", number=65), "untrusted_chain"),
        (
            made("CP1", ROOT, 66, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
            "wrong_use",
        ),
        (made("CP1", ROOT, 67, (x509.InhibitAnyPolicy(0), True)), "not_allowed"),
        (leaf(ROOT, kind="rsa1024"), "not_allowed"),
    ],
)
def test_a_certificate_that_is_not_that_of_the_charge_point_is_refused(
    certificate: Issued, code: str
) -> None:
    assert judged([certificate]) == code


def test_uses_and_organizations_that_are_not_limited_are_accepted() -> None:
    for use in (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE):
        certificate = made("CP1", ROOT, 66, (x509.ExtendedKeyUsage([use]), True))
        assert judged([certificate]) == fingerprint_of(ROOT.certificate)
    other = leaf(ROOT, organization="Other")
    assert judged([other], organization=None) == fingerprint_of(ROOT.certificate)


def test_an_authority_keeps_within_its_limits() -> None:
    own = leaf(ROOT)
    forged = issue("CP1", own, number=78, is_authority=False)
    assert judged([forged, own]) == "not_allowed"
    short = made("Short", ROOT, 68, (x509.BasicConstraints(True, 0), True))
    below = issue("Below", short, number=69)
    assert judged([leaf(short), short]) == fingerprint_of(ROOT.certificate)
    assert judged([leaf(below), below, short]) == "not_allowed"
    name = x509.NameConstraints([x509.DirectoryName(name_of("x"))], None)
    named = made("Named", ROOT, 70, (x509.BasicConstraints(True, None), True), (name, False))
    assert judged([leaf(named), named]) == "not_allowed"


def test_what_the_tenant_has_revoked_is_refused() -> None:
    certificate = leaf(MIDDLE)
    chain = [certificate, MIDDLE]
    for revoked in (certificate, MIDDLE):
        assert judged(chain, revoked=[revoked]) == "revoked"
    assert judged(chain, revoked=[leaf(ROOT)]) == fingerprint_of(ROOT.certificate)


def test_damaged_and_endless_chains_end() -> None:
    for damaged in (b"", b"garbage", leaf(ROOT).der[:-1], leaf(ROOT).der + b"\x00"):
        with pytest.raises(CertificateFault, match="cannot be read"):
            verified_root([damaged], "CP1", {}, (), NOW)
    # Authorities that have signed each other.
    one = issue("One", issue("Two", number=73), number=72)
    two = issue("Two", issue("One", number=72), number=73)
    assert judged([leaf(one), one, two]) == "untrusted_chain"
    assert judged([leaf(DEEP), MIDDLE, DEEP] + [ROOT] * 50) == fingerprint_of(ROOT.certificate)
