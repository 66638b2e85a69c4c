"""The rules of locations: the URLs from which charge points fetch firmware. Nothing is resolved here."""

from dataclasses import replace
from typing import Final

from app.commands.locations import fault_of_location
from app.errors import FieldViolation, InvalidInput

LOCATION_LIMIT: Final = 2000
"""Characters of a location."""
SIGNED_LOCATION_LIMIT: Final = 512
"""Characters of the location of signed firmware (security whitepaper 6.9)."""


def require_location(location: str, pointer: str, *, is_signed: bool) -> None:
    """Refuse what is not the URL of firmware.

    Args:
        location: The URL. It may name a user and a password.
        pointer: JSON pointer of the member, for the error. The location itself is not repeated there.
        is_signed: whether the firmware is signed.

    Raises:
        InvalidInput: it is not a URL, has another scheme, or is too long.
    """
    limit = SIGNED_LOCATION_LIMIT if is_signed else LOCATION_LIMIT
    if len(location) > limit:
        detail = f"must be at most {limit} characters"
        raise InvalidInput([FieldViolation(pointer, "too_long", detail)])
    fault = fault_of_location(location)
    if fault is not None:
        raise InvalidInput([replace(fault, pointer=pointer)])
