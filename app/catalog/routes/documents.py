"""The routes of public documents that are encoded once at start: of one, or of one for each protocol."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog.catalog import API_ROOT, Catalog
from app.catalog.routes.answers import TAG, answers, misspelt, refuse_unknown_parameters
from app.errors import NotFound
from app.near_names import UnknownName
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, json_document

_LONG_LIST = 4
"""Members from which on a list is shortened in an example."""


def document_route(
    path: str, value: BaseModel, *, name: str, example: dict[str, Any] | None = None, **options: Any
) -> DocumentRoute:
    """Make the public route of a single document.

    Args:
        path: of the document.
        value: what it says.
        name: of the OpenAPI operation.
        example: of the answer; None: the document itself.
        options: of the OpenAPI operation, such as its summary.
    """
    content = value.model_dump(mode="json")
    document = json_document(content)
    return DocumentRoute(
        path,
        _sends(document),
        documents={path: document},
        response_model=type(value),
        responses=answers(example or _shortened(content)),
        **operation(name),
        **options,
    )


def _sends(document: Document) -> Callable[[], Awaitable[Response]]:
    async def show() -> Response:
        return DocumentResponse(document)

    return show


def operation(name: str) -> dict[str, Any]:
    """Return the options that the routes of the catalog share."""
    return {
        "name": name,
        "operation_id": name,
        "tags": [TAG],
        "dependencies": [Depends(refuse_unknown_parameters)],
    }


def slug_documents_route(
    catalog: Catalog, below: str, values: Mapping[str, BaseModel], *, name: str, **options: Any
) -> DocumentRoute:
    """Make the public route of a document for each protocol.

    Args:
        catalog: all protocols.
        below: the path below that of the protocol, such as `/error-codes`.
        values: by slug. A protocol without one gets a 404 that says so.
        name: of the OpenAPI operation.
        options: of the OpenAPI operation, such as its summary.
    """
    contents = {slug: value.model_dump(mode="json") for slug, value in values.items()}
    documents = {f"{API_ROOT}/{slug}{below}": json_document(content) for slug, content in contents.items()}
    first = next(iter(values))

    async def show(slug: Annotated[str, slug_parameter(values)]) -> Response:
        document = documents.get(f"{API_ROOT}/{slug}{below}")
        if document is None:
            raise no_such_protocol(catalog, slug, values)
        return DocumentResponse(document)

    return DocumentRoute(
        f"{API_ROOT}/{{slug}}{below}",
        show,
        documents=documents,
        response_model=type(values[first]),
        responses=answers(contents[first], not_found=misspelt_protocol(catalog)),
        **operation(name),
        **options,
    )


def slug_parameter(slugs: Mapping[str, object]) -> Any:
    """Describe the path parameter `slug`, whose values are these."""
    return Path(
        description="Name of the protocol.",
        json_schema_extra={"enum": list(slugs)},
        examples=[next(iter(slugs))],
    )


def no_such_protocol(catalog: Catalog, slug: str, served: Mapping[str, object]) -> NotFound:
    """Make the 404 of a protocol that is not known, or that has no such resource."""
    if slug in catalog.protocols:
        having = ", ".join(served)
        return NotFound(f"The catalog has no such resource of {slug}, only of {having}.", "slug")
    return UnknownName("protocol", slug, catalog.protocols, "slug")


def misspelt_protocol(catalog: Catalog) -> UnknownName:
    """Make an example of an unknown protocol."""
    first = next(iter(catalog.protocols))
    return UnknownName("protocol", misspelt(first), catalog.protocols, "slug")


def _shortened(value: Any) -> Any:
    """Return an example with the first two members of each long list."""
    if isinstance(value, dict):
        return {name: _shortened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_shortened(member) for member in (value[:2] if len(value) > _LONG_LIST else value)]
    return value
