"""The routes of a protocol's messages: the list with its filters, one message, and its schemas."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog import schemas
from app.catalog.catalog import ProtocolCatalog, folded
from app.catalog.definition import Way
from app.catalog.entry import Direction
from app.catalog.routes.answers import TAG, answers, refusal, refuse_unknown_parameters
from app.errors import FieldViolation, InvalidInput
from app.near_names import UnknownName, hint, near_names
from app.ocpp import Protocol
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, json_document

# There are few filters, but any number of texts: the newest lists are kept, the others are made again.
_KEPT_LISTS = 256
_LONGEST_TEXT = 64
_SCHEMA_MEDIA_TYPE = b"application/schema+json"


def message_routes(protocol: ProtocolCatalog, core: Protocol) -> list[BaseRoute]:
    """Make the three routes below `/messages` of one protocol."""
    return [_list_route(protocol), _message_route(protocol), _schema_route(protocol, core)]


def _options(protocol: ProtocolCatalog, name: str, summary: str, description: str) -> dict[str, Any]:
    slug = protocol.entry.slug.replace("-", "_")
    return {
        "name": f"{name}_{slug}",
        "summary": summary,
        "description": description,
        "tags": [TAG],
        "dependencies": [Depends(refuse_unknown_parameters)],
    }


def _list_route(protocol: ProtocolCatalog) -> DocumentRoute:
    path = f"{protocol.href}/messages"
    profiles = list(protocol.profile_names)

    @lru_cache(maxsize=_KEPT_LISTS)
    def listed(direction: Direction | None, profile: str | None, q: str | None) -> Document:
        return json_document(protocol.message_list(direction, profile, q).model_dump(mode="json"))

    async def list_messages(
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
    ) -> Response:
        return DocumentResponse(listed(direction, _profile_key(protocol, profile), q or None))

    everything = listed(None, None, None)
    example = json.loads(everything.body)
    return DocumentRoute(
        path,
        list_messages,
        documents={path: everything},
        response_model=schemas.MessageList,
        responses={
            **answers({**example, "messages": example["messages"][:2]}),
            422: refusal(_unknown_profile(protocol, "cor")),
        },
        **_options(
            protocol,
            "list_messages_of",
            f"List the messages of {protocol.entry.name}",
            "The messages that match every given filter, grouped by profile in the order of the standard.",
        ),
    )


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


def _message_route(protocol: ProtocolCatalog) -> DocumentRoute:
    documents = {
        f"{protocol.href}/messages/{action}": json_document(protocol.message(action).model_dump(mode="json"))
        for action in protocol.actions
    }
    first = protocol.actions[0]

    async def show_message(
        action: Annotated[str, Path(json_schema_extra={"enum": list(protocol.actions)}, examples=[first])],
    ) -> Response:
        return DocumentResponse(_known(protocol, documents, f"{protocol.href}/messages/{action}", action))

    return DocumentRoute(
        f"{protocol.href}/messages/{{action}}",
        show_message,
        documents=documents,
        response_model=schemas.Message,
        responses=answers(
            protocol.message(first).model_dump(mode="json"), not_found=_misspelt_message(protocol)
        ),
        **_options(
            protocol,
            "show_message_of",
            f"Show one message of {protocol.entry.name}",
            "Profile, direction, sections, every field with its type and limits, a valid example of request "
            "and response, and what is answered to bad input.",
        ),
    )


def _known(protocol: ProtocolCatalog, documents: Mapping[str, Document], path: str, action: str) -> Document:
    document = documents.get(path)
    if document is None:
        raise _unknown_message(protocol, action)
    return document


def _unknown_message(protocol: ProtocolCatalog, action: str) -> UnknownName:
    return UnknownName("message", action, protocol.actions, "action")


def _misspelt_message(protocol: ProtocolCatalog) -> UnknownName:
    """Make an example of an unknown name: the first action with a letter missing."""
    first = protocol.actions[0]
    return _unknown_message(protocol, first[:-2] + first[-1])


def _schema_route(protocol: ProtocolCatalog, core: Protocol) -> DocumentRoute:
    both: dict[str, dict[str, Any]] = {}
    single: dict[tuple[str, Way], Document] = {}
    for action in protocol.actions:
        request = json.loads(core.json_schema(action, "request"))
        response = json.loads(core.json_schema(action, "response"))
        both[action] = {
            "protocol": protocol.entry.slug,
            "action": action,
            "request": request,
            "response": response,
        }
        single[action, "request"] = json_document(request, _SCHEMA_MEDIA_TYPE)
        single[action, "response"] = json_document(response, _SCHEMA_MEDIA_TYPE)
    documents = {
        f"{protocol.href}/messages/{action}/schema": json_document(found) for action, found in both.items()
    }

    async def show_schema(
        action: Annotated[
            str,
            Path(json_schema_extra={"enum": list(protocol.actions)}, examples=[protocol.actions[0]]),
        ],
        direction: Annotated[
            Way | None, Query(description="Answer with this schema alone, as `application/schema+json`.")
        ] = None,
    ) -> Response:
        document = _known(protocol, documents, f"{protocol.href}/messages/{action}/schema", action)
        return DocumentResponse(document if direction is None else single[action, direction])

    responses = answers(both[protocol.actions[0]], not_found=_misspelt_message(protocol))
    responses[200]["content"][_SCHEMA_MEDIA_TYPE.decode()] = {"schema": {"type": "object"}}
    return DocumentRoute(
        f"{protocol.href}/messages/{{action}}/schema",
        show_schema,
        documents=documents,
        response_model=schemas.MessageSchemas,
        responses=responses,
        **_options(
            protocol,
            "show_schema_of",
            f"Show the JSON Schemas of one message of {protocol.entry.name}",
            "JSON Schema 2020-12 of request and response. With `?direction=` one of them alone.",
        ),
    )
