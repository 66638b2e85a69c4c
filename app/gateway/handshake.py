"""What a charge point says while it connects: Basic credentials and subprotocols. Pure values, no lookups."""

from base64 import b64decode
from dataclasses import dataclass

SUBPROTOCOL = "ocpp1.6"
"""The registered name (OCPP-J 3.1.2); tokens are compared exactly, in lower case."""

_MISSPELT = frozenset({"ocpp1.6", "ocpp1.6j", "ocpp1.6-j", "ocpp16", "ocpp1.6json"})

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
