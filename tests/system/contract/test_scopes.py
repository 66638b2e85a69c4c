"""Over every route of the document: each scope opens what it names and nothing else (THREATS 21)."""

from typing import get_args

from app.types import Scope
from tests.support.api import Edge
from tests.support.operations import operations_of
from tests.system.contract.conftest import Estate, make_estate

SCOPES: tuple[Scope, ...] = get_args(Scope)
OPEN = {200, 201, 202, 204, 409}


async def test_every_route_needs_a_key(edge: Edge, estate: Estate) -> None:
    for operation in operations_of(edge.app.openapi()):
        path = operation.filled(estate.values)
        response = await edge.call(operation.method, path, **operation.request())
        assert response.status_code == 401, operation
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_every_other_scope_together_does_not_open_a_route(edge: Edge, estate: Estate) -> None:
    tokens = {scope: await edge.key(estate.tenant, *(set(SCOPES) - {scope})) for scope in SCOPES}
    platform = {scope: await edge.key(None, *(set(SCOPES) - {scope})) for scope in SCOPES}
    for operation in operations_of(edge.app.openapi()):
        token = (platform if operation.of_platform else tokens)[_scope(operation.scope)]
        response = await edge.call(
            operation.method, operation.filled(estate.values), token, **operation.request()
        )
        assert (response.status_code, response.json()["code"]) == (403, "forbidden"), operation


async def test_its_own_scope_alone_opens_a_route(edge: Edge) -> None:
    for operation in operations_of(edge.app.openapi()):
        estate = await make_estate(edge)
        owner = None if operation.of_platform else estate.tenant
        token = await edge.key(owner, _scope(operation.scope))
        response = await edge.call(
            operation.method, operation.filled(estate.values), token, **operation.request()
        )
        assert response.status_code in OPEN, (operation, response.text)


async def test_a_tenants_key_opens_no_route_of_the_platform(edge: Edge, estate: Estate) -> None:
    for operation in operations_of(edge.app.openapi()):
        if operation.of_platform:
            path = operation.filled(estate.values)
            response = await edge.call(operation.method, path, estate.token, **operation.request())
            assert response.status_code == (404 if operation.parameters else 403), operation


async def test_a_platform_key_opens_no_route_of_a_tenant(edge: Edge, estate: Estate) -> None:
    token = await edge.key(None)
    for operation in operations_of(edge.app.openapi()):
        if not operation.of_platform and not operation.path.startswith("/v1/api-keys"):
            path = operation.filled(estate.values)
            response = await edge.call(operation.method, path, token, **operation.request())
            assert response.status_code == 403, operation


def _scope(name: str) -> Scope:
    return next(scope for scope in SCOPES if scope == name)
