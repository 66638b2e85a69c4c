"""The routes of the dictionary of deviations: the list, and one entry."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog
from app.catalog.routes.answers import answers, misspelt
from app.catalog.routes.documents import no_such_protocol, operation, slug_documents_route, slug_parameter
from app.near_names import UnknownName
from app.web.document_routes import DocumentRoute
from app.web.documents import DocumentResponse, json_document


def deviation_routes(catalog: Catalog) -> list[BaseRoute]:
    """Make the routes of the dictionaries that protocols have; none if no protocol has one."""
    having = {slug: found for slug, found in catalog.protocols.items() if found.deviations}
    if not having:
        return []
    lists = slug_documents_route(
        catalog,
        "/deviations",
        {slug: protocol.deviation_list for slug, protocol in having.items()},
        name="list_protocol_deviations",
        summary="List the known deviations from a protocol",
        description="Every way in which charge points are known to deviate from the standard: what is seen, "
        "what is done about it, what it may cost, the section, and an example.",
    )
    return [lists, _entry_route(catalog)]


def _entry_route(catalog: Catalog) -> DocumentRoute:
    having = {slug: found for slug, found in catalog.protocols.items() if found.deviations}
    entries = {
        found.href: found.model_dump(mode="json")
        for protocol in having.values()
        for found in protocol.deviations
    }
    documents = {path: json_document(found) for path, found in entries.items()}
    codes = {slug: [found.code for found in protocol.deviations] for slug, protocol in having.items()}
    known = list(dict.fromkeys(code for found in codes.values() for code in found))

    async def show_deviation(
        slug: Annotated[str, slug_parameter(having)],
        code: Annotated[str, Path(json_schema_extra={"enum": known}, examples=known[:1])],
    ) -> Response:
        if slug not in having:
            raise no_such_protocol(catalog, slug, having)
        document = documents.get(f"{API_ROOT}/{slug}/deviations/{code}")
        if document is None:
            raise UnknownName("deviation", code, codes[slug], "code")
        return DocumentResponse(document)

    unknown = UnknownName("deviation", misspelt(known[0]), known, "code")
    return DocumentRoute(
        f"{API_ROOT}/{{slug}}/deviations/{{code}}",
        show_deviation,
        documents=documents,
        response_model=schemas.Deviation,
        responses=answers(next(iter(entries.values())), not_found=unknown),
        summary="Show one known deviation from a protocol",
        description="What is seen, what is done about it, an example, and advice to the vendor.",
        **operation("show_protocol_deviation"),
    )
