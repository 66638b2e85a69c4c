"""From the raw request target to (tenant, identity): decoded exactly once, from the bytes on the wire.

The decoded `path` of ASGI is useless here: in it `%2F` and `%252F` look like the characters that they encode.
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
    """The request target cannot name a charge point; the text says why and may be shown to the client."""


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a request target names. `deviations` are departures that were tolerated."""

    tenant: str
    identity: str
    deviations: tuple[str, ...] = ()


def belongs_here(raw_path: bytes, root_path: str = "") -> bool:
    """Whether the request target lies under the prefix of charge points."""
    return _local(raw_path, root_path).startswith(PREFIX)


def parse_path(raw_path: bytes, root_path: str = "") -> Address:
    """Read tenant and identity from a raw request target without its query.

    Segments are split before they are decoded, so an encoded slash never becomes a separator. The identity is
    the last segment (OCPP-J 3.1.1): a charge point that appends its name to a complete URL is understood.

    Raises:
        PathRefused: a segment is missing, or holds a character that identities cannot have.
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
    """The path below the mount point; the absolute form of a request target (RFC 9112 3.2.2) is accepted."""
    root = root_path.encode()
    if raw_path.startswith(root):
        raw_path = raw_path[len(root) :]
    authority = _AUTHORITY.match(raw_path)
    return raw_path[authority.end() :] if authority else raw_path
