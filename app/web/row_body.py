"""Bodies with many rows, as a JSON array or CSV, of which each is read and refused by itself."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import orjson
from fastapi import Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from app.errors import FieldViolation, InvalidInput
from app.metrics import LIMITS_HIT
from app.row_results import GivenRow, RowResult, RowState
from app.settings import Settings
from app.spreadsheets import CSV_TYPE, decoded_csv
from app.web.conditional import encoded_page_response
from app.web.inputs import Input
from app.web.json_body import doubled_pointers, object_of_members, read_bytes, require_json
from app.web.problems import BodyTooLarge, FieldError, MalformedBody, body_errors
from app.web.resources import Json, Resource

RowReader = Callable[[str], list[dict[str, Any] | FieldViolation]]
"""Reads CSV: the fields of each row, or why it is none."""


@dataclass(frozen=True, slots=True)
class RowLimits:
    """The most that one body may have."""

    size_bytes: int
    rows: int

    @classmethod
    def of(cls, settings: Settings) -> "RowLimits":
        """Return the limits of a server."""
        return cls(settings.import_limit_bytes, settings.import_limit_rows)


class RowOutcome(Resource):
    """The end of one row."""

    row: int = Field(description="Its number, from 0, without the line of column names.")
    key: str | None = Field(description="The identity or id tag; null: it could not be read.")
    result: RowState
    errors: list[FieldError] | None = Field(description="Only with the result `error`.")

    example: ClassVar[Json] = {"row": 0, "key": "RDAM-0123", "result": "created", "errors": None}


class RowOutcomes(Resource):
    """The ends of the rows of one request, in their order. The good ones are stored."""

    created: int
    updated: int
    unchanged: int
    failed: int
    items: list[RowOutcome]

    example: ClassVar[Json] = {
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "failed": 0,
        "items": [RowOutcome.example],
    }


def rows_body(model: type[Input], csv_example: str) -> dict[str, Any]:
    """Make the OpenAPI `requestBody` of rows, for the `openapi_extra` of a route."""
    array = {"type": "array", "items": {"$ref": f"#/components/schemas/{model.__name__}"}}
    content = {
        "application/json": {"schema": array, "example": [model.example]},
        CSV_TYPE: {"schema": {"type": "string"}, "example": csv_example},
    }
    return {"requestBody": {"required": True, "content": content}}


async def read_rows(
    request: Request, model: type[Input], key: str, read_csv: RowReader, limits: RowLimits
) -> Iterator[GivenRow]:
    """Read the rows of a body. Each is checked when it is taken, so that nothing waits for all of them.

    Args:
        request: With a JSON array, or CSV.
        model: Of a row.
        key: The field that names the resource.
        read_csv: Reads the rows of CSV, without judging their values.
        limits: Of the body.

    Raises:
        BodyTooLarge: it has too many bytes.
        MalformedBody, UnsupportedMediaType: it is neither JSON nor CSV.
        InvalidInput: it is not an array, has too many rows, or its columns are not known.
    """
    try:
        content = await read_bytes(request, limits.size_bytes)
    except BodyTooLarge:
        LIMITS_HIT.labels("import_bytes").inc()
        raise
    rows: Sequence[Any]
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV_TYPE:
        rows = read_csv(decoded_csv(content))
    else:
        require_json(request)
        rows = _array(content)
    if len(rows) > limits.rows:
        LIMITS_HIT.labels("import_rows").inc()
        raise InvalidInput([FieldViolation("", "too_many_rows", f"has more than {limits.rows} rows")])
    return (_given(place, row, model, key) for place, row in enumerate(rows))


def row_response(results: Sequence[RowResult]) -> Response:
    """Answer with what became of the rows, in their order."""
    ordered = sorted(results, key=lambda result: result.place)
    states: list[Literal["created", "updated", "unchanged", "error"]] = [result.state for result in ordered]
    fields = {
        "created": states.count("created"),
        "updated": states.count("updated"),
        "unchanged": states.count("unchanged"),
        "failed": states.count("error"),
        "items": [_outcome(result) for result in ordered],
    }
    return encoded_page_response(orjson.dumps(fields))


def _outcome(result: RowResult) -> dict[str, Any]:
    errors = [
        {"pointer": fault.pointer, "parameter": None, "code": fault.code, "detail": fault.detail}
        for fault in result.faults
    ]
    return {"row": result.place, "key": result.key, "result": result.state, "errors": errors or None}


def _array(content: bytes) -> list[Any]:
    try:
        rows = json.loads(content, object_pairs_hook=object_of_members, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedBody(content) from None
    if not isinstance(rows, list):
        raise InvalidInput([FieldViolation("", "list_type", "is not an array")])
    return rows


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _given(place: int, row: Any, model: type[Input], key: str) -> GivenRow:
    if isinstance(row, FieldViolation):
        return GivenRow(place, None, {}, (row,))
    named = row.get(key) if isinstance(row, dict) else None
    shown = _shown(named) if isinstance(named, str) else None
    if twice := list(doubled_pointers(row)):
        detail = "is given twice in its object"
        return GivenRow(
            place, shown, {}, tuple(FieldViolation(at, "duplicate_field", detail) for at in twice[:20])
        )
    try:
        value = model.model_validate_json(json.dumps(row))
    except ValidationError as error:
        return GivenRow(place, shown, {}, _faults(error))
    except RecursionError:
        return GivenRow(place, shown, {}, (FieldViolation("", "too_deep", "is nested too deeply"),))
    return GivenRow(place, named, {name: getattr(value, name) for name in value.model_fields_set})


def _faults(error: ValidationError) -> tuple[FieldViolation, ...]:
    if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
        return (FieldViolation("", "unstorable_text", "holds a lone surrogate, or is nested too deeply"),)
    return body_errors(error).violations


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:100]
