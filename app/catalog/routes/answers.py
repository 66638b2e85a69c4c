"""The OpenAPI descriptions of the answers that the catalog's routes share."""

from typing import Any

from app.catalog.unknown_names import UnknownName
from app.errors import AppError
from app.web.problems import documented_error
from app.web.routers import Tag

TAG = Tag("Protocol catalog", "What the protocols are, message by message. Public: no key is needed.")


def answers(example: Any, *, not_found: UnknownName | None = None) -> dict[int | str, dict[str, Any]]:
    """Make the OpenAPI `responses` of a document: 200, 304, and 404 if its path has a name in it.

    Args:
        example: the document.
        not_found: the example of the 404; None if the path has no name in it.
    """
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The document, with a strong `ETag`, and by gzip if the client accepts that.",
            "content": {"application/json": {"example": example}},
            "headers": {
                "ETag": {"schema": {"type": "string"}, "description": "Hash of the content."},
                "Cache-Control": {"schema": {"type": "string"}, "example": "public, max-age=300"},
            },
        },
        304: {"description": "`If-None-Match` names the current content. The answer has no body."},
    }
    if not_found is not None:
        found[404] = refusal(not_found)
    return found


def refusal(error: AppError) -> dict[str, Any]:
    """Make the OpenAPI `responses` entry of an error, with this error as its example."""
    return documented_error(error.title, error, {})
