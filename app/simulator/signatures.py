"""Verifies the signatures of firmware as a charge point does (security whitepaper L01).

It shares no code with the central system, which is tested with it. It loads `cryptography`: import it late.
"""

import base64
import binascii
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256


def certificate_problem(pem: str, now: datetime) -> str | None:
    """Say why a signing certificate is not used; None: it is.

    now: virtual time, which may run behind. So only the end of the certificate is checked.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "not a certificate"
    if now > certificate.not_valid_after_utc:
        return "expired"
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return "kind of key not supported"
    return None


def is_signature(pem: str, signature: str, digest: bytes) -> bool:
    """Tell whether a signature in base64 is that of the key of a certificate over a SHA-256 digest."""
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, digest, ec.ECDSA(Prehashed(SHA256())))
        elif isinstance(key, rsa.RSAPublicKey):
            # PKCS #1 v1.5 is not what the standard asks for, so it is refused (L01).
            scheme = padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO)
            key.verify(raw, digest, scheme, Prehashed(SHA256()))
        else:
            return False
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True
