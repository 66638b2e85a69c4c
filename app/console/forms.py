"""Reads forms as the bodies that REST takes, and tells what is wrong with which field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query
from pydantic import ValidationError

from app.errors import AppError, InvalidInput
from app.web.inputs import CursorText, Input
from app.web.problems import body_errors

Model = TypeVar("Model", bound=Input)

QueryText = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]
"""A parameter that narrows a list; empty: it does not."""
Cursor = Annotated[CursorText | None, Query()]
"""The place of a page in a list; None: the first one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was refused. faults: by the name of the field; others: of the form as a whole."""

    status: int = 200
    faults: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()


def input_of(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return the values of a form as the body of a request.

    Raises:
        InvalidInput: a value breaks a rule; the pointers name each.
    """
    try:
        return model.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        raise body_errors(error) from None


def refusal_of(error: AppError, names: Sequence[str]) -> Refusal:
    """Return what a page says of an error. names: the fields of the form."""
    if not isinstance(error, InvalidInput):
        if error.field in names:
            return Refusal(error.status, {error.field or "": error.detail})
        return Refusal(error.status, others=[error.detail])
    faults: dict[str, str] = {}
    others: list[str] = []
    for violation in error.violations:
        name, _, place = violation.pointer.removeprefix("/").partition("/")
        if name not in names:
            others.append(f"{violation.pointer}: {violation.detail}")
        else:
            number = f"number {int(place) + 1} " if place.isdecimal() else ""
            faults.setdefault(name, number + violation.detail)
    return Refusal(error.status, faults, others)


def lines_of(text: str) -> list[str]:
    """Return the lines that are not blank, without the blanks around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def time_of(text: str) -> str | None:
    """Return the time of an input `datetime-local`, which is meant in UTC, as REST reads it; None: none."""
    if not text.strip():
        return None
    return f"{text}:00Z" if len(text) == len("2026-01-01T00:00") else text
