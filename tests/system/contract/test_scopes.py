"""Over every route of the document: each scope opens what it names and nothing else (THREATS 21)."""

from typing import get_args

from app.types import Scope
from tests.support.api import Api
from tests.support.operations import operations_of
from tests.system.contract.conftest import OwnedResources, make_owned

SCOPES: tuple[Scope, ...] = get_args(Scope)
OPEN = {200, 201, 202, 204, 409}


async def test_every_route_needs_a_key(api: Api, owned: OwnedResources) -> None:
    for operation in operations_of(api.app.openapi()):
        path = operation.filled(owned.values)
        response = await api.call(operation.method, path, **operation.request())
        assert response.status_code == 401, operation
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_every_other_scope_together_does_not_open_a_route(api: Api, owned: OwnedResources) -> None:
    tokens = {scope: await api.key(owned.tenant, *(set(SCOPES) - {scope})) for scope in SCOPES}
    platform = {scope: await api.key(None, *(set(SCOPES) - {scope})) for scope in SCOPES}
    for operation in operations_of(api.app.openapi()):
        token = (platform if operation.of_platform else tokens)[_scope(operation.scope)]
        response = await api.call(
            operation.method, operation.filled(owned.values), token, **operation.request()
        )
        assert (response.status_code, response.json()["code"]) == (403, "forbidden"), operation


async def test_its_own_scope_alone_opens_a_route(api: Api) -> None:
    for operation in operations_of(api.app.openapi()):
        owned = await make_owned(api)
        owner = None if operation.of_platform else owned.tenant
        token = await api.key(owner, _scope(operation.scope))
        body = operation.request(**owned.named)
        response = await api.call(operation.method, operation.filled(owned.values), token, **body)
        assert response.status_code in OPEN, (operation, response.text)


async def test_a_tenants_key_opens_no_route_of_the_platform(api: Api, owned: OwnedResources) -> None:
    for operation in operations_of(api.app.openapi()):
        if operation.of_platform:
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, owned.token, **operation.request())
            assert response.status_code == (404 if operation.parameters else 403), operation


async def test_a_platform_key_opens_no_route_of_a_tenant(api: Api, owned: OwnedResources) -> None:
    token = await api.key(None)
    for operation in operations_of(api.app.openapi()):
        if not operation.of_platform and not operation.path.startswith("/v1/api-keys"):
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, token, **operation.request())
            assert response.status_code == 403, operation


def _scope(name: str) -> Scope:
    return next(scope for scope in SCOPES if scope == name)
