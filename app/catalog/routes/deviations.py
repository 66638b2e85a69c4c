"""The routes of the dictionary of deviations: the list, and one entry."""

from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog import schemas
from app.catalog.catalog import ProtocolCatalog
from app.catalog.routes.answers import TAG, answers, refuse_unknown_parameters
from app.near_names import UnknownName
from app.web.document_routes import DocumentRoute
from app.web.documents import DocumentResponse, json_document


def deviation_routes(protocol: ProtocolCatalog) -> list[BaseRoute]:
    """Make the routes of a protocol's dictionary; none if it has none."""
    return [_list_route(protocol), _entry_route(protocol)] if protocol.deviations else []


def _options(protocol: ProtocolCatalog, name: str) -> dict[str, Any]:
    return {
        "name": f"{name}_{protocol.entry.slug.replace('-', '_')}",
        "tags": [TAG],
        "dependencies": [Depends(refuse_unknown_parameters)],
    }


def _list_route(protocol: ProtocolCatalog) -> DocumentRoute:
    path = f"{protocol.href}/deviations"
    content = protocol.deviation_list.model_dump(mode="json")
    document = json_document(content)

    async def list_deviations() -> Response:
        return DocumentResponse(document)

    return DocumentRoute(
        path,
        list_deviations,
        documents={path: document},
        response_model=schemas.DeviationList,
        responses=answers({**content, "deviations": content["deviations"][:2]}),
        summary=f"List the known deviations from {protocol.entry.name}",
        description=(
            "Every way in which charge points are known to deviate from the standard: what is seen, what is "
            "done about it, what it may cost, the section, and an example."
        ),
        **_options(protocol, "list_deviations_of"),
    )


def _entry_route(protocol: ProtocolCatalog) -> DocumentRoute:
    entries = {found.code: found.model_dump(mode="json") for found in protocol.deviations}
    documents = {found["href"]: json_document(found) for found in entries.values()}
    first = protocol.deviations[0].code

    def unknown(code: str) -> UnknownName:
        return UnknownName("deviation", code, entries, "code")

    async def show_deviation(
        code: Annotated[str, Path(json_schema_extra={"enum": list(entries)}, examples=[first])],
    ) -> Response:
        document = documents.get(f"{protocol.href}/deviations/{code}")
        if document is None:
            raise unknown(code)
        return DocumentResponse(document)

    return DocumentRoute(
        f"{protocol.href}/deviations/{{code}}",
        show_deviation,
        documents=documents,
        response_model=schemas.Deviation,
        responses=answers(entries[first], not_found=unknown(first[:-2] + first[-1])),
        summary=f"Show one known deviation from {protocol.entry.name}",
        description="What is seen, what is done about it, an example, and advice to the vendor.",
        **_options(protocol, "show_deviation_of"),
    )
