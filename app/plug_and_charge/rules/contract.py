"""Decides about contracts: their eMAIDs, their certificates, and what a charge point is told (5)."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

import orjson
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from app.certificates.records import CertificateFault
from app.certificates.rules.pem import (
    CERTIFICATE_LIMIT,
    certificates_of,
    common_name,
    is_authority,
    is_issued_by,
)
from app.clock import parse_time
from app.plug_and_charge.records import (
    HAS2BE_VENDOR,
    CertificateStatus,
    PlugAndChargeFault,
    WithoutStatus,
)
from app.types import Json

ROOTS_LIMIT: Final = 50_000
_EXI_LIMIT: Final = 5600


class CheckedContract(NamedTuple):
    """A contract certificate that was checked. leaf, issuer, responder: to ask for its status."""

    status: CertificateStatus
    leaf: x509.Certificate | None = None
    issuer: x509.Certificate | None = None
    responder: str | None = None


def normal_emaid(text: str) -> str:
    """Return an eMAID in the form to compare: upper case, without hyphens and blanks (ISO 15118-1)."""
    return text.replace("-", "").strip().upper()


def check_contract(pem: str, roots: str | None, emaid: str, now: datetime) -> CheckedContract:
    """Check a contract certificate up to a root of the tenant, but for its revocation.

    pem: the certificate, perhaps with those of its issuers behind it; roots: PEM, None: there are none.
    """
    try:
        chain = certificates_of(pem, CERTIFICATE_LIMIT)
    except CertificateFault:
        return CheckedContract("CertChainError")
    if roots is None:
        return CheckedContract("NoCertificateAvailable")
    anchors = certificates_of(roots, ROOTS_LIMIT)
    if normal_emaid(common_name(chain[0]) or "") != normal_emaid(emaid):
        return CheckedContract("CertChainError")
    if any(one.not_valid_before_utc > now for one in chain):
        return CheckedContract("CertChainError")
    for certificate, issuer in pairwise(chain):
        if not is_authority(issuer) or not is_issued_by(certificate, issuer):
            return CheckedContract("CertChainError")
    anchor = next((one for one in anchors if is_authority(one) and is_issued_by(chain[-1], one)), None)
    if anchor is None:
        return CheckedContract("CertChainError")
    if any(one.not_valid_after_utc <= now for one in (*chain, anchor)):
        return CheckedContract("CertificateExpired")
    issuer = chain[1] if len(chain) > 1 else anchor
    return CheckedContract("Accepted", chain[0], issuer, responder_of(chain[0]))


def responder_of(certificate: x509.Certificate) -> str | None:
    """Return the OCSP responder that a certificate names, None: it names none."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    for one in access:
        location = one.access_location
        if one.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value
    return None


def status_of(found: Iterable[str | None], without_status: WithoutStatus) -> CertificateStatus:
    """Return the status of a chain. found: of each certificate, None: no responder has told it."""
    statuses: Sequence[str | None] = list(found)
    if "revoked" in statuses:
        return "CertificateRevoked"
    if "unknown" in statuses:
        return "CertChainError"
    if None in statuses and without_status == "refuse":
        return "NoCertificateAvailable"
    return "Accepted"


def authorization(vendor_key: str, info: Json, status: CertificateStatus | None) -> str:
    """Return the data of Authorize.conf (6.1.2). info: the `idTagInfo` of the eMAID.

    A contract whose certificate is not accepted is Invalid, whatever is stored of its eMAID.
    """
    shown: Json = {"status": info["status"]}
    if status not in (None, "Accepted") and shown["status"] == "Accepted":
        shown["status"] = "Invalid"
    expiry = info.get("expiryDate")
    if isinstance(expiry, str) and parse_time(expiry) is not None:
        shown["cacheExpiryDateTime"] = expiry
    conf: Json = {"idTokenInfo": shown}
    if status is not None:
        # The dialect of has2be has two values only.
        is_short = vendor_key == HAS2BE_VENDOR and status != "Accepted"
        conf["certificateStatus"] = "CertificateRevoked" if is_short else status
    return orjson.dumps(conf).decode()


def exi_response(body: bytes) -> str:
    """Return the exiResponse in the answer of the server of contract certificates.

    Raises:
        PlugAndChargeFault: invalid_answer or refused_by_endpoint.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise PlugAndChargeFault("invalid_answer", "The answer is not JSON.") from None
    if not isinstance(answer, dict):
        raise PlugAndChargeFault("invalid_answer", "The answer is not an object.")
    if answer.get("status") == "Failed":
        raise PlugAndChargeFault("refused_by_endpoint", str(answer.get("reason", ""))[:500])
    text = answer.get("exiResponse")
    if not isinstance(text, str) or not 0 < len(text) <= _EXI_LIMIT:
        detail = f"exiResponse is not a text of 1 to {_EXI_LIMIT} characters."
        raise PlugAndChargeFault("invalid_answer", detail)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PlugAndChargeFault("invalid_answer", "exiResponse is not base64.") from None
    return text
