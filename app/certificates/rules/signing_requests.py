"""Judges certificate signing requests of charge points (whitepaper edition 3, A02 and A03)."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from app.certificates.records import CertificateFault
from app.certificates.rules.pem import (
    CERTIFICATE_LIMIT,
    UNREADABLE,
    check_key,
    common_name,
    organization_name,
    pem_blocks,
)

_LABELS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_HASHES: Final = (SHA256, SHA384, SHA512)


def read_signing_request(text: str) -> x509.CertificateSigningRequest:
    """Return the only signing request of a text.

    Raises:
        CertificateFault: too_long, not_ascii, not_pem, several_requests or unreadable_request.
    """
    blocks = pem_blocks(text, _LABELS, CERTIFICATE_LIMIT)
    if len(blocks) > 1:
        raise CertificateFault("several_requests", "holds more than one request")
    try:
        request = x509.load_der_x509_csr(blocks[0])
        _ = (request.subject, request.public_key(), request.signature_hash_algorithm)
    except UNREADABLE:
        raise CertificateFault("unreadable_request", "is not a readable PKCS 10 request") from None
    return request


def judge_signing_request(
    text: str, identity: str, organization: str | None
) -> x509.CertificateSigningRequest:
    """Return a signing request that may be signed for a charge point.

    RSA signatures may be PSS or PKCS 1: the test tool of the Open Charge Alliance sends the second.

    Args:
        text: PEM.
        identity: of the charge point, which the common name must be.
        organization: the name of the operator, which O must be; None: any.

    Raises:
        CertificateFault: a fault of `read_signing_request` or of the key; or weak_hash, bad_signature,
            wrong_identity or wrong_organization.
    """
    request = read_signing_request(text)
    check_key(request.public_key())
    if not isinstance(request.signature_hash_algorithm, _HASHES):
        raise CertificateFault("weak_hash", "is not signed with SHA-256, SHA-384 or SHA-512")
    try:
        is_valid = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, TypeError):
        is_valid = False
    if not is_valid:
        raise CertificateFault("bad_signature", "is not signed by the key that it names")
    if common_name(request) != identity:
        raise CertificateFault("wrong_identity", f"does not have the common name {identity!r}")
    if organization is not None and organization_name(request) != organization:
        raise CertificateFault(
            "wrong_organization",
            f"does not have the organization {organization!r}: set the configuration key CpoName to it",
        )
    return request
