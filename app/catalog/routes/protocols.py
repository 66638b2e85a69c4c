"""The routes below `/v1/protocols`: documents that are encoded once at start, and the answer to other paths.

Put them straight into `app.router.routes` of an application that is a `DocumentsFirst`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog, ProtocolCatalog
from app.catalog.definition import Definition
from app.catalog.routes.answers import TAG, answers, refuse_unknown_parameters
from app.catalog.routes.deviations import deviation_routes
from app.catalog.routes.messages import message_routes
from app.catalog.routes.validation import ValidationLimit, validate_route
from app.near_names import UnknownName
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, json_document

_RESOURCES = ("messages", "configuration-keys", "error-codes", "deviations", "validate")


def catalog_routes(catalog: Catalog, limit: ValidationLimit | None = None) -> list[BaseRoute]:
    """Make every route below `/v1/protocols`, in the order in which they must be matched.

    limit: how much strangers may have validated; None: the usual limit, by the address of the peer.
    """
    limit = limit or ValidationLimit()
    routes: list[BaseRoute] = [
        _fixed_route(
            API_ROOT,
            catalog.protocol_list,
            name="list_protocols",
            summary="List the protocols",
            description="Every protocol of the catalog, with the facts of its card.",
        )
    ]
    for protocol in catalog.protocols.values():
        routes += _protocol_routes(protocol, limit)
    routes.append(_unknown_route(catalog, routes))
    return routes


def _protocol_routes(protocol: ProtocolCatalog, limit: ValidationLimit) -> list[BaseRoute]:
    """Make the routes of one protocol; those of its messages only if the core describes them."""
    name, slug = protocol.entry.name, protocol.entry.slug
    routes: list[BaseRoute] = [
        _fixed_route(
            protocol.href,
            protocol.protocol,
            name=f"show_{slug}",
            summary=f"Show {name}",
            description=(
                "Every fact on the protocol's page: identity, adoption, capability matrix, migration, "
                "security layer, message flow, deployments, and links to more."
            ),
        )
    ]
    if protocol.core is not None and protocol.definition is not None:
        routes += message_routes(protocol, protocol.core)
        routes += _list_routes(protocol, protocol.definition)
        routes += deviation_routes(protocol)
        routes.append(validate_route(protocol, protocol.core, limit))
    return routes


def _list_routes(protocol: ProtocolCatalog, definition: Definition) -> list[BaseRoute]:
    name, slug = protocol.entry.name, protocol.entry.slug
    keys = schemas.ConfigurationKeyList(
        protocol=slug,
        count=len(definition.configuration_keys),
        configuration_keys=definition.configuration_keys,
    )
    codes = schemas.ErrorCodeList(
        protocol=slug, count=len(definition.error_codes), error_codes=definition.error_codes
    )
    return [
        _fixed_route(
            f"{protocol.href}/configuration-keys",
            keys,
            name=f"list_{slug}_configuration_keys",
            summary=f"List the standard configuration keys of {name}",
            description="Profile, access, type, unit and section of each key.",
        ),
        _fixed_route(
            f"{protocol.href}/error-codes",
            codes,
            name=f"list_{slug}_error_codes",
            summary=f"List the error codes of {name}",
            description="Each code of a CALLERROR as it is sent, and the other spellings that are accepted.",
        ),
    ]


def _fixed_route(path: str, value: schemas.Served, *, name: str, **options: Any) -> DocumentRoute:
    """Make the route of a single document."""
    content = value.model_dump(mode="json")
    document = json_document(content)
    return DocumentRoute(
        path,
        _sends(document),
        documents={path: document},
        response_model=type(value),
        dependencies=[Depends(refuse_unknown_parameters)],
        responses=answers(content),
        name=name.replace("-", "_"),
        tags=[TAG],
        **options,
    )


def _sends(document: Document) -> Callable[[], Awaitable[Response]]:
    async def show() -> Response:
        return DocumentResponse(document)

    return show


class _UnknownRoute(APIRoute):
    """The last of the catalog's routes: every method of every path that no other route serves."""

    def __init__(self, path: str, endpoint: Callable[..., Any], served: Iterable[BaseRoute]) -> None:
        super().__init__(path, endpoint, include_in_schema=False)
        self._served = tuple(served)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Do not match a path that another route serves by another method: that is a 405, not a 404."""
        if any(route.matches(scope)[0] is not Match.NONE for route in self._served):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the endpoint for every method."""
        await self.app(scope, receive, send)


def _unknown_route(catalog: Catalog, served: Iterable[BaseRoute]) -> BaseRoute:
    """Make the route of all other paths: a surplus slash is redirected, a wrong name gets a hint."""

    async def unknown(rest: str) -> Response:
        trimmed = rest.rstrip("/")
        if trimmed != rest or not rest:
            return RedirectResponse(f"{API_ROOT}/{trimmed}".rstrip("/"), 307)
        slug, _, resource = rest.partition("/")
        if slug not in catalog.protocols:
            raise UnknownName("protocol", slug, catalog.protocols, "protocol")
        resources = _RESOURCES if catalog.protocols[slug].definition else ()
        raise UnknownName(f"resource of {slug}", resource, resources)

    return _UnknownRoute(f"{API_ROOT}/{{rest:path}}", unknown, served)
