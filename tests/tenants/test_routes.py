"""`/v1/tenants` and API keys: for the platform, and for a tenant's own administrators."""

import pytest

from app.live.envelopes import EvictEnvelope
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from tests.support.api import Api

TENANTS = "/v1/tenants"


async def test_a_tenant_lives_and_dies(api: Api, platform_token: str) -> None:
    made = await api.call("POST", TENANTS, platform_token, json={"slug": "acme", "name": "Acme"})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/tenants/acme")
    assert made.json()["default_registration"] == "Accepted"
    again = await api.call("POST", TENANTS, platform_token, json={"slug": "acme", "name": "Acme"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    path = made.headers["location"]
    changed = await api.call("PATCH", path, platform_token, json={"strict_protocol": True})
    assert (changed.json()["strict_protocol"], changed.json()["name"]) == (True, "Acme")
    stale = await api.call(
        "PATCH", path, platform_token, json={"name": "B"}, headers={"If-Match": made.headers["etag"]}
    )
    assert stale.status_code == 412
    assert (await api.call("DELETE", path, platform_token)).status_code == 204
    assert (await api.call("GET", path, platform_token)).status_code == 404


async def test_deleting_a_tenant_ends_its_keys(api: Api, platform_token: str) -> None:
    tenant = await api.tenant()
    token = await api.key(tenant)
    key = await api.charge_point(tenant)
    await api.transaction(tenant, key)
    assert (await api.call("GET", "/v1/id-tags", token)).status_code == 200
    deleted = await api.call("DELETE", f"{TENANTS}/{tenant.slug}", platform_token)
    assert deleted.status_code == 204
    assert (await api.call("GET", "/v1/id-tags", token)).status_code == 401


async def test_deleting_a_tenant_ends_its_sessions(api: Api, platform_token: str) -> None:
    tenant, other = await api.tenant(), await api.tenant()
    for owner, identity in ((tenant, "RDAM-1"), (tenant, "RDAM-2"), (other, "RDAM-1")):
        await api.connect(owner, await api.charge_point(owner, identity), identity)
    assert (await api.call("DELETE", f"{TENANTS}/{tenant.slug}", platform_token)).status_code == 204
    evictions = [found for found in api.delivered if isinstance(found, EvictEnvelope)]
    assert {(found.tenant_id, found.identity) for found in evictions} == {
        (tenant.id, "RDAM-1"),
        (tenant.id, "RDAM-2"),
    }


async def test_what_a_deleted_tenant_still_sends_through_another_worker_is_no_failure_of_ours(
    api: Api, operator: TenantRecord, token: str
) -> None:
    assert (await api.call("GET", "/v1/id-tags", token)).status_code == 200
    async with api.services.storage.database.platform() as work:
        await TenantStore(work).delete(operator.id)
    tag = await api.call("POST", "/v1/id-tags", token, json={"id_tag": "A"})
    assert (tag.status_code, tag.json()["code"]) == (409, "conflict")
    point = await api.call("POST", "/v1/charge-points", token, json={"identity": "A"})
    assert point.status_code == 401
    key = await api.call("POST", "/v1/api-keys", token, json={"name": "A", "scopes": ["read"]})
    assert key.status_code == 409


async def test_tenants_are_paged(api: Api, platform_token: str) -> None:
    for _ in range(3):
        await api.tenant()
    whole = (await api.call("GET", TENANTS, platform_token, params={"limit": 200})).json()["items"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.call("GET", TENANTS, platform_token, params={"limit": "1", **cursor})).json()
        seen += [item["slug"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [item["slug"] for item in whole] == sorted(seen)


async def test_a_tenants_key_learns_nothing_of_tenants(api: Api, operator: TenantRecord, token: str) -> None:
    assert (await api.call("GET", TENANTS, token)).status_code == 403
    answers = {
        (await api.call("GET", f"{TENANTS}/{slug}", token)).content for slug in (operator.slug, "no-such-one")
    }
    assert len(answers) == 1
    assert (await api.call("GET", f"{TENANTS}/{operator.slug}", token)).status_code == 404


async def test_the_platform_makes_the_first_key_of_a_tenant(
    api: Api, operator: TenantRecord, platform_token: str
) -> None:
    path = f"{TENANTS}/{operator.slug}/api-keys"
    made = await api.call("POST", path, platform_token, json={"name": "first", "scopes": ["admin", "read"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert made.headers["location"].startswith(path)
    token = made.json()["token"]
    assert token.startswith(f"sm_{made.json()['prefix']}_")
    own = await api.call("GET", "/v1/api-keys", token)
    assert [item["name"] for item in own.json()["items"]] == ["first"]
    read = await api.call("GET", made.headers["location"], platform_token)
    assert read.status_code == 200
    assert "token" not in read.json()
    assert "secret_hash" not in read.json()


async def test_a_tenant_cannot_touch_anothers_keys(api: Api, operator: TenantRecord, token: str) -> None:
    other = await api.key(await api.tenant(), "admin", "read")
    made = await api.call("POST", "/v1/api-keys", other, json={"name": "k", "scopes": ["read"]})
    path = made.headers["location"]
    assert (await api.call("GET", path, token)).status_code == 404
    assert (await api.call("DELETE", path, token)).status_code == 404
    assert (await api.call("GET", path, other)).json()["revoked_at"] is None


async def test_a_platform_key_on_own_keys_means_the_platforms(api: Api, platform_token: str) -> None:
    made = await api.call(
        "POST", "/v1/api-keys", platform_token, json={"name": "second", "scopes": ["admin"]}
    )
    assert (await api.call("GET", TENANTS, made.json()["token"])).status_code == 200


async def test_keys_are_paged_and_revoked_ones_stay_listed(api: Api, token: str) -> None:
    for number in range(3):
        await api.call("POST", "/v1/api-keys", token, json={"name": f"k{number}", "scopes": ["read"]})
    first = (await api.call("GET", "/v1/api-keys", token, params={"limit": 2})).json()
    cursor = {"cursor": first["next_cursor"], "limit": 2}
    second = (await api.call("GET", "/v1/api-keys", token, params=cursor)).json()
    names = [item["name"] for page in (first, second) for item in page["items"]]
    assert names == ["a key", "k0", "k1", "k2"]
    path = f"/v1/api-keys/{second['items'][-1]['id']}"
    assert (await api.call("DELETE", path, token)).status_code == 204
    assert (await api.call("DELETE", path, token)).status_code == 204
    assert (await api.call("GET", path, token)).json()["revoked_at"] is not None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "k", "scopes": []}, "/scopes"),
        ({"name": "k", "scopes": ["root"]}, "/scopes/0"),
        ({"name": "", "scopes": ["read"]}, "/name"),
        ({"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "k", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"name": "k", "scopes": ["read"], "expires_at": 1900000000}, "/expires_at"),
        ({"name": "k", "scopes": ["read"], "secret": "mine"}, "/secret"),
        ({"scopes": ["read"]}, "/name"),
    ],
)
async def test_a_bad_key_request_names_the_member(
    api: Api, token: str, body: dict[str, object], pointer: str
) -> None:
    response = await api.call("POST", "/v1/api-keys", token, json=body)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_the_audit_of_a_tenant_shows_who_made_and_revoked_its_keys(
    api: Api, operator: TenantRecord, platform_token: str
) -> None:
    administrator = await api.key(operator, "admin", "read")
    body = {"name": "export", "scopes": ["read"]}
    own = await api.call("POST", "/v1/api-keys", administrator, json=body)
    by_platform = await api.call("POST", f"{TENANTS}/{operator.slug}/api-keys", platform_token, json=body)
    assert (own.status_code, by_platform.status_code) == (201, 201)
    key = f"/v1/api-keys/{own.json()['id']}"
    for _ in range(2):
        assert (await api.call("DELETE", key, administrator)).status_code == 204
    entries = (await api.call("GET", "/v1/audit", administrator)).json()["items"]
    actors = [f"key:{token.split('_')[1]}" for token in (administrator, platform_token)]
    subject = f"/v1/api-keys/{by_platform.json()['id']}"
    assert [(entry["act"], entry["actor"], entry["subject"]) for entry in entries] == [
        ("revoke_api_key", actors[0], key),
        ("create_api_key", actors[1], subject),
        ("create_api_key", actors[0], key),
    ]
    assert entries[0]["details"] == {
        "name": "export",
        "prefix": own.json()["prefix"],
        "scopes": ["read"],
    }
    assert own.json()["token"].split("_")[2] not in str(entries)


async def test_keys_of_the_platform_are_in_no_audit(api: Api, operator: TenantRecord, token: str) -> None:
    administrator = await api.key(None, "admin")
    body = {"name": "second", "scopes": ["admin"]}
    made = await api.call("POST", "/v1/api-keys", administrator, json=body)
    assert made.status_code == 201
    assert (await api.call("DELETE", f"/v1/api-keys/{made.json()['id']}", administrator)).status_code == 204
    assert (await api.call("GET", "/v1/audit", token)).json()["items"] == []


async def test_a_tenant_has_no_key_for_the_metrics_of_the_server(api: Api) -> None:
    tenant = await api.tenant()
    body = {"name": "prometheus", "scopes": ["metrics"]}
    refused = await api.call("POST", "/v1/api-keys", await api.key(tenant, "admin"), json=body)
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("/scopes", "platform_only")
    ]
    made = await api.call("POST", "/v1/api-keys", await api.key(None, "admin", "metrics"), json=body)
    assert made.status_code == 201
