"""The number of charge points of a tenant is bounded, however they are added, and so are its connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from app.storage import Storage
from tests.support.api import Api, open_api

PATH = "/v1/charge-points"


@pytest.fixture
async def small(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The API of a server on which each tenant may have two charge points."""
    changes = {"charge_points_of_tenant_limit": 2}
    async with open_api(storage, redis_url, settings.model_copy(update=changes)) as api:
        yield api


async def test_one_beyond_the_quota_is_refused_on_each_way(small: Api) -> None:
    token, other = [await small.key(await small.tenant()) for _ in range(2)]
    for identity in ("CP-1", "CP-2"):
        assert (await small.call("POST", PATH, token, json={"identity": identity})).status_code == 201
    for method, path, body in (("POST", PATH, {"identity": "CP-3"}), ("PUT", f"{PATH}/CP-3", {})):
        refused = await small.call(method, path, token, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "quota_exceeded"), method
    assert (await small.call("PUT", f"{PATH}/CP-2", token, json={})).status_code == 200
    assert (await small.call("POST", PATH, other, json={"identity": "CP-1"})).status_code == 201


async def test_charge_points_that_are_added_at_the_same_time_do_not_pass_the_quota(small: Api) -> None:
    token = await small.key(await small.tenant())
    added = await asyncio.gather(
        *(small.call("POST", PATH, token, json={"identity": f"CP-{number}"}) for number in range(5))
    )
    assert sorted(answer.status_code for answer in added) == [201, 201, 422, 422, 422]
