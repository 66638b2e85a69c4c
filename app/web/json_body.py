"""Reads a JSON request body: checks media type, size, syntax and shape in this order, each with its status.

The bytes are parsed straight into the model. Only a refused body is parsed again, to tell broken JSON (400)
from texts that no column can hold (422, which names the member).
"""

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError

from app.errors import FieldViolation, InvalidInput
from app.web.inputs import Change, Input
from app.web.problems import BodyTooLarge, MalformedBody, UnsupportedMediaType, body_errors, pointer_token

Model = TypeVar("Model", bound=Input)

BODY_LIMIT_BYTES = 65_536
"""Limit of a body whose route does not set another one; the usual body has a few hundred bytes."""
_MEDIA_TYPE = re.compile(r"application/(?:json|merge-patch\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_NOT_A_NUMBER = "\x00 not a number"
"""Replaces a constant that JSON does not know. No other text has a NUL here."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


async def read_bytes(request: Request, limit_bytes: int) -> bytes:
    """Read the body, but never more than the limit.

    Raises:
        BodyTooLarge: it is longer than `limit_bytes`, by its Content-Length or by count.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
    return bytes(content)


async def skip_body(request: Request, limit_bytes: int) -> None:
    """Throw the body away, up to a limit."""
    skipped = 0
    async for chunk in request.stream():
        skipped += len(chunk)
        if skipped > limit_bytes:
            return


def require_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON.

    Raises:
        UnsupportedMediaType: Content-Type is absent, or another one.
    """
    if not _MEDIA_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise UnsupportedMediaType


def _walk(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Go through every text in a JSON value, member names included, each with its JSON pointer."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _walk(element, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for name, member in value.items():
            inner = f"{pointer}/{pointer_token(name)}"
            yield inner, name
            yield from _walk(member, inner)


def unstorable(content: bytes) -> InvalidInput | None:
    """Make the refusal of JSON with characters that no column can hold; None if there are none."""
    try:
        value = json.loads(content)
        broken = [pointer for pointer, text in _walk(value, "") if _UNSTORABLE.search(text)]
    except (ValueError, RecursionError):
        return None
    if not broken:
        return None
    detail = "holds a NUL character or a lone surrogate"
    pointers = [_UNSTORABLE.sub("\ufffd", pointer)[:200] for pointer in broken[:20]]
    return InvalidInput([FieldViolation(pointer, "unstorable_text", detail) for pointer in pointers])


def not_a_number(content: bytes) -> InvalidInput | None:
    """Make the refusal of `NaN` and infinities, which are not JSON; None if the text is broken otherwise."""
    try:
        value = json.loads(content, parse_constant=lambda _: _NOT_A_NUMBER)
    except (ValueError, RecursionError):
        return None
    broken = [pointer for pointer, text in _walk(value, "") if text == _NOT_A_NUMBER]
    if not broken:
        return None
    detail = "is not a number that JSON knows"
    pointers = [_UNSTORABLE.sub("\ufffd", pointer)[:200] for pointer in broken[:20]]
    return InvalidInput([FieldViolation(pointer, "not_a_number", detail) for pointer in pointers])


class _Members(dict[str, Any]):
    """A JSON object that knows which of its members were given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def object_of_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of which `doubled_pointers` can tell the members that were given twice."""
    return _Members(pairs)


def doubled_pointers(value: Any) -> Iterator[str]:
    """Return the pointers of members that were given twice, in a value made of `object_of_members`."""
    return _doubled(value, "")


def _doubled(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _doubled(element, f"{pointer}/{index}")
    elif isinstance(value, _Members):
        for name, member in value.items():
            inner = f"{pointer}/{pointer_token(name)}"
            if name in value.twice:
                yield inner
            yield from _doubled(member, inner)


def refuse_doubled_members(content: bytes) -> None:
    """Refuse JSON in which an object has two members of one name, since it is unclear which one counts.

    Raises:
        InvalidInput: there are such members; names each by its pointer.
        ValueError, RecursionError: it is not JSON.
    """
    value = json.loads(content, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    pointers = list(_doubled(value, ""))
    if pointers:
        detail = "is given twice in its object"
        raise InvalidInput([FieldViolation(pointer, "duplicate_field", detail) for pointer in pointers[:20]])


def json_body(
    model: type[Model], limit_bytes: int = BODY_LIMIT_BYTES
) -> Callable[[Request], Awaitable[Model]]:
    """Make a dependency that reads the body of a request as `model`."""

    async def read(request: Request) -> Model:
        require_json(request)
        content = await read_bytes(request, limit_bytes)
        try:
            value = model.model_validate_json(content)
        except ValidationError as error:
            if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
                raise (unstorable(content) or MalformedBody(content)) from None
            raise body_errors(error) from None
        refuse_doubled_members(content)
        return value

    return read


def body_of(model: type[Input]) -> dict[str, Any]:
    """Make the OpenAPI `requestBody` of a model, for the `openapi_extra` of its route."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": model.example}
    media_types = ["application/json"]
    if issubclass(model, Change):
        media_types.append("application/merge-patch+json")
    return {
        "requestBody": {"required": True, "content": {name: content for name in media_types}},
    }
