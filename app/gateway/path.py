"""Reads tenant and identity from the raw request target, and decodes them exactly once.

The decoded `path` of ASGI cannot be used: it does not tell `%2F` from a slash, or `%252F` from `%2F`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from app.deviations.records import LoginDeviation
from app.login_attempts.records import RefusalReason
from app.types import IDENTITY_PATTERN, SLUG_PATTERN

_PREFIX = re.compile(rb"/+ocpp/")
_IDENTITY = re.compile(IDENTITY_PATTERN.encode())
_TENANT = re.compile(SLUG_PATTERN.encode())
_AUTHORITY = re.compile(rb"(?:http|ws)s?://[^/]*", re.IGNORECASE)
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_NOT_SHOWN = re.compile(r"[^ -~]")
_IDENTITY_LENGTH = 48


class PathRefused(ValueError):
    """The request target does not name a charge point. The text says why, for the client.

    tenant, identity: what the target may have meant, as far as it can be read.
    """

    def __init__(
        self, reason: RefusalReason, detail: str, tenant: str | None = None, identity: str | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.tenant = tenant
        self.identity = identity


@dataclass(frozen=True, slots=True)
class Address:
    """The charge point that a request target names. deviations: what was tolerated in the target."""

    tenant: str
    identity: str
    deviations: tuple[LoginDeviation, ...] = ()


def belongs_here(raw_path: bytes, root_path: str = "") -> bool:
    """Tell whether the request target starts with the prefix of charge points, which is `/ocpp/`."""
    return _PREFIX.match(_local(raw_path, root_path)) is not None


def parse_path(raw_path: bytes, root_path: str = "") -> Address:
    """Read tenant and identity from a raw request target that has no query: `/ocpp/{tenant}/{identity}`.

    Segments are split before they are decoded, so an encoded slash never becomes a separator. Surplus slashes
    are ignored in every place. The identity may come twice (OCPP-J 3.1.1), because some charge points append
    their name to a complete URL.

    Raises:
        PathRefused: a segment is missing or surplus, or has a character that is not allowed.
    """
    local = _local(raw_path, root_path)
    prefix = _PREFIX.match(local)
    if prefix is None:
        raise PathRefused(RefusalReason.PATH, "The path is not /ocpp/{tenant}/{identity}.")
    given = local[prefix.end() :].split(b"/")
    segments = [unquote_to_bytes(segment) for segment in given if segment]
    tenant = _tenant(segments)
    if len(segments) < 2:
        raise PathRefused(RefusalReason.PATH, "The path is not /ocpp/{tenant}/{identity}.", tenant)
    identity = segments[-1]
    if _IDENTITY.fullmatch(identity) is None:
        raise _refused_identity(identity, tenant)
    text = identity.decode("ascii")
    if any(segment != identity for segment in segments[1:-1]):
        detail = "The path has more segments than /ocpp/{tenant}/{identity}."
        raise PathRefused(RefusalReason.EXTRA_PATH_SEGMENT, detail, tenant, text)
    deviations: list[LoginDeviation] = []
    if local.endswith(b"/"):
        deviations.append(LoginDeviation.TRAILING_SLASH)
    if b"" in given[:-1] or prefix.end() > len("/ocpp/"):
        deviations.append(LoginDeviation.SURPLUS_SLASH)
    if len(segments) > 2:
        deviations.append(LoginDeviation.EXTRA_PATH_SEGMENT)
    return Address(tenant, text, tuple(deviations))


def _tenant(segments: list[bytes]) -> str:
    if not segments:
        raise PathRefused(RefusalReason.PATH, "The path is not /ocpp/{tenant}/{identity}.")
    raw = segments[0]
    if _TENANT.fullmatch(raw) is not None:
        return raw.decode("ascii")
    identity = _shown(segments[-1]) if len(segments) > 1 else None
    detail = f"The tenant in the path is not of the form {SLUG_PATTERN}."
    if _TENANT.fullmatch(raw.lower()) is not None:
        raise PathRefused(RefusalReason.TENANT_CASE, detail, raw.lower().decode("ascii"), identity)
    decoded = unquote_to_bytes(raw)
    if _ENCODED.search(raw) and _TENANT.fullmatch(decoded) is not None:
        raise PathRefused(RefusalReason.PATH_ENCODING, detail, decoded.decode("ascii"), identity)
    raise PathRefused(RefusalReason.PATH, detail)


def _refused_identity(identity: bytes, tenant: str) -> PathRefused:
    reason = RefusalReason.PATH
    if _ENCODED.search(identity):
        reason, identity = RefusalReason.PATH_ENCODING, unquote_to_bytes(identity)
    detail = (
        "The identity in the path must be 1 to 48 letters, digits or *+=|@._ -, without a leading dot, "
        "encoded once."
    )
    return PathRefused(reason, detail, tenant, _shown(identity))


def _shown(identity: bytes) -> str:
    """Return an identity as an operator can read it."""
    return _NOT_SHOWN.sub("?", identity.decode("utf-8", "replace"))[:_IDENTITY_LENGTH]


def _local(raw_path: bytes, root_path: str) -> bytes:
    """Return the path below the mount point. The absolute form (RFC 9112 3.2.2) is accepted, too."""
    root = root_path.encode()
    if raw_path.startswith(root):
        raw_path = raw_path[len(root) :]
    authority = _AUTHORITY.match(raw_path)
    return raw_path[authority.end() :] if authority else raw_path
