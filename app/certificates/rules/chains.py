"""Verifies the certificate of a client up to a root of its tenant (RFC 5280 6; whitepaper, A00.FR.40x).

Only the roots of one tenant are looked at. Whatever the roots of another tenant are called, and whatever it
revokes, changes nothing here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.certificates.records import CertificateFault
from app.certificates.rules.pem import (
    check_key,
    common_name,
    is_authority,
    is_issued_by,
    issuer_name_hash,
    organization_name,
    read_certificate,
    serial_text,
)

_DEPTH: Final = 5
"""The most certificates below a root, and the most that are looked at."""
_HASHES: Final = (SHA224, SHA256, SHA384, SHA512)
_KNOWN_EXTENSIONS: Final = (
    x509.AuthorityKeyIdentifier,
    x509.BasicConstraints,
    x509.CertificatePolicies,
    x509.ExtendedKeyUsage,
    x509.KeyUsage,
    x509.SubjectAlternativeName,
)
"""The extensions that may be critical. An unknown one might limit the certificate (RFC 5280 4.2)."""


class Root(NamedTuple):
    """A root of a tenant. organization: of the certificates below it, None: any."""

    certificate: x509.Certificate
    fingerprint: str
    organization: str | None


RootsByName = Mapping[bytes, Sequence[Root]]
"""The roots of one tenant by their names, DER."""
Revoked = Collection[tuple[str, str]]
"""The certificates that one tenant has revoked: hash of the issuer's name, and serial number."""


def verified_root(
    chain: Sequence[bytes], identity: str, roots: RootsByName, revoked: Revoked, now: datetime
) -> Root:
    """Return the root at which the certificate of a charge point ends. It computes for milliseconds.

    Args:
        chain: what the client has sent, DER, its own certificate first.
        identity: of the charge point.
        roots: of its tenant.
        revoked: by its tenant.
        now: the time at which all must be valid.

    Raises:
        CertificateFault: it ends at none, or is not the certificate of this charge point. The detail is one
            sentence.
    """
    try:
        certificates = [read_certificate(one) for one in chain[: _DEPTH + 1]]
    except CertificateFault:
        raise CertificateFault("unreadable_certificate", "The client certificate cannot be read.") from None
    leaf = certificates[0]
    if common_name(leaf) != identity:
        name = common_name(leaf) or "absent"
        raise CertificateFault("wrong_identity", f"The common name of the client certificate is {name}.")
    _check_use(leaf)
    # What is cheap comes first: anybody may send a chain.
    fault = CertificateFault("untrusted_chain", "The client certificate leads to no root of the tenant.")
    for path in _paths(leaf, certificates[1:], ()):
        for root in roots.get(path[-1].issuer.public_bytes(), ()):
            if not is_issued_by(path[-1], root.certificate):
                continue
            found = _fault_of(path, root, revoked, now)
            if found is None:
                return root
            fault = found
    raise fault


def _paths(
    certificate: x509.Certificate, issuers: Sequence[x509.Certificate], below: tuple[x509.Certificate, ...]
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Go through the paths from a certificate to those that a root may have signed."""
    path = (*below, certificate)
    yield path
    if len(path) < _DEPTH:
        for issuer in issuers:
            if issuer not in path and is_issued_by(certificate, issuer):
                yield from _paths(issuer, issuers, path)


def _check_use(leaf: x509.Certificate) -> None:
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses):
        raise CertificateFault("wrong_use", "The client certificate is not for the clients of TLS.")


def _fault_of(
    path: Sequence[x509.Certificate], root: Root, revoked: Revoked, now: datetime
) -> CertificateFault | None:
    organization = organization_name(path[0])
    if root.organization not in (None, organization):
        detail = f"The organization of the client certificate is {organization or 'absent'}."
        return CertificateFault("wrong_organization", detail)
    for one in (*path, root.certificate):
        if not one.not_valid_before_utc <= now < one.not_valid_after_utc:
            what = "has expired" if one.not_valid_after_utc <= now else "is not valid yet"
            return CertificateFault("expired", f"The certificate {one.subject.rfc4514_string()} {what}.")
    if any((issuer_name_hash(one.issuer), serial_text(one.serial_number)) in revoked for one in path):
        return CertificateFault("revoked", "The client certificate is revoked.")
    for below, one in enumerate((*path, root.certificate)):
        if not _is_sound(one, below, is_root=one is root.certificate):
            return CertificateFault("not_allowed", f"{one.subject.rfc4514_string()} may not be used so.")
    return None


def _is_sound(one: x509.Certificate, below: int, *, is_root: bool) -> bool:
    """Tell whether a certificate may have its place. below: how many are below it, the first one included."""
    if below and not is_authority(one):
        return False
    if any(
        (found.critical and not isinstance(found.value, _KNOWN_EXTENSIONS))
        or isinstance(found.value, x509.NameConstraints)
        for found in one.extensions
    ):
        return False
    # The path length counts the authorities in between.
    if below and below - 1 > _longest_path(one):
        return False
    try:
        check_key(one.public_key())
    except CertificateFault:
        return False
    # The signature of a root is not looked at.
    return is_root or isinstance(one.signature_hash_algorithm, _HASHES)


def _longest_path(authority: x509.Certificate) -> int:
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    return _DEPTH if constraints.path_length is None else constraints.path_length
