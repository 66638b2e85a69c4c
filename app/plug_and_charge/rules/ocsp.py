"""Asks OCSP responders, and judges what they answer (RFC 6960)."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import new
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.certificates.rules.hash_data import key_bits
from app.certificates.rules.pem import UNREADABLE, is_issued_by
from app.plug_and_charge.messages import OcspRequestData
from app.plug_and_charge.records import PlugAndChargeFault

RESPONSE_LIMIT_BYTES: Final = 16_384
_RESULT_LIMIT: Final = 5500
"""Characters of ocspResult (6.5.2)."""
_SKEW: Final = timedelta(minutes=5)
_ALGORITHMS: Final[dict[str, type[HashAlgorithm]]] = {"SHA256": SHA256, "SHA384": SHA384, "SHA512": SHA512}
# What a damaged or hostile answer makes the parser raise.

OcspStatus = Literal["good", "revoked", "unknown"]


def hash_data_of(leaf: x509.Certificate, issuer: x509.Certificate) -> OcspRequestData:
    """Return how a responder is asked about a certificate."""
    return OcspRequestData(
        "SHA256",
        new("sha256", issuer.subject.public_bytes()).hexdigest(),
        new("sha256", key_bits(issuer)).hexdigest(),
        f"{leaf.serial_number:x}",
    )


def question(asked: OcspRequestData) -> bytes:
    """Return an OCSP request in DER.

    Raises:
        PlugAndChargeFault: invalid_hash_data: it is not hexadecimal, or a hash has another length.
    """
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            bytes.fromhex(asked.issuer_name_hash),
            bytes.fromhex(asked.issuer_key_hash),
            _serial(asked),
            _ALGORITHMS[asked.hash_algorithm](),
        )
        return builder.build().public_bytes(Encoding.DER)
    except UNREADABLE:
        detail = "The hash data is not hexadecimal, or a hash does not have the length of its algorithm."
        raise PlugAndChargeFault("invalid_hash_data", detail) from None


def result_text(body: bytes, asked: OcspRequestData) -> str:
    """Return an answer of a responder as `ocspResult`. The charge point checks its signature.

    Raises:
        PlugAndChargeFault: not_ocsp, responder_failed, other_certificate or too_long.
    """
    _single(_response(body), asked)
    text = base64.b64encode(body).decode()
    if len(text) > _RESULT_LIMIT:
        raise PlugAndChargeFault(
            "too_long", f"The answer has more than {_RESULT_LIMIT} characters in base64."
        )
    return text


def status_in(
    body: bytes, asked: OcspRequestData, known: Sequence[x509.Certificate], now: datetime
) -> OcspStatus:
    """Return the status that a responder tells, if the issuer or its delegate has signed the answer.

    The hash data names the key of the issuer, so a certificate with this key is the issuer: it is looked for
    among `known` ones and in the answer.

    Raises:
        PlugAndChargeFault: the answer counts for nothing.
    """
    response = _response(body)
    single = _single(response, asked)
    if single.this_update_utc > now + _SKEW:
        raise PlugAndChargeFault("not_yet_valid", "The answer of the responder begins later.")
    if single.next_update_utc is not None and single.next_update_utc < now - _SKEW:
        raise PlugAndChargeFault("outdated", "The answer of the responder has expired.")
    try:
        given = list(response.certificates)
        issuers = [one for one in (*known, *given) if _is_issuer(one, asked)]
    except UNREADABLE:
        raise PlugAndChargeFault("not_ocsp", "A certificate in the answer is not readable.") from None
    delegates = [one for one in given if any(_is_delegate(one, issuer, now) for issuer in issuers)]
    if not any(_has_signed(response, one) for one in (*issuers, *delegates)):
        detail = "The issuer of the certificate has not signed the answer, or is not among the roots."
        raise PlugAndChargeFault("bad_signature", detail)
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return "good"
        case ocsp.OCSPCertStatus.REVOKED:
            return "revoked"
        case _:
            return "unknown"


def _response(body: bytes) -> ocsp.OCSPResponse:
    try:
        response = ocsp.load_der_ocsp_response(body)
        status = response.response_status
    except UNREADABLE:
        raise PlugAndChargeFault("not_ocsp", "The answer is not an OCSP response.") from None
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise PlugAndChargeFault("responder_failed", f"The responder has answered {status.name}.")
    return response


def _single(response: ocsp.OCSPResponse, asked: OcspRequestData) -> ocsp.OCSPSingleResponse:
    try:
        for one in response.responses:
            if (
                one.hash_algorithm.name == asked.hash_algorithm.lower()
                and one.issuer_key_hash == bytes.fromhex(asked.issuer_key_hash)
                and one.issuer_name_hash == bytes.fromhex(asked.issuer_name_hash)
                and one.serial_number == _serial(asked)
            ):
                _ = (one.certificate_status, one.this_update_utc, one.next_update_utc)
                return one
    except UNREADABLE:
        raise PlugAndChargeFault("not_ocsp", "The answer is not a readable OCSP response.") from None
    raise PlugAndChargeFault("other_certificate", "The answer is about another certificate.")


def _serial(asked: OcspRequestData) -> int:
    return int(asked.serial_number.strip().replace(":", ""), 16)


def _is_issuer(certificate: x509.Certificate, asked: OcspRequestData) -> bool:
    digest = asked.hash_algorithm.lower()
    name, key = certificate.subject.public_bytes(), key_bits(certificate)
    return (
        new(digest, key).hexdigest() == asked.issuer_key_hash.lower()
        and new(digest, name).hexdigest() == asked.issuer_name_hash.lower()
    )


def _is_delegate(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    """Tell whether an issuer lets a certificate sign for it (RFC 6960 4.2.2.2)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    is_valid = certificate.not_valid_before_utc <= now + _SKEW and certificate.not_valid_after_utc > now
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage and is_valid and is_issued_by(certificate, issuer)


def _has_signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key = signer.public_key()
    try:
        digest = response.signature_hash_algorithm
        signature, signed = response.signature, response.tbs_response_bytes
        if isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
