"""The input of callers: texts, numbers and times of query, path and body, with the bounds of their columns.

Every text type refuses NUL and other control characters, and every number has the range of its column. So bad
input is refused here, and never fails in the database.
"""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from app.clock import parse_time
from app.types import IDENTITY_PATTERN, SLUG_PATTERN
from app.web.pagination import CURSOR_MAX_LENGTH, LIMIT_DEFAULT, LIMIT_MAXIMUM

INTEGER_MAXIMUM = 2**31 - 1
"""Largest value of an `int` column, and of an OCPP transactionId."""

ID_TAG_PATTERN = r"^[!-\-0-~][ -.0-~]{0,35}$"
"""Printable ASCII, without '/' and leading dot, as it is a path segment.

Charge points send more than the 20 characters of an IdToken (OCPP 1.6 7.28), such as an eMAID.
"""
PARENT_ID_TAG_PATTERN = r"^[!-\-0-~][ -.0-~]{0,19}$"
"""As an id tag, of up to 20 characters, because answers to charge points name it."""
LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
NOTE_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
IDEMPOTENCY_KEY_PATTERN = r"^[!-~]{1,255}$"
ACTION_PATTERN = r"^[A-Za-z]{1,50}$"
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)


def _time(value: object) -> datetime:
    """Read RFC 3339 text. It needs a zone, and in UTC its year must be one that columns can hold."""
    text = value.replace(" ", "+") if isinstance(value, str) else ""
    moment = parse_time(text) if _RFC_3339.fullmatch(text) else None
    if moment is None:
        raise ValueError("is not an RFC 3339 date-time with a zone, such as 2026-01-01T00:00:00Z")
    return moment


def _integer(value: object) -> object:
    """Read the digits of a query or path: `5`, not `5.0`, ` 5` or `1_000`."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise ValueError("is not an integer")
        return int(value)
    return value


def _boolean(value: object) -> object:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("is neither true nor false")
        return value == "true"
    return value


Time = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00Z"]}),
]
"""RFC 3339 with a zone. A blank counts as '+', because query decoders turn one into the other."""
DIGITS = BeforeValidator(_integer)
"""For integers of query and path. Put it after the bounds, so that OpenAPI shows them."""
QueryBoolean = Annotated[bool, BeforeValidator(_boolean)]
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN)]
"""Text on one line, without control characters."""
Identity = Annotated[str, StringConstraints(pattern=rf"^{IDENTITY_PATTERN}$")]
Slug = Annotated[str, StringConstraints(pattern=rf"^{SLUG_PATTERN}$")]
ActionText = Annotated[str, StringConstraints(pattern=ACTION_PATTERN)]
CursorText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=CURSOR_MAX_LENGTH)]
IdTagText = Annotated[str, StringConstraints(pattern=ID_TAG_PATTERN)]

IdentityPath = Annotated[
    Identity,
    Path(description="Identity of the charge point, percent-encoded.", examples=["RDAM-0123"]),
]
SlugPath = Annotated[Slug, Path(description="Name of the tenant in URLs.", examples=["demo"])]
IdTagPath = Annotated[
    IdTagText, Path(description="The tag; upper and lower case are the same.", examples=["B4A63CDF"])
]
ConnectorIdPath = Annotated[
    int,
    Field(ge=0, le=INTEGER_MAXIMUM),
    DIGITS,
    Path(description="Number of the connector; 0 is the charge point.", examples=[1]),
]
TransactionIdPath = Annotated[
    int,
    Field(ge=1, le=INTEGER_MAXIMUM),
    DIGITS,
    Path(description="The OCPP transactionId.", examples=[1042]),
]

ChargingProfileIdPath = Annotated[
    int,
    Field(ge=1, le=INTEGER_MAXIMUM),
    DIGITS,
    Path(description="Id of the stored profile, which is its chargingProfileId.", examples=[1]),
]


class Paging(BaseModel):
    """The query of every listing. An unknown parameter is refused, so that typing errors are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[
        int, Field(ge=1, le=LIMIT_MAXIMUM), DIGITS, Field(description="Maximum number of items on a page.")
    ] = LIMIT_DEFAULT
    cursor: Annotated[
        CursorText | SkipJsonSchema[None], Field(description="`next_cursor` of the previous page.")
    ] = None


PagingQuery = Annotated[Paging, Query()]


class Input(BaseModel):
    """A JSON body: no unknown members, no coercion of types.

    A body that a route reads has an `example`, which OpenAPI shows.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    example: ClassVar[dict[str, Any]]


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class Change(Input):
    """A merge patch (RFC 7396): absent members stay as they are, null empties those that may be empty.

    The defaults of its members are never used.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """Return the members that the caller sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}
