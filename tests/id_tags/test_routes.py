"""Policies about tags, and tags for some charge points only, over HTTP and as a charge point sees them."""

from typing import Any

import asyncpg
import pytest

from app.id_tags.records import IdTagKey
from app.id_tags.service import Authorizer
from app.id_tags.store import find_id_tags
from app.tenants.records import TenantRecord
from app.transactions.records import StartKey
from app.transactions.store.starts import find_starts
from app.types import ChargePointId, TenantId
from tests.support.api import NOW, Api

POLICY = "/v1/authorization-policy"
OWN_POLICY = "/v1/charge-points/RDAM-1/authorization-policy"
TAGS = "/v1/id-tags"
EMAID = "DE*8AA*CA2B3C4D5*L"


@pytest.fixture
async def here(api: Api, operator: TenantRecord) -> ChargePointId:
    return await api.charge_point(operator)


async def authorized(api: Api, operator: TenantRecord, charge_point_id: ChargePointId, id_tag: str) -> str:
    authorizer = Authorizer(api.services.storage.message_steps)
    info = await authorizer.authorize(TenantId(operator.id), charge_point_id, id_tag, NOW)
    return str(info["status"])


async def test_without_a_policy_only_stored_tags_charge(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    assert (await api.call("GET", POLICY, token)).json() == {
        "unknown_id_tags": "refuse",
        "max_active_transactions": None,
        "max_active_transactions_of_group": None,
    }
    assert (await api.call("GET", OWN_POLICY, token)).json() == {"own": None, "unknown_id_tags": "refuse"}
    assert await authorized(api, operator, here, "UNKNOWN") == "Invalid"
    assert await authorized(api, operator, here, "") == "Invalid"


async def test_a_charge_point_has_its_own_policy_or_that_of_its_tenant(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    elsewhere = await api.charge_point(operator, "RDAM-2")
    assert (await api.call("PATCH", POLICY, token, json={"unknown_id_tags": "accept"})).json()[
        "unknown_id_tags"
    ] == "accept"
    changed = await api.call("PATCH", OWN_POLICY, token, json={"own": "free_charging"})
    assert changed.json() == {"own": "free_charging", "unknown_id_tags": "free_charging"}
    for place, unknown, empty in ((here, "Accepted", "Accepted"), (elsewhere, "Accepted", "Invalid")):
        assert await authorized(api, operator, place, "UNKNOWN") == unknown
        assert await authorized(api, operator, place, "") == empty
    assert (await api.call("PATCH", OWN_POLICY, token, json={})).json()["own"] == "free_charging"
    assert (await api.call("PATCH", OWN_POLICY, token, json={"own": None})).json()[
        "unknown_id_tags"
    ] == "accept"
    assert await authorized(api, operator, here, "") == "Invalid"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (POLICY, {"unknown_id_tags": "all"}),
        (POLICY, {"max_active_transactions": -1}),
        (OWN_POLICY, {"own": "none"}),
    ],
)
async def test_a_policy_has_few_values(
    api: Api, token: str, here: ChargePointId, path: str, body: dict[str, Any]
) -> None:
    assert (await api.call("PATCH", path, token, json=body)).status_code == 422


async def test_the_policy_of_an_unknown_charge_point_is_not_found(api: Api, token: str) -> None:
    assert (await api.call("GET", OWN_POLICY, token)).status_code == 404
    assert (await api.call("PATCH", OWN_POLICY, token, json={"own": "free_charging"})).status_code == 404


async def test_a_tag_charges_only_where_it_may(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    elsewhere = await api.charge_point(operator, "RDAM-2")
    made = await api.call("POST", TAGS, token, json={"id_tag": "LOCAL", "charge_points": ["RDAM-1"]})
    assert (made.status_code, made.json()["charge_points"]) == (201, ["RDAM-1"])
    assert await authorized(api, operator, here, "local ") == "Accepted"
    assert await authorized(api, operator, elsewhere, "LOCAL") == "Blocked"
    path = made.headers["location"]
    both = await api.call("PATCH", path, token, json={"charge_points": ["RDAM-2", "RDAM-1"]})
    assert both.json()["charge_points"] == ["RDAM-1", "RDAM-2"]
    assert await authorized(api, operator, elsewhere, "LOCAL") == "Accepted"
    nowhere = await api.call("PATCH", path, token, json={"charge_points": []})
    assert nowhere.json()["charge_points"] == []
    assert await authorized(api, operator, here, "LOCAL") == "Blocked"
    assert (await api.call("PATCH", path, token, json={"charge_points": None})).json()[
        "charge_points"
    ] is None
    assert await authorized(api, operator, here, "LOCAL") == "Accepted"


async def test_a_tag_for_an_unknown_charge_point_is_refused(api: Api, token: str) -> None:
    body = {"id_tag": "LOCAL", "charge_points": ["RDAM-9"]}
    refused = await api.call("POST", TAGS, token, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/charge_points/0")


async def test_the_status_of_a_group_holds_for_its_members(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    await api.call("POST", TAGS, token, json={"id_tag": "Fleet"})
    await api.call("POST", TAGS, token, json={"id_tag": "CAR-1", "parent_id_tag": "FLEET "})
    assert await authorized(api, operator, here, "CAR-1") == "Accepted"
    await api.call("PATCH", f"{TAGS}/Fleet", token, json={"status": "Blocked"})
    assert await authorized(api, operator, here, "CAR-1") == "Blocked"
    await api.call("DELETE", f"{TAGS}/Fleet", token)
    assert await authorized(api, operator, here, "CAR-1") == "Accepted"


async def test_a_tag_that_is_its_own_group_is_judged_once(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    await api.call("POST", TAGS, token, json={"id_tag": "SELF", "parent_id_tag": "SELF"})
    assert await authorized(api, operator, here, "SELF") == "Accepted"


async def test_a_long_tag_is_stored_and_its_padding_is_not(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId
) -> None:
    made = await api.call("POST", TAGS, token, json={"id_tag": EMAID + "  "})
    assert (made.status_code, made.json()["id_tag"]) == (201, EMAID)
    assert (await api.call("POST", TAGS, token, json={"id_tag": EMAID.lower()})).status_code == 409
    for presented in (EMAID, EMAID + " ", EMAID + "\0\0"):
        assert await authorized(api, operator, here, presented) == "Accepted"
    assert (await api.call("POST", TAGS, token, json={"id_tag": "E" * 36})).status_code == 201
    assert (await api.call("POST", TAGS, token, json={"id_tag": "E" * 37})).status_code == 422
    parent = {"id_tag": "CAR-2", "parent_id_tag": "E" * 21}
    assert (await api.call("POST", TAGS, token, json=parent)).status_code == 422


async def test_the_ledger_finds_policies_and_limits_of_any_tenant(
    api: Api, operator: TenantRecord, token: str, here: ChargePointId, database_url: str
) -> None:
    await api.call("PATCH", POLICY, token, json={"unknown_id_tags": "accept", "max_active_transactions": 2})
    elsewhere = await api.charge_point(operator, "RDAM-2")
    await api.call("PATCH", OWN_POLICY, token, json={"own": "free_charging"})
    await api.call("POST", TAGS, token, json={"id_tag": "A", "charge_points": ["RDAM-2"]})
    await api.call("POST", TAGS, token, json={"id_tag": "B", "max_active_transactions": 5})
    connection = await asyncpg.connect(database_url)
    try:
        keys = [(operator.id, here), (operator.id, elsewhere), (-1, here)]
        starts = [StartKey(*key, 1, "a", NOW, 0) for key in keys]
        found = await find_starts(connection, starts, NOW)
        tags = await find_id_tags(connection, [IdTagKey(operator.id, "a"), IdTagKey(operator.id, "b")])
    finally:
        await connection.close()
    assert found.policies == dict(zip(keys, ["free_charging", "accept", "refuse"], strict=True))
    assert found.tags == {key: tag for key, tag in tags.items() if key.id_tag_key == "a"}
    limits = {
        key.id_tag_key: (tag.max_active_transactions, tag.charge_point_ids) for key, tag in tags.items()
    }
    assert limits == {"a": (2, (elsewhere,)), "b": (5, None)}
