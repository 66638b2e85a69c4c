"""A key hands on no scope that it does not have: to another key, or to a person."""

import pytest

from app.tenants.records import TenantRecord
from app.types import Scope
from tests.support.api import Api

KEYS, USERS = "/v1/api-keys", "/v1/users"


@pytest.mark.parametrize("wanted", [["read"], ["admin", "command"], ["write", "admin"]])
async def test_a_key_makes_no_key_with_other_scopes(
    api: Api, operator: TenantRecord, wanted: list[str]
) -> None:
    token = await api.key(operator, "admin")
    refused = await api.call("POST", KEYS, token, json={"name": "k", "scopes": wanted})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.json()["field"] == "/scopes"
    made = await api.call("POST", KEYS, token, json={"name": "k", "scopes": ["admin"]})
    assert made.status_code == 201
    assert {key["prefix"] for key in (await api.call("GET", KEYS, token)).json()["items"]} == {
        token.split("_")[1],
        made.json()["prefix"],
    }


@pytest.mark.parametrize(
    ("role", "missing"), [("viewer", "read"), ("operator", "write"), ("admin", "command")]
)
async def test_a_key_makes_no_person_with_other_scopes(
    api: Api, operator: TenantRecord, role: str, missing: Scope
) -> None:
    scopes: set[Scope] = {"read", "write", "command", "admin"}
    strong = await api.key(operator, *scopes)
    weak = await api.key(operator, *(scopes - {missing}))
    person = {"name": "ann@example.com", "role": role}
    refused = await api.call("POST", USERS, weak, json=person)
    assert (refused.status_code, refused.json()["field"]) == (403, "/role")
    assert (await api.call("POST", USERS, strong, json=person)).status_code == 201
    for name in ("bob@example.com", "eve@example.com"):
        await api.call("POST", USERS, strong, json={"name": name, "role": "admin"})
    changed = await api.call("PATCH", f"{USERS}/bob@example.com", weak, json={"role": role})
    assert (changed.status_code, changed.json()["field"]) == (403, "/role")
    locked = await api.call("PATCH", f"{USERS}/bob@example.com", weak, json={"locked": True})
    assert locked.status_code == 200


async def test_the_platform_makes_keys_of_a_tenant_with_any_scope(api: Api, operator: TenantRecord) -> None:
    platform = await api.key(None, "admin")
    path = f"/v1/tenants/{operator.slug}/api-keys"
    made = await api.call("POST", path, platform, json={"name": "k", "scopes": ["read", "admin"]})
    assert made.status_code == 201
    own = await api.call("POST", KEYS, platform, json={"name": "k", "scopes": ["metrics"]})
    assert own.status_code == 403
