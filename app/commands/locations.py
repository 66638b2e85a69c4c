"""The URLs in commands, which charge points fetch from or upload to. Nothing is resolved here."""

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


def has_allowed_scheme(location: str) -> bool:
    """Tell whether a location has a scheme that is sent to charge points."""
    try:
        scheme = urlsplit(location).scheme
    except ValueError:
        return False
    return scheme in SCHEMES and location[len(scheme) :].startswith("://")


def require_allowed_scheme(action: str, payload: Json) -> None:
    """Refuse a command whose URL has another scheme.

    Args:
        action: Of the command.
        payload: It follows the definition of the action.

    Raises:
        InvalidInput: names the member. The URL is not repeated, because it may hold a password.
    """
    value: object = payload
    for member in PLACES.get(action, ()):
        value = value[member] if isinstance(value, dict) else None
    if isinstance(value, str) and not has_allowed_scheme(value):
        pointer = "".join(f"/{member}" for member in PLACES[action])
        raise InvalidInput([FieldViolation(pointer, "invalid_scheme", SCHEME_DETAIL)])
