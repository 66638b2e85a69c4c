"""Reads tenant and identity from the raw request target, and decodes them exactly once.

The decoded `path` of ASGI cannot be used: it does not tell `%2F` from a slash, or `%252F` from `%2F`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from app.types import IDENTITY_PATTERN, SLUG_PATTERN

PREFIX = b"/ocpp/"
"""Charge points connect to `/ocpp/{tenant}/{identity}`."""

_IDENTITY = re.compile(IDENTITY_PATTERN.encode())
_TENANT = re.compile(SLUG_PATTERN.encode())
_AUTHORITY = re.compile(rb"(?:http|ws)s?://[^/]*", re.IGNORECASE)


class PathRefused(ValueError):
    """The request target does not name a charge point. The text says why, for the client."""


@dataclass(frozen=True, slots=True)
class Address:
    """The charge point that a request target names. deviations: what was tolerated in the target."""

    tenant: str
    identity: str
    deviations: tuple[str, ...] = ()


def belongs_here(raw_path: bytes, root_path: str = "") -> bool:
    """Tell whether the request target starts with the prefix of charge points."""
    return _local(raw_path, root_path).startswith(PREFIX)


def parse_path(raw_path: bytes, root_path: str = "") -> Address:
    """Read tenant and identity from a raw request target that has no query.

    Segments are split before they are decoded, so an encoded slash never becomes a separator. The identity is
    the last segment (OCPP-J 3.1.1), because some charge points append their name to a complete URL.

    Raises:
        PathRefused: a segment is missing, or has a character that is not allowed.
    """
    local = _local(raw_path, root_path)
    if not local.startswith(PREFIX):
        raise PathRefused("The path is not /ocpp/{tenant}/{identity}.")
    segments = local[len(PREFIX) :].split(b"/")
    deviations: list[str] = []
    if segments[-1] == b"" and len(segments) > 2:
        segments.pop()
        deviations.append("trailing_slash")
    if len(segments) < 2:
        raise PathRefused("The path is not /ocpp/{tenant}/{identity}.")
    if len(segments) > 2:
        deviations.append("extra_path_segment")
    tenant = unquote_to_bytes(segments[0])
    identity = unquote_to_bytes(segments[-1])
    if _TENANT.fullmatch(tenant) is None:
        raise PathRefused(f"The tenant in the path is not of the form {SLUG_PATTERN}.")
    if _IDENTITY.fullmatch(identity) is None:
        raise PathRefused(
            "The identity in the path must be 1 to 48 letters, digits or *+=|@._ -, without a leading dot, "
            "encoded once."
        )
    return Address(tenant.decode("ascii"), identity.decode("ascii"), tuple(deviations))


def _local(raw_path: bytes, root_path: str) -> bytes:
    """Return the path below the mount point. The absolute form (RFC 9112 3.2.2) is accepted, too."""
    root = root_path.encode()
    if raw_path.startswith(root):
        raw_path = raw_path[len(root) :]
    authority = _AUTHORITY.match(raw_path)
    return raw_path[authority.end() :] if authority else raw_path
