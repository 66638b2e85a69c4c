"""The URLs in commands, which charge points fetch from or upload to. Nothing is resolved here."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from app.errors import FieldViolation, InvalidInput
from app.types import Json

SCHEMES: Final = ("http", "https", "ftp", "ftps", "sftp")
"""The schemes of URLs that are sent to charge points. Others may name its own files."""
SCHEME_DETAIL: Final = f"must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "GetDiagnostics": ("location",),
    "GetLog": ("log", "remoteLocation"),
    "SignedUpdateFirmware": ("firmware", "location"),
    "UpdateFirmware": ("location",),
}
"""Where the URL is in the payload of each action that has one."""


def fault_of_location(location: str) -> FieldViolation | None:
    """Return what is wrong with a location, as a violation of its own member; None: it may be sent.

    A control character would become a line of its own in the request of a charge point.
    """
    if not all("!" <= character <= "~" for character in location):
        detail = "must be printable ASCII without blanks: encode other characters with %"
        return FieldViolation("", "invalid_location", detail)
    try:
        parts = urlsplit(location)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return FieldViolation("", "invalid_location", "is not a URL")
    if parts.scheme not in SCHEMES or not location[len(parts.scheme) :].startswith("://"):
        return FieldViolation("", "invalid_scheme", SCHEME_DETAIL)
    if not host or "\\" in location:
        return FieldViolation("", "invalid_location", "names no valid host")
    return None


def require_location(action: str, payload: Json) -> None:
    """Refuse a command whose URL may not be sent to charge points.

    Args:
        action: Of the command.
        payload: It follows the definition of the action.

    Raises:
        InvalidInput: names the member. The URL is not repeated, because it may hold a password.
    """
    value: object = payload
    for member in PLACES.get(action, ()):
        value = value[member] if isinstance(value, dict) else None
    fault = fault_of_location(value) if isinstance(value, str) else None
    if fault is not None:
        pointer = "".join(f"/{member}" for member in PLACES[action])
        raise InvalidInput([replace(fault, pointer=pointer)])
