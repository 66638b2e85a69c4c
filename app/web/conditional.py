"""Entity tags and conditional requests (RFC 9110 13), and the JSON answers that carry a tag.

A tag of a resource has two halves: a digest of what an operator sets, and a digest of everything.
`If-None-Match` compares the whole tag, so that a change of live state counts as a change. `If-Match` compares
the first half only, so that a heartbeat between a read and a PATCH is not a conflict.
"""

import re
from collections.abc import Sequence
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
# One member of a list, possibly empty (RFC 9110 5.6.1). Possessive: no header may take quadratic time.
_MEMBER = re.compile(r'[ \t]*+((?:W/)?+"[\x21\x23-\x7e\x80-\xff]*+")?+[ \t]*+(?:,|\Z)')

EntityTags = Annotated[str, StringConstraints(max_length=_HEADER_MAX_LENGTH)]
IfNoneMatch = Annotated[
    EntityTags | SkipJsonSchema[None],
    Header(description="An ETag that you hold. The answer is 304 if it is still current."),
]
IfMatch = Annotated[
    EntityTags | SkipJsonSchema[None],
    Header(
        description="The ETag that your change is based on. The answer is 412 if it was changed since.",
    ),
]


class PreconditionFailed(AppError):
    """If-Match is not the current ETag."""

    def __init__(self) -> None:
        super().__init__(
            "precondition_failed",
            412,
            "Precondition failed",
            "The resource was changed since you read it: read it again and repeat the change.",
        )


def content_tag(content: bytes) -> str:
    """Return the strong entity tag of some bytes, quotes included."""
    return f'"{_digest(content)}"'


def listed_tags(header: str) -> list[str]:
    """Read a list of entity tags (RFC 9110 8.8.3), each with its quotes and its `W/`.

    Returns:
        The tags in their order; none if any member of the list is not an entity tag.
    """
    tags: list[str] = []
    position = 0
    while position < len(header):
        member = _MEMBER.match(header, position)
        if member is None:
            return []
        if member[1] is not None:
            tags.append(member[1])
        position = member.end()
    return tags


def matching_tag(if_none_match: str, tags: Sequence[str]) -> str | None:
    """Find which of our tags `If-None-Match` names, by weak comparison (RFC 9110 13.1.2).

    Args:
        if_none_match: the value of the header, several lines joined by commas; empty if absent.
        tags: the strong tags of the forms of one resource; `*` names the first.
    """
    if if_none_match in tags:
        return if_none_match
    if if_none_match.strip(" \t") == "*":
        return tags[0]
    named = {tag.removeprefix("W/") for tag in listed_tags(if_none_match)}
    return next((tag for tag in tags if tag in named), None)


def require_match(if_match: str | None, tag: str) -> None:
    """Let a change through if the caller names no state, or the current one by strong comparison (13.1.1).

    Raises:
        PreconditionFailed: the state that the caller names is not the current one.
    """
    if if_match is None or if_match.strip(" \t") == "*":
        return
    strong = (named for named in listed_tags(if_match) if not named.startswith("W/"))
    if _operators_half(tag) not in {_operators_half(named) for named in strong}:
        raise PreconditionFailed


def entity_tag(resource: BaseModel, live_fields: frozenset[str] = frozenset()) -> str:
    """Return the strong entity tag of a resource, quotes included.

    Args:
        resource: what is shown.
        live_fields: the fields that change without an operator.
    """
    whole = _written(resource)
    return _tag(whole, _written(resource, live_fields) if live_fields else None)


def resource_response(
    resource: BaseModel,
    *,
    if_none_match: str | None = None,
    live_fields: frozenset[str] = frozenset(),
    status_code: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Answer with one resource as JSON and its ETag, or with 304 if the caller holds it already."""
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
    """Answer like `resource_response` with a resource that is JSON already.

    Args:
        content: the resource.
        settled: the resource without its live fields; None if it has none.
        if_none_match: value of the request's header.
        status_code: of the answer, unless it is 304.
        headers: further headers of the answer.
    """
    tag = _tag(content, settled)
    own_headers = {"ETag": tag, **_PRIVATE}
    if if_none_match is not None and matching_tag(if_none_match, (tag,)):
        return Response(status_code=304, headers=own_headers)
    return Response(content, status_code, own_headers | (headers or {}), "application/json")


def page_response(page: BaseModel) -> Response:
    """Answer with one page of a listing. It has no ETag: the next read may find other items in it."""
    return encoded_page_response(_written(page))


def encoded_page_response(content: bytes) -> Response:
    """Answer like `page_response` with a page that is JSON already."""
    return Response(content, 200, _PRIVATE, "application/json")


def secret_response(resource: BaseModel, location: str | None = None) -> Response:
    """Answer 201 with a resource that shows a secret for the only time, so that no cache may keep it."""
    headers = {"Cache-Control": "no-store"}
    if location is not None:
        headers["Location"] = location
    return Response(_written(resource), 201, headers, "application/json")


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def _written(resource: BaseModel, without: frozenset[str] = frozenset()) -> bytes:
    return resource.__pydantic_serializer__.to_json(resource, exclude=set(without))


def _tag(whole: bytes, settled: bytes | None) -> str:
    return content_tag(whole) if settled is None else f'"{_digest(settled)}-{_digest(whole)}"'


def _operators_half(tag: str) -> str:
    return tag.strip('"').partition("-")[0]
