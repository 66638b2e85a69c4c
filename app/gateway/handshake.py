"""Reads the header fields of a handshake: Basic credentials, subprotocols, compression. Pure functions."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass

from app.connection import PLAIN, ClientCertificate, TransportSecurity
from app.deviations.records import LoginDeviation

SUBPROTOCOL = "ocpp1.6"
"""The registered name (OCPP-J 3.1.2); tokens are compared exactly, in lower case."""

_MISSPELT = frozenset({"ocpp1.6", "ocpp1.6j", "ocpp1.6-j", "ocpp16", "ocpp1.6json"})

_COMPRESSION = b"permessage-deflate"
_NO_TAKEOVER = (b"server_no_context_takeover", b"client_no_context_takeover")
_WINDOW_BITS = frozenset(b"%d" % bits for bits in range(8, 16))

Headers = list[tuple[bytes, bytes]]
"""Header fields as received, in order, with names in lower case. A field may be repeated."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One attempt to connect.

    peer: the address of the client, at the other end of the TCP connection or as a trusted proxy has told it;
    is_gone: tells whether it has been closed; security: the protection of the connection.
    """

    raw_path: bytes
    root_path: str
    headers: Headers
    peer: str
    is_gone: Callable[[], bool] = lambda: False
    security: TransportSecurity = PLAIN

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field, in order."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """User name and password as bytes: a password is an arbitrary key, not text (OCPP-J 6.2.2)."""

    user: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The outcome of choosing a subprotocol.

    acceptable: whether there is a common one (OCPP-J 3.2). subprotocol: the token to echo, exactly as it was
    offered; None for none. deviation: what had to be tolerated.
    """

    acceptable: bool
    subprotocol: str | None = None
    deviation: LoginDeviation | None = None


def read_basic(values: list[bytes]) -> BasicCredential | None:
    """Read the Authorization field. Return None if it is absent, repeated or not Basic credentials.

    The split is at the first colon. Missing padding is accepted, and so is any byte in the password.
    """
    if len(values) != 1:
        return None
    scheme, _, encoded = values[0].strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    encoded = encoded.strip()
    try:
        decoded = b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return None
    user, colon, password = decoded.partition(b":")
    return BasicCredential(user, password) if colon else None


def offered_subprotocols(values: list[bytes]) -> list[str]:
    """Return the offered tokens. Commas and repeated fields are the same (RFC 6455 11.3.4)."""
    return [
        token.strip() for value in values for token in value.decode("latin-1").split(",") if token.strip()
    ]


def judge_user(user: bytes, identity: str) -> tuple[bool, LoginDeviation | None]:
    """Tell whether the user name means this charge point, and which deviation was tolerated for that."""
    name = identity.encode("ascii")
    if user == name:
        return True, None
    if user == b"":
        return True, LoginDeviation.USER_NAME_ABSENT
    if user.lower() == name.lower():
        return True, LoginDeviation.USER_NAME_CASE
    return False, None


def judge_certificate(certificate: ClientCertificate, identity: str, organization: str | None) -> str | None:
    """Tell in one sentence why a verified certificate is not that of this charge point; None: it is.

    The common name is the identity (A00.FR.405), and the organization is the name of the operator
    (A00.FR.404), if that is known.
    """
    if certificate.common_name != identity:
        return f"The common name of the client certificate is {certificate.common_name}."
    if organization is not None and certificate.organization != organization:
        return f"The organization of the client certificate is {certificate.organization or 'absent'}."
    return None


def security_profile(security: TransportSecurity, has_password: bool) -> int:
    """Return the security profile of a login: 0 without a credential, else 1, 2 or 3 (whitepaper, 2)."""
    if security.client_certificate is not None:
        return 3
    if not has_password:
        return 0
    return 2 if security.tls else 1


def negotiate(values: list[bytes], strict: bool) -> Negotiation:
    """Choose one of the offered subprotocols."""
    offered = offered_subprotocols(values)
    if SUBPROTOCOL in offered:
        return Negotiation(True, SUBPROTOCOL)
    if strict:
        return Negotiation(False)
    if not offered:
        return Negotiation(True, None, LoginDeviation.SUBPROTOCOL_ABSENT)
    for token in offered:
        if token.lower() in _MISSPELT:
            return Negotiation(True, token, LoginDeviation.SUBPROTOCOL_SPELLING)
    return Negotiation(False)


def agreed_compression(offered: list[bytes]) -> bytes | None:
    """Answer the values of Sec-WebSocket-Extensions. Return None if no offer can be accepted.

    Each message is compressed by itself (RFC 7692 7.1.1), so a connection keeps no memory between messages.
    """
    for offer in (offer for value in offered for offer in value.split(b",")):
        name, *parameters = (part.strip() for part in offer.split(b";"))
        if name == _COMPRESSION and (agreed := _agreed_parameters(parameters)) is not None:
            return b"; ".join([_COMPRESSION, *_NO_TAKEOVER, *agreed])
    return None


def _agreed_parameters(parameters: list[bytes]) -> list[bytes] | None:
    """Return the parameters to add to `_NO_TAKEOVER`. Return None to decline the offer (RFC 7692 7.1)."""
    given = [tuple(part.strip() for part in parameter.partition(b"=")) for parameter in parameters]
    if len({name for name, _, _ in given}) != len(given):
        return None
    agreed = []
    for name, equals, value in given:
        value = value.strip(b'"')
        match name:
            case b"server_no_context_takeover" | b"client_no_context_takeover" if not equals:
                pass
            case b"client_max_window_bits" if not equals or value in _WINDOW_BITS:
                pass
            case b"server_max_window_bits" if value in _WINDOW_BITS:
                # We do not compress, so every window is fine.
                agreed.append(b"server_max_window_bits=" + value)
            case _:
                return None
    return agreed
