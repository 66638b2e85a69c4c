"""What a charge point says while it connects: Basic credentials and subprotocols. Pure values, no lookups."""

from base64 import b64decode
from dataclasses import dataclass

SUBPROTOCOL = "ocpp1.6"
"""The registered name (OCPP-J 3.1.2); tokens are compared exactly, in lower case."""

_MISSPELT = frozenset({"ocpp1.6", "ocpp1.6j", "ocpp1.6-j", "ocpp16", "ocpp1.6json"})

_COMPRESSION = b"permessage-deflate"
_NO_TAKEOVER = (b"server_no_context_takeover", b"client_no_context_takeover")
_WINDOW_BITS = frozenset(b"%d" % bits for bits in range(8, 16))

Headers = list[tuple[bytes, bytes]]
"""Header fields in their order on the wire, names in lower case; a field may be repeated."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One attempt to connect. peer: address of the other end of the TCP connection."""

    raw_path: bytes
    root_path: str
    headers: Headers
    peer: str

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field, in order."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """User name and password as bytes: a password is an arbitrary key, not text (OCPP-J 6.2.2)."""

    user: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The outcome of choosing a subprotocol.

    acceptable: False when there is no common one (OCPP-J 3.2). subprotocol: what to echo, exactly as it was
    offered; None: nothing. deviation: the tolerance that was needed.
    """

    acceptable: bool
    subprotocol: str | None = None
    deviation: str | None = None


def read_basic(values: list[bytes]) -> BasicCredential | None:
    """Read the Authorization field; None when it is absent, repeated or not readable as Basic credentials.

    The split is at the first colon. Missing padding is forgiven, any byte is allowed in the password.
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


def judge_user(user: bytes, identity: str) -> tuple[bool, str | None]:
    """Whether the user name is this charge point, and the deviation that had to be tolerated for that."""
    name = identity.encode("ascii")
    if user == name:
        return True, None
    if user == b"":
        return True, "user_name_absent"
    if user.lower() == name.lower():
        return True, "user_name_case"
    return False, None


def negotiate(values: list[bytes], strict: bool) -> Negotiation:
    """Choose from the offered subprotocols; commas and repeated fields mean the same (RFC 6455 11.3.4)."""
    offered = [
        token.strip() for value in values for token in value.decode("latin-1").split(",") if token.strip()
    ]
    if SUBPROTOCOL in offered:
        return Negotiation(True, SUBPROTOCOL)
    if strict:
        return Negotiation(False)
    if not offered:
        return Negotiation(True, None, "subprotocol_absent")
    for token in offered:
        if token.lower() in _MISSPELT:
            return Negotiation(True, token, "subprotocol_spelling")
    return Negotiation(False)


def agreed_compression(offered: list[bytes]) -> bytes | None:
    """Answer the values of Sec-WebSocket-Extensions; None: nothing is offered that we understand.

    Each message is compressed by itself (RFC 7692 7.1.1), so that a connection costs nothing between two.
    """
    for offer in (offer for value in offered for offer in value.split(b",")):
        name, *parameters = (part.strip() for part in offer.split(b";"))
        if name == _COMPRESSION and (agreed := _agreed_parameters(parameters)) is not None:
            return b"; ".join([_COMPRESSION, *_NO_TAKEOVER, *agreed])
    return None


def _agreed_parameters(parameters: list[bytes]) -> list[bytes] | None:
    """What to say beside `_NO_TAKEOVER`; None: the offer is to be declined (RFC 7692 7.1)."""
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
                # We compress nothing, in whatever window.
                agreed.append(b"server_max_window_bits=" + value)
            case _:
                return None
    return agreed
