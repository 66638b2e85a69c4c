"""The routes of the messages of a protocol: the list with its filters, one message, and its schemas."""

import json
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, get_args

from fastapi import Path, Query
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog, ProtocolCatalog, folded
from app.catalog.definition import Way
from app.catalog.facts import Direction
from app.catalog.routes.answers import answers, misspelt, refusal
from app.catalog.routes.documents import misspelt_protocol, no_such_protocol, operation, slug_parameter
from app.errors import FieldViolation, InvalidInput
from app.near_names import UnknownName, hint, near_names
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, LazyDocument, json_document

# There are few filters, but any number of texts: the newest lists are kept, the others are made again.
_KEPT_LISTS = 256
_LONGEST_TEXT = 64
_SCHEMA_MEDIA_TYPE = b"application/schema+json"
_MESSAGE_PATH = f"{API_ROOT}/{{slug}}/messages/{{action}}"


def message_routes(catalog: Catalog) -> list[BaseRoute]:
    """Make the three routes below `/messages`, for every protocol whose messages are described."""
    return [_list_route(catalog), _message_route(catalog), _schema_route(catalog)]


def _list_route(catalog: Catalog) -> DocumentRoute:
    described = catalog.described
    profiles = list(dict.fromkeys(key for found in described.values() for key in found.profile_names))

    @lru_cache(maxsize=_KEPT_LISTS)
    def listed(slug: str, wanted: schemas.MessageFilter) -> Document:
        return json_document(described[slug].message_list(wanted).model_dump(mode="json"))

    async def list_messages(
        slug: Annotated[str, slug_parameter(described)],
        direction: Annotated[
            Direction | None,
            Query(description="Direction of the request; `both`: either side may send it."),
        ] = None,
        profile: Annotated[
            str | None,
            Query(description="Key or name of a feature profile.", json_schema_extra={"enum": profiles}),
        ] = None,
        q: Annotated[
            str | None,
            Query(max_length=_LONGEST_TEXT, description="Text to find in action, summary or field name."),
        ] = None,
        flow: Annotated[
            bool, Query(description="True: only the messages of the message flow, in its order.")
        ] = False,
    ) -> Response:
        protocol = _described(catalog, slug)
        key = _profile_key(protocol, profile)
        wanted = schemas.MessageFilter(direction=direction, profile=key, q=q or None, flow=flow)
        return DocumentResponse(listed(slug, wanted))

    everything = {
        f"{protocol.href}/messages": listed(slug, schemas.MessageFilter())
        for slug, protocol in described.items()
    }
    first = next(iter(everything.values()))
    return DocumentRoute(
        f"{API_ROOT}/{{slug}}/messages",
        list_messages,
        documents=everything,
        response_model=schemas.MessageList,
        responses={
            **answers(
                json.loads(first.body),
                not_found=misspelt_protocol(catalog),
            ),
            422: refusal(_unknown_profile(next(iter(described.values())), "cor")),
        },
        summary="List the messages of a protocol",
        description="The messages that match every given filter, grouped by profile in the order of the "
        "standard. With `?flow=true` those of the protocol's page, in its order and with its words.",
        **operation("list_protocol_messages"),
    )


def _described(catalog: Catalog, slug: str) -> ProtocolCatalog:
    """Return a protocol whose messages are described.

    Raises:
        NotFound: there is no such protocol, or it has a card only.
    """
    protocol = catalog.described.get(slug)
    if protocol is None:
        raise no_such_protocol(catalog, slug, catalog.described)
    return protocol


def _profile_key(protocol: ProtocolCatalog, wanted: str | None) -> str | None:
    """Return the key of the profile with this key or name.

    Raises:
        InvalidInput: there is no such profile.
    """
    if wanted is None:
        return None
    for key, name in protocol.profile_names.items():
        if folded(wanted) in (folded(key), folded(name)):
            return key
    raise _unknown_profile(protocol, wanted)


def _unknown_profile(protocol: ProtocolCatalog, wanted: str) -> InvalidInput:
    detail = f"There is no such profile.{hint(near_names(wanted, protocol.profile_names))}"
    return InvalidInput([FieldViolation("profile", "unknown_profile", detail)])


def _action_parameter(catalog: Catalog) -> Any:
    actions = list(dict.fromkeys(name for found in catalog.described.values() for name in found.actions))
    return Path(
        description="Name of the action; case-sensitive. Each protocol has its own.",
        json_schema_extra={"enum": actions},
        examples=actions[:1],
    )


def _message_route(catalog: Catalog) -> DocumentRoute:
    documents: dict[str, Document] = {
        f"{protocol.href}/messages/{action}": LazyDocument(partial(_message_document, protocol, action))
        for protocol in catalog.described.values()
        for action in protocol.actions
    }

    first = json.loads(next(iter(documents.values())).body)

    async def show_message(
        slug: Annotated[str, slug_parameter(catalog.described)],
        action: Annotated[str, _action_parameter(catalog)],
    ) -> Response:
        return DocumentResponse(_known(catalog, documents, slug, action))

    return DocumentRoute(
        _MESSAGE_PATH,
        show_message,
        documents=documents,
        response_model=schemas.Message,
        responses=answers(first, not_found=_misspelt_message(catalog)),
        summary="Show one message of a protocol",
        description="Profile, direction, sections, every field with its type and limits, a valid example of "
        "request and response, and what is answered to bad input.",
        **operation("show_protocol_message"),
    )


def _message_document(protocol: ProtocolCatalog, action: str) -> Document:
    return json_document(protocol.message(action).model_dump(mode="json"))


def _known(
    catalog: Catalog, documents: Mapping[str, Document], slug: str, action: str, below: str = ""
) -> Document:
    protocol = _described(catalog, slug)
    document = documents.get(f"{protocol.href}/messages/{action}{below}")
    if document is None:
        raise UnknownName("message", action, protocol.actions, "action")
    return document


def _misspelt_message(catalog: Catalog) -> UnknownName:
    """Make an example of an unknown name: the first action with a letter missing."""
    protocol = next(iter(catalog.described.values()))
    return UnknownName("message", misspelt(protocol.actions[0]), protocol.actions, "action")


def _schemas_document(protocol: ProtocolCatalog, action: str) -> Document:
    return json_document(protocol.json_schemas(action))


def _schema_document(protocol: ProtocolCatalog, action: str, way: Way) -> Document:
    return json_document(protocol.json_schemas(action)[way], _SCHEMA_MEDIA_TYPE)


def _schema_route(catalog: Catalog) -> DocumentRoute:
    documents: dict[str, Document] = {}
    single: dict[tuple[str, str, Way], Document] = {}
    for slug, protocol in catalog.described.items():
        for action in protocol.actions:
            path = f"{protocol.href}/messages/{action}/schema"
            documents[path] = LazyDocument(partial(_schemas_document, protocol, action))
            for way in get_args(Way):
                single[slug, action, way] = LazyDocument(partial(_schema_document, protocol, action, way))

    async def show_schema(
        slug: Annotated[str, slug_parameter(catalog.described)],
        action: Annotated[str, _action_parameter(catalog)],
        direction: Annotated[
            Way | None, Query(description="Answer with this schema alone, as `application/schema+json`.")
        ] = None,
    ) -> Response:
        document = _known(catalog, documents, slug, action, "/schema")
        return DocumentResponse(document if direction is None else single[slug, action, direction])

    # Tools take a reference in an example for one of the OpenAPI document.
    plain = next(
        value for body in documents.values() if "$ref" not in json.dumps(value := json.loads(body.body))
    )
    responses = answers(plain, not_found=_misspelt_message(catalog))
    responses[200]["content"][_SCHEMA_MEDIA_TYPE.decode()] = {"schema": {"type": "object"}}
    return DocumentRoute(
        f"{_MESSAGE_PATH}/schema",
        show_schema,
        documents=documents,
        response_model=schemas.MessageSchemas,
        responses=responses,
        summary="Show the JSON Schemas of one message of a protocol",
        description="JSON Schema 2020-12 of request and response. With `?direction=` one of them alone.",
        **operation("show_protocol_message_schemas"),
    )
