"""Keys, signing requests and hashes of certificates, as a charge point makes them.

It shares no code with the central system, which is tested with it. It loads `cryptography`: import it late.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import new as new_hash
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OwnSigningRequest:
    """A signing request and the private key that it was made for, both in PEM."""

    pem: str
    key: str = field(repr=False)


def signing_request(identity: str, organization: str) -> OwnSigningRequest:
    """Make a key on the curve P-256 and a request for its certificate (whitepaper A00.FR.504 to 511).

    organization: the name of the operator; empty: the request has none.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, identity)]
    if organization:
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return OwnSigningRequest(request.public_bytes(Encoding.PEM).decode(), text)


def fits(chain: str, key: str, identity: str, now: datetime) -> bool:
    """Tell whether a chain begins with a certificate of this key and identity, and is in order.

    now: virtual time, which may run behind. So only the ends of the certificates are checked.
    """
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        own = load_pem_private_key(key.encode(), None).public_key()
        for certificate, issuer in pairwise(certificates):
            certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    leaf = certificates[0]
    names = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [identity] or _public_bytes(leaf.public_key()) != _public_bytes(own):
        return False
    return all(now <= certificate.not_valid_after_utc for certificate in certificates)


def is_root(pem: str, now: datetime) -> bool:
    """Tell whether a text is one certificate of an authority that has not expired."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        constraints = certificates[0].extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return len(certificates) == 1 and constraints.ca and now <= certificates[0].not_valid_after_utc


def hash_data(pem: str, algorithm: str = "SHA256") -> Json:
    """Return CertificateHashDataType of a root, which is its own issuer (whitepaper 6.1)."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _hash(algorithm, certificate.issuer.public_bytes()),
        "issuerKeyHash": _hash(algorithm, _key_bits(certificate)),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def is_meant(pem: str, wanted: Json) -> bool:
    """Tell whether hash data names a certificate. Letters compare without regard to case."""
    own = hash_data(pem, wanted["hashAlgorithm"])
    return all(str(own[name]).lower() == str(wanted[name]).lower() for name in own)


def _hash(algorithm: str, content: bytes) -> str:
    return new_hash(algorithm.lower(), content).hexdigest()


def _key_bits(certificate: x509.Certificate) -> bytes:
    """Return the public key in DER without tag and length: for RSA the PKCS 1 form, for EC the point."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)


def _public_bytes(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
