"""Decides about V2G certificates of charge points: requests, chains, and how they are sent."""

from datetime import datetime
from typing import Final

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from app.certificates.records import CertificateFault, NewCertificate
from app.certificates.rules.authority import judge_chain
from app.certificates.rules.pem import CHAIN_LIMIT, certificates_of, check_key, leaf_fingerprint
from app.certificates.rules.signing_requests import read_signing_request
from app.plug_and_charge.records import HAS2BE_VENDOR
from app.types import Json

_HASHES: Final = (SHA256, SHA384, SHA512)


def judge_v2g_request(csr: str) -> None:
    """Refuse a request that cannot be signed.

    Its common name is the name of the SECC in ISO 15118-2 annex F, not the identity: it is not judged here.

    Raises:
        CertificateFault: a fault of `read_signing_request` or of the key, weak_hash or bad_signature.
    """
    request = read_signing_request(csr)
    check_key(request.public_key())
    if not isinstance(request.signature_hash_algorithm, _HASHES):
        raise CertificateFault("weak_hash", "is not signed with SHA-256, SHA-384 or SHA-512")
    try:
        is_valid = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, TypeError):
        is_valid = False
    if not is_valid:
        raise CertificateFault("bad_signature", "is not signed by the key that it names")


def judge_v2g_chain(chain: str, csr: str, anchors: str, now: datetime) -> NewCertificate:
    """Return what an authority has signed for a request.

    Raises:
        CertificateFault: the chain does not answer the request, or does not lead to an anchor.
    """
    certificates = certificates_of(chain, CHAIN_LIMIT)
    return judge_chain(certificates, read_signing_request(csr), certificates_of(anchors, 50_000), now)


def signed_payload(dialect: str, chain: str) -> Json:
    """Return the DataTransfer that sends a chain (6.2.1).

    In the dialect of has2be the certificates are DER in hexadecimal digits, as in OCPP 2.0.
    """
    data: Json = {"certificateChain": chain}
    if dialect == HAS2BE_VENDOR:
        der = [one.public_bytes(Encoding.DER).hex() for one in certificates_of(chain, CHAIN_LIMIT)]
        data = {"cert": der, "typeOfCertificate": "V2GCertificate"}
    return {"vendorId": dialect, "messageId": "CertificateSigned", "data": orjson.dumps(data).decode()}


def sent_fingerprint(data: str) -> str | None:
    """Return the SHA-256 of the certificate in the data of a CertificateSigned, None: there is none."""
    try:
        found = orjson.loads(data)
        if "certificateChain" in found:
            return leaf_fingerprint(str(found["certificateChain"]))
        leaf = x509.load_der_x509_certificate(bytes.fromhex(found["cert"][0]))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return leaf.fingerprint(SHA256()).hex()
