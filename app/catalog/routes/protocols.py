"""All routes of the catalog: documents that are encoded once at start, and the answer to other paths.

Put them straight into `app.router.routes` of an application that is a `DocumentsFirst`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog
from app.catalog.definition import Definition
from app.catalog.overview import make_map, make_matrix
from app.catalog.routes.deviations import deviation_routes
from app.catalog.routes.documents import document_route, slug_documents_route
from app.catalog.routes.lists import list_route, search_route
from app.catalog.routes.messages import message_routes
from app.catalog.routes.validation import ValidationLimit, validate_route
from app.near_names import UnknownName
from app.web.surplus_slashes import without_slash

_RESOURCES = ("messages", "configuration-keys", "error-codes", "security-events", "deviations", "validate")


def catalog_routes(
    catalog: Catalog, limit: ValidationLimit | None = None, further: Iterable[BaseRoute] = ()
) -> list[BaseRoute]:
    """Make every route of the catalog, in the order in which they must be matched.

    limit: how much strangers may have validated; None: the usual limit, by the address of the peer.
    further: routes below `/v1/protocols` that other packages add.
    """
    routes: list[BaseRoute] = [
        list_route(catalog),
        slug_documents_route(
            catalog,
            "",
            {slug: protocol.protocol for slug, protocol in catalog.protocols.items()},
            name="show_protocol",
            summary="Show a protocol",
            description="Every fact on the protocol's page, with its sources: identity, adoption, capability "
            "matrix, migration, security layer, message flow, versions, licence, and links to more.",
        ),
        *message_routes(catalog),
        *_definition_routes(catalog),
        *deviation_routes(catalog),
        validate_route(catalog, limit or ValidationLimit()),
        document_route(
            "/v1/protocol-map",
            make_map(catalog),
            name="show_protocol_map",
            summary="Show who speaks what to whom",
            description="The parties of electric mobility, and the protocols between them.",
        ),
        document_route(
            "/v1/protocol-matrix",
            make_matrix(catalog),
            name="show_protocol_matrix",
            summary="Show the capabilities of all protocols",
            description="The level of each capability in each protocol, with the reason.",
        ),
        search_route(catalog),
        *further,
    ]
    return [*routes, _unknown_route(catalog, routes)]


def _definition_routes(catalog: Catalog) -> list[BaseRoute]:
    """Make the routes of the lists that belong to a definition as a whole."""
    definitions = {
        slug: protocol.definition for slug, protocol in catalog.described.items() if protocol.definition
    }
    return [
        slug_documents_route(
            catalog,
            "/security-events",
            {slug: _security_events(slug, found) for slug, found in definitions.items()},
            name="list_protocol_security_events",
            summary="List the security events of a protocol",
            description="Each known type, and whether a charge point must push it. There may be others.",
        ),
        slug_documents_route(
            catalog,
            "/configuration-keys",
            {slug: _configuration_keys(slug, found) for slug, found in definitions.items()},
            name="list_protocol_configuration_keys",
            summary="List the standard configuration keys of a protocol",
            description="Profile, access, type, unit and section of each key.",
        ),
        slug_documents_route(
            catalog,
            "/error-codes",
            {slug: _error_codes(slug, found) for slug, found in definitions.items()},
            name="list_protocol_error_codes",
            summary="List the error codes of a protocol",
            description="Each code of a CALLERROR as it is sent, and the other spellings that are accepted.",
        ),
    ]


def _security_events(slug: str, definition: Definition) -> schemas.SecurityEventList:
    events = definition.security_events
    return schemas.SecurityEventList(protocol=slug, count=len(events), security_events=events)


def _configuration_keys(slug: str, definition: Definition) -> schemas.ConfigurationKeyList:
    keys = definition.configuration_keys
    return schemas.ConfigurationKeyList(protocol=slug, count=len(keys), configuration_keys=keys)


def _error_codes(slug: str, definition: Definition) -> schemas.ErrorCodeList:
    codes = definition.error_codes
    return schemas.ErrorCodeList(protocol=slug, count=len(codes), error_codes=codes)


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

    async def unknown(request: Request, rest: str) -> Response:
        if rest.endswith("/") or not rest:
            return without_slash(request)
        slug, _, resource = rest.partition("/")
        if slug not in catalog.protocols:
            raise UnknownName("protocol", slug, catalog.protocols, "slug")
        resources = _RESOURCES if slug in catalog.described else ()
        raise UnknownName(f"resource of {slug}", resource, resources)

    return _UnknownRoute(f"{API_ROOT}/{{rest:path}}", unknown, served)
