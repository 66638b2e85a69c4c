"""Over every route of the document: each scope opens what it names and nothing else (THREATS 21).

And each write leaves one entry in the audit.
"""

import asyncio
from typing import get_args

import pytest
from sqlalchemy import text

from app.types import Scope
from tests.support.api import Api
from tests.support.operations import Operation
from tests.system.contract.conftest import OwnedResources, make_owned

SCOPES: tuple[Scope, ...] = get_args(Scope)
_PATIENCE_S = 6.0
OPEN = {200, 201, 202, 204, 409}
HANDED_ON: dict[str, tuple[Scope, ...]] = {
    "create_api_key": ("read",),
    "create_user": ("read", "command", "write"),
}
"""The scopes that the example of an operation hands on, so the caller needs them, too."""


async def test_every_route_needs_a_key(api: Api, owned: OwnedResources, operations: list[Operation]) -> None:
    for operation in operations:
        path = operation.filled(owned.values)
        response = await api.call(operation.method, path, **operation.request())
        assert response.status_code == 401, operation
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_every_other_scope_together_does_not_open_a_route(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    tokens = {scope: await api.key(owned.tenant, *(set(SCOPES) - {scope})) for scope in SCOPES}
    platform = {scope: await api.key(None, *(set(SCOPES) - {scope})) for scope in SCOPES}
    for operation in operations:
        token = (platform if operation.of_platform else tokens)[_scope(operation.scope)]
        response = await api.call(
            operation.method, operation.filled(owned.values), token, **operation.request()
        )
        assert (response.status_code, response.json()["code"]) == (403, "forbidden"), operation


@pytest.mark.timeout(600)
async def test_its_own_scope_alone_opens_a_route_and_a_write_leaves_one_entry_of_the_audit(
    api: Api, operations: list[Operation]
) -> None:
    read_only = await make_owned(api)
    for operation in operations:
        owned = read_only if operation.method == "get" else await make_owned(api)
        owner = None if operation.of_platform else owned.tenant
        token = await api.key(owner, _scope(operation.scope), *HANDED_ON.get(operation.name, ()))
        body = operation.request(**owned.named)
        before = await newest_entry(api)
        response = await api.call(operation.method, operation.filled(owned.values), token, **body)
        if response.status_code == 503:
            # Server and client share this process. If that is slow, Redis counts as away for a moment.
            await asyncio.sleep(_PATIENCE_S)
            response = await api.call(operation.method, operation.filled(owned.values), token, **body)
        assert response.status_code in OPEN, (operation, response.text)
        entries = await entries_behind(api, before)
        is_write = operation.method != "get" and operation.scope != "read" and response.status_code < 400
        if is_write:
            assert len(entries) == 1, (operation, entries)
            ((actor, act),) = entries
            assert (actor, bool(act)) == (f"key:{token.split('_')[1]}", True), operation
        else:
            assert entries == [], operation


async def test_a_tenants_key_opens_no_route_of_the_platform(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    for operation in operations:
        if operation.of_platform:
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, owned.token, **operation.request())
            assert response.status_code == (404 if operation.parameters else 403), operation


async def test_a_platform_key_opens_no_route_of_a_tenant(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    token = await api.key(None)
    for operation in operations:
        if not operation.of_platform and not operation.path.startswith("/v1/api-keys"):
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, token, **operation.request())
            assert response.status_code == 403, operation


async def newest_entry(api: Api) -> int:
    """Return the highest id of an entry of any tenant."""
    async with api.services.storage.database.platform() as work:
        return int(await work.connection.scalar(text("select coalesce(max(id), 0) from audit")))


async def entries_behind(api: Api, entry_id: int) -> list[tuple[str, str]]:
    """Return who did what, of all tenants, behind an entry."""
    async with api.services.storage.database.platform() as work:
        statement = text("select actor, act from audit where id > :id order by id")
        return [(row[0], row[1]) for row in await work.connection.execute(statement, {"id": entry_id})]


def _scope(name: str) -> Scope:
    return next(scope for scope in SCOPES if scope == name)
