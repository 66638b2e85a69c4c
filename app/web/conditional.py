"""Entity tags and conditional requests (RFC 9110 13) of single resources.

A tag has two halves: what an operator sets, and what the charge point reports. `If-None-Match` compares the
whole tag, so a change of live state is a change; `If-Match` compares the first half alone, so that a
heartbeat between a read and a PATCH is no conflict.
"""

from hashlib import blake2b
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.errors import AppError

_DIGEST_BYTES = 12
_HEADER_MAX_LENGTH = 1024
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}

EntityTags = Annotated[str, StringConstraints(max_length=_HEADER_MAX_LENGTH)]
IfNoneMatch = Annotated[
    EntityTags | SkipJsonSchema[None],
    Header(description="An ETag you hold: 304 when it is still current."),
]
IfMatch = Annotated[
    EntityTags | SkipJsonSchema[None],
    Header(
        description="The ETag your change is based on: 412 when somebody else changed the resource since.",
    ),
]


class PreconditionFailed(AppError):
    """If-Match names another state than the current one."""

    def __init__(self) -> None:
        super().__init__(
            "precondition_failed",
            412,
            "Precondition failed",
            "The resource was changed since you read it: read it again and repeat the change.",
        )


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def entity_tag(resource: BaseModel, live_fields: frozenset[str] = frozenset()) -> str:
    """The strong ETag of a resource, quotes included.

    live_fields: the fields that change without an operator's hand.
    """
    whole = _written(resource)
    return _tag(whole, _written(resource, live_fields) if live_fields else None)


def _written(resource: BaseModel, without: frozenset[str] = frozenset()) -> bytes:
    return resource.__pydantic_serializer__.to_json(resource, exclude=set(without))


def _tag(whole: bytes, settled: bytes | None) -> str:
    return f'"{_digest(whole)}"' if settled is None else f'"{_digest(settled)}-{_digest(whole)}"'


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def _settled(tag: str) -> str:
    return tag.strip('"').partition("-")[0]


def require_match(if_match: str | None, tag: str) -> None:
    """Let a change through when the caller names no state, or the current one.

    Raises:
        PreconditionFailed: the caller's state is not the current one.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if _settled(tag) not in {_settled(candidate) for candidate in _tags(if_match)}:
        raise PreconditionFailed


def resource_response(
    resource: BaseModel,
    *,
    if_none_match: str | None = None,
    live_fields: frozenset[str] = frozenset(),
    status_code: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """One resource as JSON with its ETag, or 304 when the caller holds it already."""
    settled = _written(resource, live_fields) if live_fields else None
    return encoded_response(
        _written(resource), settled, if_none_match=if_none_match, status_code=status_code, headers=headers
    )


def encoded_response(
    content: bytes,
    settled: bytes | None = None,
    *,
    if_none_match: str | None = None,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """The same for a resource that is JSON already. settled: without its live fields, if it has any."""
    tag = _tag(content, settled)
    own_headers = {"ETag": tag, **_PRIVATE}
    if if_none_match is not None and (if_none_match.strip() == "*" or tag in _tags(if_none_match)):
        return Response(status_code=304, headers=own_headers)
    return Response(content, status_code, own_headers | (headers or {}), "application/json")


def page_response(page: BaseModel) -> Response:
    """One page of a listing as JSON. Listings carry no ETag: the next read may sort differently."""
    return encoded_page_response(_written(page))


def encoded_page_response(content: bytes) -> Response:
    """The same for a page that is JSON already."""
    return Response(content, 200, _PRIVATE, "application/json")


def secret_response(resource: BaseModel, location: str | None = None) -> Response:
    """A resource that shows a secret for the only time: 201, and no cache may keep it."""
    headers = {"Cache-Control": "no-store"}
    if location is not None:
        headers["Location"] = location
    return Response(_written(resource), 201, headers, "application/json")
