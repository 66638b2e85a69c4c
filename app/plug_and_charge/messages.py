"""The messages inside DataTransfer, as data: their members, types and limits, by dialect.

Sections are those of the application note of the Open Charge Alliance, version 1.0. The dialect of has2be is
known from the public source code of MaEVe CSMS (its packages `has2be`), which has the names of OCPP 2.0:
`15118CertificateHashData`, `15118SchemaVersion`, `typeOfCertificate`, no `action`. Members that are not
defined here are allowed.
"""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.plug_and_charge.records import HAS2BE_VENDOR, OCA_VENDOR, InnerAnswer, PlugAndChargeFault
from app.types import Json

DATA_LIMIT: Final = 65_536
"""Characters of the data of a message. The longest message of the note has about 14 000."""

_Text20 = Annotated[str, Meta(max_length=36)]
"""The note allows 20 characters of an eMAID; OCPP 2.0.1 allows 36, and some charge points send those."""
_Text40 = Annotated[str, Meta(max_length=40)]
_Text50 = Annotated[str, Meta(max_length=50)]
_Text128 = Annotated[str, Meta(max_length=128)]
_Text512 = Annotated[str, Meta(max_length=512)]
_Pem = Annotated[str, Meta(min_length=1, max_length=5500)]
_Exi = Annotated[str, Meta(min_length=1, max_length=5600)]


class OcspRequestData(Struct, frozen=True, rename="camel"):
    """Names a certificate to an OCSP responder (7.5)."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"]
    issuer_name_hash: _Text128
    issuer_key_hash: _Text128
    serial_number: _Text40
    responder_url: _Text512 | None = msgspec.field(name="responderURL", default=None)


class IdToken(Struct, frozen=True, rename="camel"):
    """The eMAID (7.3)."""

    id_token: _Text20


class AuthorizeMessage(Struct, frozen=True, rename="camel", kw_only=True):
    """May this contract charge (6.1.1)?"""

    id_token: IdToken
    certificate: _Pem | None = None
    hash_data: Annotated[list[OcspRequestData], Meta(max_length=4)] | None = msgspec.field(
        name="iso15118CertificateHashData", default=None
    )


class Has2beAuthorizeMessage(AuthorizeMessage, frozen=True, rename="camel", kw_only=True):
    """May this contract charge? In the dialect of has2be."""

    hash_data: Annotated[list[OcspRequestData], Meta(min_length=1, max_length=4)] = msgspec.field(
        name="15118CertificateHashData"
    )


class EvCertificateMessage(Struct, frozen=True, rename="camel", kw_only=True):
    """Ask for a contract certificate (6.4.1)."""

    schema_version: _Text50 = msgspec.field(name="iso15118SchemaVersion")
    action: Literal["Install", "Update"]
    exi_request: _Exi


class Has2beEvCertificateMessage(Struct, frozen=True, rename="camel", kw_only=True):
    """Ask for a contract certificate, in the dialect of has2be."""

    schema_version: _Text50 | None = msgspec.field(name="15118SchemaVersion", default=None)
    action: None = None
    exi_request: _Exi


class CertificateStatusMessage(Struct, frozen=True, rename="camel"):
    """Ask for the status of a certificate (6.5.1)."""

    ocsp_request_data: OcspRequestData


class SignCertificateMessage(Struct, frozen=True, rename="camel"):
    """Ask for a V2G certificate (6.8.1). The example in 2.2 has a certificateType, too."""

    csr: _Pem
    certificate_type: Literal["V2GCertificate"] | None = None


class Has2beSignCertificateMessage(Struct, frozen=True, rename="camel"):
    """Ask for a V2G certificate, in the dialect of has2be."""

    csr: _Pem
    type_of_certificate: Literal["V2GCertificate"] | None = None


REQUESTS: Final[dict[str, dict[str, type[Struct]]]] = {
    OCA_VENDOR: {
        "authorize": AuthorizeMessage,
        "get15118evcertificate": EvCertificateMessage,
        "getcertificatestatus": CertificateStatusMessage,
        "signcertificate": SignCertificateMessage,
    },
    HAS2BE_VENDOR: {
        "authorize": Has2beAuthorizeMessage,
        "get15118evcertificate": Has2beEvCertificateMessage,
        "getcertificatestatus": CertificateStatusMessage,
        "signcertificate": Has2beSignCertificateMessage,
    },
}
"""The messages of charge points, by the folded ids of vendor and message."""


class _HashData(Struct, frozen=True, rename="camel"):
    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"]
    issuer_name_hash: _Text128
    issuer_key_hash: _Text128
    serial_number: _Text40


class _HashDataChain(Struct, frozen=True, rename="camel"):
    certificate_type: Literal["V2GRootCertificate", "MORootCertificate", "V2GCertificateChain"]
    certificate_hash_data: _HashData
    child_certificate_hash_data: Annotated[list[_HashData], Meta(max_length=4)] | None = None


class _AcceptedOrRejected(Struct, frozen=True):
    status: Literal["Accepted", "Rejected"]


class _Deletion(Struct, frozen=True):
    status: Literal["Accepted", "Failed", "NotFound"]


class _Installation(Struct, frozen=True):
    status: Literal["Accepted", "Rejected", "Failed"]


class _Trigger(Struct, frozen=True):
    status: Literal["Accepted", "Rejected", "NotImplemented"]


class _InstalledIds(Struct, frozen=True, rename="camel"):
    status: Literal["Accepted", "NotFound"]
    certificate_hash_data_chain: Annotated[list[_HashDataChain], Meta(max_length=500)] | None = None


_ANSWERS: Final[dict[str, type[Struct]]] = {
    "CertificateSigned": _AcceptedOrRejected,
    "DeleteCertificate": _Deletion,
    "GetInstalledCertificateIds": _InstalledIds,
    "InstallCertificate": _Installation,
    "TriggerMessage": _Trigger,
}
"""The answers of charge points to our messages (6.2.2, 6.3.2, 6.6.2, 6.7.2, 6.9.2)."""

OUR_MESSAGES: Final = frozenset(_ANSWERS)

Message = TypeVar("Message", bound=Struct)


def read_message(data: str | None, shape: type[Message]) -> Message:
    """Return the message that data holds.

    Raises:
        PlugAndChargeFault: missing_data, too_long, not_json or invalid_message, which names the member.
    """
    if data is None or not data.strip():
        raise PlugAndChargeFault("missing_data", "The data is missing: it must be a message in JSON.")
    if len(data) > DATA_LIMIT:
        detail = f"The data has {len(data)} characters; up to {DATA_LIMIT} are allowed."
        raise PlugAndChargeFault("too_long", detail)
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        raise PlugAndChargeFault("invalid_message", str(error)[:500]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise PlugAndChargeFault("not_json", "The data is not a message in JSON.") from None


def read_answer(message_id: str, result: Json | None) -> InnerAnswer:
    """Return what is inside the result of a DataTransfer of ours. result: None: there is none."""
    if result is None:
        return InnerAnswer(None)
    outer = str(result.get("status"))
    data = result.get("data")
    if outer != "Accepted" and data is None:
        return InnerAnswer(None, f"The charge point has answered the DataTransfer by {outer}.")
    text = data if isinstance(data, str) or data is None else msgspec.json.encode(data).decode()
    try:
        found: Any = read_message(text, _ANSWERS[message_id])
    except PlugAndChargeFault as fault:
        return InnerAnswer(None, fault.detail)
    chain = getattr(found, "certificate_hash_data_chain", None)
    certificates = None if chain is None else msgspec.to_builtins(chain)
    if message_id == "GetInstalledCertificateIds" and certificates is None:
        certificates = []
    return InnerAnswer(found.status, None, certificates)
