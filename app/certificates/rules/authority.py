"""Makes roots, certificates and revocation lists with a private key in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.certificates.records import (
    CertificateFault,
    KeyType,
    MintedAuthority,
    NewAuthority,
    NewCertificate,
)
from app.certificates.rules.pem import (
    check_key,
    common_name,
    fingerprint_of,
    is_authority,
    is_issued_by,
    issuer_name_hash,
    key_digest,
    organization_name,
    pem_of,
    serial_text,
)

_BACKDATED: Final = timedelta(minutes=10)
"""Certificates begin in the past, because the clock of a charge point may be slow."""
_NEXT_LIST: Final = timedelta(days=7)
_YEAR: Final = timedelta(days=365)
_SERIALS: Final = range(1, 2**159)
"""Serial numbers by RFC 5280 4.1.2.2. Another one could not be named in a revocation list."""
_CURVES: Final[dict[KeyType, ec.EllipticCurve]] = {"ecdsa_p256": ec.SECP256R1(), "ecdsa_p384": ec.SECP384R1()}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class RevokedSerial(NamedTuple):
    """A revoked certificate in a revocation list. serial: hexadecimal digits."""

    serial: str
    at: datetime


def mint_authority(new: NewAuthority, label: str, now: datetime) -> MintedAuthority:
    """Make a root certificate with a new key. label: distinguishes its name from those of other roots."""
    key = _new_key(new.key_type)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, new.organization),
            x509.NameAttribute(NameOID.COMMON_NAME, label),
        ]
    )
    begin = (now - _BACKDATED).replace(microsecond=0)
    end = begin + _YEAR * new.years
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, _hash_of(key))
    )
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    serial = serial_text(certificate.serial_number)
    return MintedAuthority(pem_of([certificate]), serial, private, begin, end)


def sign_request(
    request: x509.CertificateSigningRequest,
    root: x509.Certificate,
    private_key: bytes,
    days: int,
    now: datetime,
) -> NewCertificate:
    """Sign a request that was judged. Only its key, common name and organisation are taken from it.

    Signatures of RSA roots are PKCS 1 with SHA-256: some charge points cannot verify PSS.

    Raises:
        CertificateFault: authority_expired.
    """
    key = _read_key(private_key)
    begin = (now - _BACKDATED).replace(microsecond=0)
    end = min(begin + timedelta(days=days), root.not_valid_after_utc)
    if end <= now:
        raise CertificateFault("authority_expired", "The certificate authority has expired.")
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name(request) or "")]
    organization = organization_name(request)
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    public = request.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(root.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(begin, root.not_valid_before_utc))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_public_of(root)), critical=False)
        .sign(key, _hash_of(key))
    )
    return described([certificate])


def described(chain: Sequence[x509.Certificate]) -> NewCertificate:
    """Return a chain as it is stored."""
    leaf = chain[0]
    return NewCertificate(
        identity=common_name(leaf) or "",
        serial=serial_text(leaf.serial_number),
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        issuer_name_hash=issuer_name_hash(leaf.issuer),
        fingerprint=fingerprint_of(leaf),
        chain=pem_of(chain),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def judge_chain(
    chain: Sequence[x509.Certificate],
    request: x509.CertificateSigningRequest,
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> NewCertificate:
    """Return the chain of an external authority, without its root, if it answers the request.

    Raises:
        CertificateFault: wrong_key, wrong_identity, wrong_organization, wrong_serial, expired, not_yet_valid,
            broken_chain, untrusted_chain, an_authority, or a fault of the key.
    """
    leaf = chain[0]
    check_key(leaf.public_key())
    if key_digest(leaf) != key_digest(request):
        raise CertificateFault("wrong_key", "does not begin with a certificate of the key of the request")
    if common_name(leaf) != common_name(request):
        raise CertificateFault("wrong_identity", "has another common name than the request")
    if organization_name(leaf) != organization_name(request):
        raise CertificateFault("wrong_organization", "has another organization than the request")
    if leaf.serial_number not in _SERIALS:
        raise CertificateFault("wrong_serial", "has no positive serial number of up to 20 octets")
    for certificate in chain:
        if certificate.not_valid_after_utc <= now:
            raise CertificateFault("expired", "holds a certificate that has expired")
    if leaf.not_valid_before_utc > now + timedelta(days=31):
        raise CertificateFault("not_yet_valid", "is not valid within a month")
    for certificate, issuer in pairwise(chain):
        if not is_issued_by(certificate, issuer):
            raise CertificateFault("broken_chain", "has a certificate that the next one did not sign")
    if is_authority(leaf):
        # Its charge point could make certificates for others.
        raise CertificateFault("an_authority", "begins with a certificate that may sign others")
    last = chain[-1]
    prints = {fingerprint_of(anchor) for anchor in anchors}
    if fingerprint_of(last) in prints and len(chain) > 1:
        return described(chain[:-1])
    if not any(is_issued_by(last, anchor) for anchor in anchors):
        raise CertificateFault("untrusted_chain", "does not lead to a root of the external authority")
    return described(chain)


def revocation_list(
    root: x509.Certificate, private_key: bytes, revoked: Sequence[RevokedSerial], now: datetime
) -> str:
    """Return the revocation list of a root in PEM. It names the next one for a week later."""
    key = _read_key(private_key)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now)
        .next_update(now + _NEXT_LIST)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_public_of(root)), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16)).revocation_date(one.at)
        builder = builder.add_revoked_certificate(entry.build())
    # The same list twice has the same signature, so that caches and comparisons work.
    is_ecdsa = isinstance(key, ec.EllipticCurvePrivateKey)
    signed = builder.sign(key, _hash_of(key), ecdsa_deterministic=True if is_ecdsa else None)
    return signed.public_bytes(Encoding.PEM).decode()


def _new_key(key_type: KeyType) -> PrivateKey:
    curve = _CURVES.get(key_type)
    if curve is not None:
        return ec.generate_private_key(curve)
    return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type.removeprefix("rsa_")))


def _read_key(private_key: bytes) -> PrivateKey:
    key = load_der_private_key(private_key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CertificateFault("authority_unreadable", "The key of the certificate authority is unknown.")
    return key


def _public_of(root: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    key = root.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise CertificateFault("authority_unreadable", "The key of the certificate authority is unknown.")
    return key


def _hash_of(key: PrivateKey) -> SHA256 | SHA384:
    return SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else SHA256()


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
