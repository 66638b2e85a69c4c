"""Over every route of the document: each request counts, and commands count for their tenant."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from tests.support.api import Api, open_api
from tests.support.operations import Operation

Opening = Callable[[str], AbstractAsyncContextManager[Api]]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def open_limited(storage: Storage, redis_url: str, settings: Settings) -> Opening:
    """Return the way to the API with a limit of one request a minute."""

    @asynccontextmanager
    async def opening(limit: str) -> AsyncIterator[Api]:
        async with open_api(storage, redis_url, settings.model_copy(update={limit: 1})) as api:
            yield api

    return opening


def path_of(operation: Operation) -> str:
    """Return a path to what does not exist."""
    return operation.filled(dict.fromkeys(operation.parameters, UNKNOWN))


async def asked(api: Api, operation: Operation, token: str, *, until: int) -> httpx.Response:
    """Send a request, and again if its answer is not the expected one: within a minute a token comes back."""
    answer = await api.call(operation.method, path_of(operation), token, **operation.request())
    if answer.status_code != until:
        answer = await api.call(operation.method, path_of(operation), token, **operation.request())
    return answer


async def tokens_of(api: Api) -> tuple[TenantRecord, dict[bool, str]]:
    tenant = await api.tenant()
    return tenant, {False: await api.key(tenant), True: await api.key(None)}


async def test_each_route_refuses_a_key_without_requests_left(
    open_limited: Opening, operations: list[Operation]
) -> None:
    async with open_limited("requests_of_key_per_minute") as api:
        _, tokens = await tokens_of(api)
        for token in tokens.values():
            assert (await api.call("GET", "/v1/api-keys", token)).status_code == 200
        for operation in operations:
            token = tokens[operation.of_platform]
            answer = await asked(api, operation, token, until=429)
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests"), operation
            assert answer.headers["ratelimit"].startswith('"key";r=0;'), operation
            assert int(answer.headers["retry-after"]) > 0, operation


async def test_each_route_that_commands_charge_points_counts_for_the_tenant(
    open_limited: Opening, operations: list[Operation]
) -> None:
    async with open_limited("commands_of_tenant_per_minute") as api:
        tenant, tokens = await tokens_of(api)
        for operation in operations:
            # Another key of the tenant does not help.
            token = tokens[True] if operation.of_platform else await api.key(tenant)
            is_command = operation.scope == "command"
            if is_command:
                answer = await asked(api, operation, token, until=429)
            else:
                answer = await api.call(operation.method, path_of(operation), token, **operation.request())
            assert (answer.status_code == 429) == is_command, (operation, answer.text)
            assert ('"commands"' in answer.headers["ratelimit"]) == is_command, operation
