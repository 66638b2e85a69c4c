"""The public routes of the types of events."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog.routes.answers import answers, misspelt
from app.catalog.routes.documents import document_route, operation
from app.events.payloads import event_types
from app.events.schemas import TYPES_ROOT, EventType, EventTypes, event_type_of
from app.near_names import UnknownName
from app.web.document_routes import DocumentRoute
from app.web.documents import DocumentResponse, json_document


def event_type_routes() -> list[BaseRoute]:
    """Make the routes below `/v1/event-types`."""
    types = [event_type_of(payload) for payload in event_types().values()]
    return [
        document_route(
            TYPES_ROOT,
            EventTypes(count=len(types), event_types=types),
            name="list_event_types",
            summary="List the types of events",
            description="Every type of events, with the JSON Schema of its data.",
        ),
        _type_route(types),
    ]


def _type_route(types: list[EventType]) -> DocumentRoute:
    contents = {one.href: one.model_dump(mode="json") for one in types}
    documents = {path: json_document(content) for path, content in contents.items()}
    names = {one.type: one.href for one in types}
    first = types[0]

    async def show(
        type: Annotated[
            str,
            Path(
                description="Name of the type.",
                json_schema_extra={"enum": list(names)},
                examples=[first.type],
            ),
        ],
    ) -> Response:
        if type not in names:
            raise UnknownName("type of events", type, names, "type")
        return DocumentResponse(documents[names[type]])

    return DocumentRoute(
        f"{TYPES_ROOT}/{{type}}",
        show,
        documents=documents,
        response_model=EventType,
        responses=answers(
            contents[first.href],
            not_found=UnknownName("type of events", misspelt(first.type), names, "type"),
        ),
        summary="Show a type of events",
        description="What it tells of, and the JSON Schema of its data.",
        **operation("show_event_type"),
    )
