"""Reads certificates and chains in PEM strictly: nothing before, between or behind, and bounded."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from app.certificates.records import CertificateFault

CERTIFICATE_LIMIT: Final = 5500
"""Characters of a certificate in InstallCertificate, and of a CSR (whitepaper edition 3, 5.11 and 5.17)."""
CHAIN_LIMIT: Final = 10_000
"""Characters of the chain in CertificateSigned (whitepaper edition 3, 5.1)."""
_CERTIFICATES_OF_CHAIN: Final = 10
_RSA_BITS: Final = range(2048, 8193)
_EC_BITS: Final = 224
_BLOCK: Final = re.compile(
    r"\s*-----BEGIN (?P<label>[A-Z ]{1,40})-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----\s*"
)
# What a damaged or hostile DER text makes the parser raise.
UNREADABLE: Final = (ValueError, UnsupportedAlgorithm, TypeError, OverflowError, NotImplementedError)
"""The errors of `cryptography` for damaged structures, and for those that it does not know."""


def pem_blocks(text: str, labels: Sequence[str], limit: int) -> list[bytes]:
    """Return the DER contents of a text that consists of PEM blocks and blanks only.

    Raises:
        CertificateFault: too_long, not_ascii or not_pem.
    """
    if len(text) > limit:
        raise CertificateFault("too_long", f"has {len(text)} characters; up to {limit} are allowed")
    if not text.isascii():
        raise CertificateFault("not_ascii", "holds characters that are not ASCII")
    found: list[bytes] = []
    position = 0
    while position < len(text):
        block = _BLOCK.match(text, position)
        if block is None or block["label"] not in labels:
            raise CertificateFault("not_pem", f"is not PEM of {labels[0]}, or has text outside of it")
        try:
            found.append(base64.b64decode("".join(block["body"].split()), validate=True))
        except binascii.Error:
            raise CertificateFault("not_pem", "is not valid base64") from None
        position = block.end()
    if not found:
        raise CertificateFault("not_pem", "is empty")
    return found


def read_certificate(der: bytes) -> x509.Certificate:
    """Return a certificate whose name, dates and key can be read.

    Raises:
        CertificateFault: unreadable_certificate.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Lazy members: damaged ones must fail here.
        _ = (certificate.subject, certificate.issuer, certificate.not_valid_before_utc)
        _ = (certificate.not_valid_after_utc, certificate.public_key(), certificate.extensions)
        _ = certificate.signature_hash_algorithm
        if certificate.public_bytes(Encoding.DER) != der:
            raise CertificateFault("unreadable_certificate", "is not a certificate in DER")
    except UNREADABLE:
        raise CertificateFault("unreadable_certificate", "is not a readable X.509 certificate") from None
    return certificate


def one_certificate(text: str, limit: int = CERTIFICATE_LIMIT) -> x509.Certificate:
    """Return the only certificate of a text.

    Raises:
        CertificateFault: too_long, not_ascii, not_pem, several_certificates or unreadable_certificate.
    """
    blocks = pem_blocks(text, ["CERTIFICATE"], limit)
    if len(blocks) > 1:
        raise CertificateFault("several_certificates", "holds more than one certificate")
    return read_certificate(blocks[0])


def certificates_of(text: str, limit: int) -> list[x509.Certificate]:
    """Return the certificates of a text, at least one.

    Raises:
        CertificateFault: too_long, not_ascii, not_pem, too_many_certificates or unreadable_certificate.
    """
    blocks = pem_blocks(text, ["CERTIFICATE"], limit)
    if len(blocks) > _CERTIFICATES_OF_CHAIN:
        raise CertificateFault(
            "too_many_certificates", f"holds more than {_CERTIFICATES_OF_CHAIN} certificates"
        )
    return [read_certificate(block) for block in blocks]


def pem_of(certificates: Sequence[x509.Certificate]) -> str:
    """Return certificates in PEM."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hexadecimal digits."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def leaf_fingerprint(chain: str) -> str | None:
    """Return the SHA-256 of the first certificate of a chain, without parsing it; None: it is not PEM."""
    block = _BLOCK.match(chain[: CHAIN_LIMIT + 1])
    try:
        return None if block is None else sha256(base64.b64decode("".join(block["body"].split()))).hexdigest()
    except binascii.Error:
        return None


def key_digest(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return the SHA-256 of the public key, in hexadecimal digits."""
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).hexdigest()


def serial_text(number: int) -> str:
    """Return a serial number in lower case hexadecimal digits without leading zeros (edition 3, 6.1)."""
    return f"{number:x}"


def issuer_name_hash(name: x509.Name) -> str:
    """Return the SHA-256 of the DER of a name, in hexadecimal digits."""
    return sha256(name.public_bytes()).hexdigest()


def only_text(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Return the value of an attribute that a name has exactly once, else None."""
    values = name.get_attributes_for_oid(oid)
    value = values[0].value if len(values) == 1 else None
    return value if isinstance(value, str) else None


def common_name(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str | None:
    """Return the common name of the subject, None: it has none, or several."""
    return only_text(certificate.subject, NameOID.COMMON_NAME)


def organization_name(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str | None:
    """Return the organisation of the subject, None: it has none, or several."""
    return only_text(certificate.subject, NameOID.ORGANIZATION_NAME)


def check_key(key: object) -> None:
    """Refuse keys that the whitepaper does not allow (A00.FR.501 to 503), and those that take long.

    Raises:
        CertificateFault: weak_key or key_not_supported.
    """
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise CertificateFault(
                "weak_key" if key.key_size < _RSA_BITS.start else "key_not_supported",
                f"has an RSA key of {key.key_size} bits; 2048 to 8192 are allowed",
            )
        if key.public_numbers().e < 65537:
            raise CertificateFault("weak_key", "has an RSA key with an exponent below 65537")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < _EC_BITS:
            raise CertificateFault("weak_key", f"has an elliptic curve key below {_EC_BITS} bits")
    else:
        raise CertificateFault("key_not_supported", "has a key that is neither RSA nor of an elliptic curve")


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate may sign others: by its basic constraints and key usage (RFC 5280)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether one certificate is signed by another: by the names and by the signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def check_root(certificate: x509.Certificate, now: datetime) -> None:
    """Refuse what is not a root that a charge point can use now.

    Raises:
        CertificateFault: not_an_authority, expired, or a fault of its key.
    """
    if not is_authority(certificate):
        raise CertificateFault("not_an_authority", "may not sign other certificates (basic constraints)")
    if certificate.not_valid_after_utc <= now:
        raise CertificateFault("expired", "has expired")
    check_key(certificate.public_key())
