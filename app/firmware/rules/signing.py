"""The rules of signed firmware (security whitepaper L01): the signing certificate and the signature.

The work takes up to some milliseconds, so callers run it next to the event loop. No key is made here.
"""

import base64
import binascii
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from app.errors import FieldViolation, InvalidInput

CERTIFICATE_LIMIT: Final = 5500
"""Characters of a signing certificate (security whitepaper 6.9)."""
SIGNATURE_LIMIT: Final = 800
"""Characters of a signature in base64 (security whitepaper 6.9)."""

PKCS1_NOTE: Final = (
    "The signature is RSA with PKCS #1 v1.5 padding. The standard asks for RSA-PSS, so a charge point may "
    "refuse it."
)
NOT_CHECKED_NOTE: Final = "The file is not stored here, so the signature was not checked."

_CERTIFICATE: Final = "/signed/signing_certificate"
_SIGNATURE: Final = "/signed/signature"
_DIGEST: Final = Prehashed(SHA256())


def check_signing(certificate: str, signature: str, digest: bytes | None, now: datetime) -> str | None:
    """Check what comes with signed firmware, and return a note for the operator; None: all is well.

    Args:
        certificate: PEM of the firmware signing certificate, one only (L01: no intermediate certificates).
        signature: Base64 of the signature.
        digest: SHA-256 of the whole file, 32 bytes; None: the file is not stored here.
        now: When the certificate must be valid.

    Raises:
        InvalidInput: names the member at fault.
    """
    key = signing_key(certificate, now)
    raw = signature_bytes(signature)
    if digest is None:
        return NOT_CHECKED_NOTE
    return verify_signature(key, raw, digest)


def signing_key(pem: str, now: datetime) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """Return the public key of a signing certificate.

    Raises:
        InvalidInput: it is not one certificate in PEM, is not valid now, or has a key of another kind.
    """
    if "PRIVATE KEY" in pem:
        raise _refusal(_CERTIFICATE, "private_key", "holds a private key: send the certificate only")
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _refusal(_CERTIFICATE, "not_a_certificate", "is not an X.509 certificate in PEM") from None
    if len(certificates) != 1:
        detail = f"has {len(certificates)} certificates: a charge point takes one, without intermediate ones"
        raise _refusal(_CERTIFICATE, "chain_too_long", detail)
    [certificate] = certificates
    if now < certificate.not_valid_before_utc:
        raise _refusal(_CERTIFICATE, "certificate_not_yet_valid", "is not valid yet")
    if now > certificate.not_valid_after_utc:
        raise _refusal(_CERTIFICATE, "certificate_expired", "has expired")
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise _refusal(_CERTIFICATE, "unsupported_key", "has a key that is neither RSA nor ECDSA")
    return key


def signature_bytes(text: str) -> bytes:
    """Return the bytes of a signature in base64.

    Raises:
        InvalidInput: it is not base64.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        raise _refusal(_SIGNATURE, "not_base64", "is not base64")
    return raw


def verify_signature(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, signature: bytes, digest: bytes
) -> str | None:
    """Verify a signature over the SHA-256 of a file, and return a note; None: it is as the standard says.

    Raises:
        InvalidInput: the signature was made with another key, or over another file.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        try:
            key.verify(signature, digest, ec.ECDSA(_DIGEST))
        except InvalidSignature:
            raise _wrong_signature() from None
        return None
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO)
    for scheme, note in ((pss, None), (padding.PKCS1v15(), PKCS1_NOTE)):
        try:
            key.verify(signature, digest, scheme, _DIGEST)
        except InvalidSignature:
            continue
        return note
    raise _wrong_signature()


def _wrong_signature() -> InvalidInput:
    detail = "is not the signature of this file by the key of the certificate"
    return _refusal(_SIGNATURE, "wrong_signature", detail)


def _refusal(pointer: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput([FieldViolation(pointer, code, detail)])
