"""The common parts of the catalog's routes: answers in OpenAPI, and the refusal of unknown parameters."""

from typing import Any

from fastapi import Request

from app.errors import AppError
from app.near_names import UnknownName
from app.web.problems import documented_error, unknown_parameter
from app.web.routers import Tag

TAG = Tag("Protocol catalog", "What the protocols are, message by message. Public: no key is needed.")


def answers(
    example: dict[str, Any], *, not_found: UnknownName | None = None
) -> dict[int | str, dict[str, Any]]:
    """Make the OpenAPI `responses` of a document: 200, 304, 422, and 404 if its path has a name in it.

    Args:
        example: the document. Of each list in it, the example has the first two members.
        not_found: the example of the 404; None if the path has no name in it.
    """
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The document, with a strong `ETag`, and by gzip if the client accepts that.",
            "content": {"application/json": {"example": _shortened(example)}},
            "headers": {
                "ETag": {"schema": {"type": "string"}, "description": "Hash of the content."},
                "Cache-Control": {"schema": {"type": "string"}, "example": "public, max-age=300"},
            },
        },
        304: {"description": "`If-None-Match` names the current content. The answer has no body."},
        422: refusal(unknown_parameter("limit")),
    }
    if not_found is not None:
        found[404] = refusal(not_found)
    return found


def _shortened(example: dict[str, Any]) -> dict[str, Any]:
    return {name: value[:2] if isinstance(value, list) else value for name, value in example.items()}


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have, so that typing errors are noticed.

    Raises:
        InvalidInput: there is one; names it.
    """
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise unknown_parameter(name)


def misspelt(name: str) -> str:
    """Return a name without its last but one character, as an example of a wrong one."""
    return name[:-2] + name[-1]


def refusal(error: AppError) -> dict[str, Any]:
    """Make the OpenAPI `responses` entry of an error, with this error as its example."""
    return documented_error(error.title, error, {})
