"""The catalog's routes: public, documented, and answered from documents that are encoded once at start.

Put them first, straight into `app.router.routes` (see `DocumentRoute`), of an application that is a
`DocumentsFirst`. The errors raised here are rendered by the application's handler of `AppError`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog, ProtocolCatalog
from app.catalog.document_routes import DocumentRoute
from app.catalog.documents import Document, DocumentResponse, json_document
from app.catalog.routes.answers import TAG, answers
from app.catalog.routes.messages import message_routes
from app.catalog.routes.validation import validate_route
from app.catalog.shortcut import DocumentLookup, documents_of
from app.catalog.unknown_names import UnknownName

_RESOURCES = ("messages", "configuration-keys", "error-codes", "validate")


def catalog_routes(catalog: Catalog) -> list[BaseRoute]:
    """Every route below `/v1/protocols`, in the order in which they must be matched."""
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
        routes += protocol_routes(protocol)
    routes.append(_unknown_route(catalog, routes))
    return [DocumentLookup(documents_of(routes)), *routes]


def protocol_routes(protocol: ProtocolCatalog) -> list[BaseRoute]:
    """The routes of one protocol; messages and what follows only where the core describes them."""
    name, slug = protocol.entry.name, protocol.entry.slug
    routes: list[BaseRoute] = [
        _fixed_route(
            protocol.href,
            protocol.protocol,
            name=f"show_{slug}",
            summary=f"Show {name}",
            description=(
                "Identity, adoption, capability matrix, migration, security layer, message flow, deployments "
                "and the links that lead on: every fact of the protocol's page."
            ),
        )
    ]
    definition = protocol.definition
    if definition is None:
        return routes
    routes += message_routes(protocol)
    keys = schemas.ConfigurationKeyList(
        protocol=slug,
        count=len(definition.configuration_keys),
        configuration_keys=definition.configuration_keys,
    )
    codes = schemas.ErrorCodeList(
        protocol=slug, count=len(definition.error_codes), error_codes=definition.error_codes
    )
    routes += [
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
            description="Each code of a CALLERROR as it is sent, and how else it may be received.",
        ),
        validate_route(protocol),
    ]
    return routes


def _fixed_route(path: str, value: schemas.Served, *, name: str, **options: Any) -> DocumentRoute:
    content = value.model_dump(mode="json")
    document = json_document(content)
    return DocumentRoute(
        path,
        _sends(document),
        documents={path: document},
        response_model=type(value),
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
    """The last of the catalog's routes: whatever the method, a path that none of the others serves."""

    def __init__(self, path: str, endpoint: Callable[..., Any], served: Iterable[BaseRoute]) -> None:
        super().__init__(path, endpoint, include_in_schema=False)
        self._served = tuple(served)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave to the others what they serve by another method: that is a 405, not a 404."""
        if any(route.matches(scope)[0] is not Match.NONE for route in self._served):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the endpoint for every method."""
        await self.app(scope, receive, send)


def _unknown_route(catalog: Catalog, served: Iterable[BaseRoute]) -> BaseRoute:
    """What lies below the catalog and is nothing: a slash too many leads back, a wrong name gets a hint."""

    async def unknown(rest: str) -> Response:
        trimmed = rest.rstrip("/")
        if trimmed != rest or not rest:
            return RedirectResponse(f"{API_ROOT}/{trimmed}".rstrip("/"), 307)
        slug, _, resource = rest.partition("/")
        if slug not in catalog.protocols:
            raise UnknownName("protocol", slug, catalog.protocols, "protocol")
        raise UnknownName(f"resource of {slug}", resource, _resources(catalog.protocols[slug]))

    return _UnknownRoute(f"{API_ROOT}/{{rest:path}}", unknown, served)


def _resources(protocol: ProtocolCatalog) -> Iterable[str]:
    return _RESOURCES if protocol.definition else ()
