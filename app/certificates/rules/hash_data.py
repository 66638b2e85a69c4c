"""Identifies certificates as charge points do: by hashes and serial number (whitepaper edition 3, 6.1)."""

from collections.abc import Iterable
from hashlib import new, sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.certificates.records import CENTRAL_SYSTEM_ROOT, InstalledRecord, KnownCertificate
from app.certificates.rules.pem import fingerprint_of, is_issued_by, pem_of, serial_text
from app.types import Json

ALGORITHMS: Final = ("SHA256", "SHA384", "SHA512")


def known_certificate(certificate: x509.Certificate) -> KnownCertificate:
    """Return a root with its hashes by all algorithms.

    The hash of the issuer's key is that of its own key if it signed itself. Of a cross-signed root it is not
    known here.
    """
    name = certificate.issuer.public_bytes()
    key = key_bits(certificate) if is_issued_by(certificate, certificate) else None
    hashes: Json = {}
    for algorithm in ALGORITHMS:
        digest = algorithm.lower()
        hashes[algorithm] = {
            "name": new(digest, name).hexdigest(),
            "key": None if key is None else new(digest, key).hexdigest(),
        }
    return KnownCertificate(
        fingerprint=fingerprint_of(certificate),
        certificate=pem_of([certificate]),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=serial_text(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        hashes=hashes,
    )


def expected_hash_data(known: KnownCertificate, algorithm: str = "SHA256") -> Json:
    """Return the hash data that a charge point will report for a certificate. An unknown hash is empty."""
    hashes = known.hashes[algorithm]
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": hashes["name"],
        "issuerKeyHash": hashes["key"] or "",
        "serialNumber": known.serial.upper(),
    }


def folded(hash_data: Json) -> tuple[str, str, str, str]:
    """Return hash data in the form to compare: CiStrings in lower case, the serial without leading zeros.

    Some charge points write the serial number with leading zeros, `0x`, or colons.
    """
    serial = str(hash_data["serialNumber"]).strip().lower().removeprefix("0x").replace(":", "").lstrip("0")
    return (
        str(hash_data["hashAlgorithm"]),
        str(hash_data["issuerNameHash"]).strip().lower(),
        str(hash_data["issuerKeyHash"]).strip().lower(),
        serial or "0",
    )


def is_same(left: Json, right: Json) -> bool:
    """Tell whether two hash data name the same certificate. An empty hash of a key matches each."""
    one, other = folded(left), folded(right)
    if one[:2] + one[3:] != other[:2] + other[3:]:
        return False
    return one[2] == other[2] or not one[2] or not other[2]


def find_known(hash_data: Json, known: Iterable[KnownCertificate]) -> KnownCertificate | None:
    """Return the certificate that hash data names, None: its text is not known."""
    algorithm = str(hash_data["hashAlgorithm"])
    for candidate in known:
        if algorithm in candidate.hashes and is_same(hash_data, expected_hash_data(candidate, algorithm)):
            return candidate
    return None


def installed_id(certificate_type: str, hash_data: Json) -> str:
    """Return the id of a certificate on a charge point: it names the type and the certificate."""
    return sha256("|".join((certificate_type, *folded(hash_data))).encode()).hexdigest()[:32]


def is_last_root(target: InstalledRecord, installed: Iterable[InstalledRecord]) -> bool:
    """Tell whether a charge point could verify no central system without a certificate.

    Certificates that are perhaps being deleted do not count as the ones that remain.
    """
    if target.certificate_type != CENTRAL_SYSTEM_ROOT or target.state not in ("reported", "accepted"):
        return False
    return not any(
        other.id != target.id
        and other.certificate_type == CENTRAL_SYSTEM_ROOT
        and other.state in ("reported", "accepted")
        and other.deletion in (None, "failed")
        for other in installed
    )


def key_bits(certificate: x509.Certificate) -> bytes:
    """Return the value of the subject public key without tag and length (RFC 6960 4.1.1)."""
    key = certificate.public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _bit_string(encoded)


def _bit_string(encoded: bytes) -> bytes:
    """Return the bits of the second member of a SubjectPublicKeyInfo."""
    start, _ = _content(encoded, 0)
    _, algorithm_end = _content(encoded, start)
    bits, end = _content(encoded, algorithm_end)
    # The first octet counts unused bits, of which a key has none.
    return encoded[bits + 1 : end]


def _content(encoded: bytes, at: int) -> tuple[int, int]:
    """Return begin and end of the content of the DER value that begins at an index."""
    length = encoded[at + 1]
    begin = at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(encoded[begin : begin + octets], "big")
        begin += octets
    return begin, begin + length
