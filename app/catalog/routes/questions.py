"""Reads the question of a developer from a body: a raw frame, or an object with a frame or payload."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from app.catalog.schemas import Question
from app.errors import FieldViolation, InvalidInput
from app.web.problems import MalformedBody, UnsupportedMediaType, invalid_parameter, unknown_parameter

Asked = TypeVar("Asked")
PLAIN_TEXT: Final = "text/plain"
_QUESTION: Final = TypeAdapter(Question)
_SHAPE: Final = 'must be the array of a frame, {"frame": ...}, or {"action": ..., "payload": ...}'
_OBJECT: Final = 'must be an object: {"frame": ...}, or {"action": ..., "payload": ...}'
_FRAME: Final = "must be the text of a frame, or its JSON array"
_BOOLEANS: Final = {"true": True, "false": False}
_BESIDE_OBJECT: Final = "is for a body that is a frame itself; this body has a member for it"


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """A question as it was sent.

    Attributes:
        path: the parameters of the path.
        query: the parameters of the query.
        media_type: of the body, without parameters.
        content: the body.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    media_type: str
    content: bytes


def read_question(raw: RawQuestion) -> Question:
    """Return the question to the validator. With `text/plain` the whole body is the frame; else it is JSON.

    `sender` and `strict` are in the query of a body that is a frame itself.

    Raises:
        MalformedBody: it is not JSON.
        InvalidInput: it is another object, or none, or the query is wrong.
    """
    sender_and_strict = _options(raw.query)
    if raw.media_type == PLAIN_TEXT:
        return _of_frame(_text(raw.content), sender_and_strict)
    value = _json(raw.content)
    if isinstance(value, list):
        # The text itself, and not what JSON makes of it: a member that is given twice stays visible.
        return _of_frame(_text(raw.content), sender_and_strict)
    if not isinstance(value, dict):
        raise InvalidInput([FieldViolation("", "type", _SHAPE)])
    for name in sender_and_strict:
        raise invalid_parameter(name, _BESIDE_OBJECT, "not_beside_object")
    return _of_object(value, _QUESTION)


def read_object(raw: RawQuestion, shape: TypeAdapter[Asked]) -> Asked:
    """Return a question whose body is a JSON object.

    Raises:
        MalformedBody: it is not JSON.
        InvalidInput: it is another object, or none, or there is a query.
    """
    for name in raw.query:
        raise unknown_parameter(name)
    if raw.media_type == PLAIN_TEXT:
        raise UnsupportedMediaType
    value = _json(raw.content)
    if not isinstance(value, dict):
        raise InvalidInput([FieldViolation("", "type", _OBJECT)])
    return _of_object(value, shape)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedBody(content) from None


def _options(given: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "sender":
            if value not in ("charge_point", "central_system"):
                raise invalid_parameter(name, "must be charge_point or central_system")
            found[name] = value
        elif name == "strict":
            if value not in _BOOLEANS:
                raise invalid_parameter(name, "must be true or false")
            found[name] = _BOOLEANS[value]
        else:
            raise unknown_parameter(name)
    return found


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidInput([FieldViolation("", "not_unicode", "must be UTF-8")]) from None
    if not text.strip():
        raise InvalidInput([FieldViolation("", "missing", "is empty: send a frame")])
    return text


def _of_frame(text: str, options: Mapping[str, Any]) -> Question:
    return Question(frame=text, **options)


def _of_object(value: dict[str, Any], shape: TypeAdapter[Asked]) -> Asked:
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    if any(fault["loc"][:1] == ("frame",) for fault in faults):
        # One for each form that a frame may have would name types of ours.
        raise InvalidInput([FieldViolation("/frame", "type", _FRAME)])
    raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
