"""Cursor pagination: the opaque `cursor` of a listing, and the envelope of a page.

A cursor is the sort key of the last item, as base64url JSON. It is neither secret nor a permission: the
tenant comes from the key of the caller, so a cursor made by hand shows only what the caller can list anyway.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field

from app.web.problems import invalid_parameter

Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")
Key = TypeVar("Key")

LIMIT_DEFAULT = 50
LIMIT_MAXIMUM = 200
CURSOR_MAX_LENGTH = 2048
"""A label and its key have up to 318 characters, each of up to four bytes."""

TextKey = Annotated[str, Meta(min_length=1, max_length=48, pattern=r"^[ -~]+$")]
IntegerKey = Annotated[int, Meta(ge=0, le=2**31 - 1)]
LargeIntegerKey = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Moment = Annotated[datetime, Meta(tz=True)]


class NumberedMoment(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sort key of frequent items: a time, and a number that tells equal times apart."""

    at: _Moment
    number: _Int64

    def __post_init__(self) -> None:
        _require_utc(self.at)


class IdentifiedMoment(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sort key of items with a UUID: a time, and the id."""

    at: _Moment
    id: UUID

    def __post_init__(self) -> None:
        _require_utc(self.at)


def _require_utc(moment: datetime) -> None:
    # In another zone the first and the last year could be beyond what a datetime can be.
    if moment.utcoffset() != timedelta(0):
        raise ValueError("not UTC")


class Page(BaseModel, Generic[Item]):
    """One page of a listing."""

    model_config = ConfigDict(frozen=True)

    items: list[Item] = Field(max_length=LIMIT_MAXIMUM)
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last page."
    )


def encode_cursor(key: object) -> str:
    """Return the cursor of a sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, shape: type[Key], name: str = "cursor") -> Key | None:
    """Return the sort key of a cursor; None for the first page.

    Args:
        cursor: what the caller sent.
        shape: the msgspec type that the key must have, with its bounds.
        name: of the parameter.

    Raises:
        InvalidInput: the text is not a cursor of this listing; names the parameter.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        content = base64.b64decode(padded, altchars=b"-_", validate=True)
        return msgspec.json.decode(content, type=shape)
    except (binascii.Error, msgspec.DecodeError, UnicodeError) as error:
        raise invalid_parameter(name, "is not a cursor of this listing", "invalid_cursor") from error


def cut_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], object]
) -> tuple[Sequence[Row], str | None]:
    """Cut rows that were read with `limit + 1` to a page, and return it with the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode_cursor(key(page[-1]))
