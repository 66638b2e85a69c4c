"""`/v1/local-lists`: what is refused names the field, and tenants do not see each other."""

from typing import Any

import pytest

from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.local_lists.service import LISTS_LIMIT
from app.local_lists.store import ListStateStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import Api

LISTS = "/v1/local-lists"


async def create(api: Api, token: str, **body: Any) -> Any:
    answer = await api.call("POST", LISTS, token, json={"name": "fleet", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_list_from_its_creation_to_its_end(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    async with api.services.storage.database.tenant(operator.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG-1"))
    made = await create(api, token, id_tags=["tag-1"], selector={"identities": ["RDAM-1"]}, note="Pool")
    named = made["selector"]["identities"]
    assert (made["id_tags"], named, made["enabled"]) == (["tag-1"], ["RDAM-1"], True)
    found = await api.call("GET", f"{LISTS}/fleet", token)
    assert found.json() == made
    stale = {"If-Match": '"old"'}
    refused = await api.call("PATCH", f"{LISTS}/fleet", token, json={"note": None}, headers=stale)
    assert refused.status_code == 412
    headers = {"If-Match": found.headers["etag"]}
    changed = await api.call("PATCH", f"{LISTS}/fleet", token, json={"enabled": False}, headers=headers)
    assert changed.json()["enabled"] is False
    assert (await api.call("PATCH", f"{LISTS}/fleet", token, json={})).json() == changed.json()
    shown = await api.call("GET", "/v1/charge-points/RDAM-1/local-list", token)
    assert (shown.json()["state"], shown.json()["list_name"]) == ("unmanaged", None)
    assert (await api.call("DELETE", f"{LISTS}/fleet", token)).status_code == 204
    assert (await api.call("GET", f"{LISTS}/fleet", token)).status_code == 404
    audited = (await api.call("GET", "/v1/audit", await api.key(operator))).json()["items"]
    acts = [entry["act"] for entry in audited]
    assert acts == ["delete_local_list", "change_local_list", "create_local_list"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "Fleet"}, "/name"),
        ({"id_tags": ["STRANGER"]}, "/id_tags/0"),
        ({"id_tags": ["X" * 21]}, "/id_tags/0"),
        ({"selector": {"identities": ["GONE"]}}, "/selector/identities/0"),
        ({"selector": {"labels": ["a b:"]}}, "/selector/labels/0"),
        ({"groups": ["a/b"]}, "/groups/0"),
        ({"all_id_tags": "yes"}, "/all_id_tags"),
        ({"labels": ["x"]}, "/labels"),
    ],
)
async def test_a_bad_field_is_named(api: Api, token: str, body: dict[str, Any], pointer: str) -> None:
    answer = await api.call("POST", LISTS, token, json={"name": "fleet", **body})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await api.call("GET", LISTS, token)).json()["items"] == []


async def test_labels_choose_the_list_of_a_charge_point(
    api: Api, token: str, charge_point: ChargePointId
) -> None:
    async def list_name() -> str | None:
        shown = await api.call("GET", "/v1/charge-points/RDAM-1/local-list", token)
        name: str | None = shown.json()["list_name"]
        return name

    await create(api, token, name="everywhere", selector={})
    await create(api, token, name="north", selector={"labels": ["site:north"]})
    await create(api, token, name="nowhere")
    assert await list_name() == "everywhere"
    change = {"labels": {"site": "north"}}
    assert (await api.call("PATCH", "/v1/charge-points/RDAM-1", token, json=change)).status_code == 200
    assert await list_name() == "north"
    await create(api, token, name="own", selector={"identities": ["RDAM-1"]})
    assert await list_name() == "own"
    await api.call("PATCH", f"{LISTS}/own", token, json={"selector": None})
    assert await list_name() == "north"


async def test_other_labels_let_the_list_be_looked_at(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    database = api.services.storage.database
    change = {"labels": {"site": "north"}}
    await api.call("PATCH", "/v1/charge-points/RDAM-1", token, json=change)
    async with database.tenant(operator.id) as work:
        # No list is meant for any charge point, so that nothing has to be looked at.
        assert await ListStateStore(work).get(charge_point) is None
    await create(api, token, name="south", selector={"labels": ["site:south"]})
    await api.call("PATCH", "/v1/charge-points/RDAM-1", token, json={"labels": {"site": "south"}})
    async with database.tenant(operator.id) as work:
        state = await ListStateStore(work).get(charge_point)
    assert state is not None
    assert state.check_at is not None


async def test_a_name_is_taken_once(api: Api, token: str) -> None:
    await create(api, token)
    answer = await api.call("POST", LISTS, token, json={"name": "fleet"})
    assert (answer.status_code, answer.json()["field"]) == (409, "name")


@pytest.mark.slow
async def test_a_tenant_has_a_limited_number_of_lists(api: Api, token: str) -> None:
    for number in range(LISTS_LIMIT):
        await create(api, token, name=f"list-{number}")
    answer = await api.call("POST", LISTS, token, json={"name": "one-more"})
    assert answer.status_code == 409
    first = (await api.call("GET", f"{LISTS}?limit=60", token)).json()
    second = (await api.call("GET", f"{LISTS}?limit=60&cursor={first['next_cursor']}", token)).json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (60, 40, None)


async def test_another_tenant_sees_nothing(api: Api, token: str, charge_point: ChargePointId) -> None:
    await create(api, token)
    other = await api.key(await api.tenant())
    for method, path in [
        ("GET", f"{LISTS}/fleet"),
        ("DELETE", f"{LISTS}/fleet"),
        ("GET", "/v1/charge-points/RDAM-1/local-list"),
        ("POST", "/v1/charge-points/RDAM-1/local-list/sync"),
    ]:
        assert (await api.call(method, path, other)).status_code == 404
    assert (await api.call("GET", LISTS, other)).json()["items"] == []


async def test_scopes(api: Api, operator: TenantRecord, charge_point: ChargePointId) -> None:
    reader = await api.key(operator, "read")
    sync = "/v1/charge-points/RDAM-1/local-list"
    assert (await api.call("GET", sync, reader)).status_code == 200
    assert (await api.call("POST", f"{sync}/sync", reader)).status_code == 403
    assert (await api.call("PATCH", sync, reader, json={"sync": False})).status_code == 403
    assert (await api.call("POST", LISTS, reader, json={"name": "fleet"})).status_code == 403


async def test_without_a_list_there_is_nothing_to_synchronize(
    api: Api, token: str, charge_point: ChargePointId
) -> None:
    path = "/v1/charge-points/RDAM-1/local-list"
    assert (await api.call("POST", f"{path}/sync", token)).status_code == 409
    switched = await api.call("PATCH", path, token, json={"sync": False})
    assert (switched.status_code, switched.json()["sync"]) == (200, False)
    assert (await api.call("PATCH", path, token, json={})).json()["sync"] is False
