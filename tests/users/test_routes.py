"""`/v1/users`: a new user gets a link once, roles and locks count at once, and an admin is always left."""

from typing import Any

import pytest

from app.errors import Unauthorized
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.users.service import UserService
from tests.support.api import Api
from tests.support.console import PASSWORD, ConsoleSite

PATH = "/v1/users"


@pytest.fixture
async def admin(site: ConsoleSite, operator: TenantRecord) -> str:
    """Return an API key that may manage users; the tenant has an admin."""
    await site.services.get(UserService).create(TenantId(operator.id), "user:test", "admin", "admin")
    return await site.api.key(operator, "read", "command", "write", "admin")


async def call(api: Api, method: str, key: str, at: str = "", status: int = 200, **body: Any) -> Any:
    path = f"{PATH}/{at}" if at else PATH
    answer = await api.call(method, path, key, **({"json": body} if body else {}))
    assert answer.status_code == status, answer.text
    return None if status == 204 else answer.json()


async def test_a_new_user_gets_a_link_that_is_shown_once(site: ConsoleSite, admin: str) -> None:
    made = await call(site.api, "POST", admin, status=201, name="ann@example.com", role="viewer")
    ann = site.visitor()
    assert (await ann.post(made.pop("login_link").partition("/console")[2])).status == 303
    assert made.pop("login_link_expires_at") == "2026-05-04T08:30:30.000Z"
    shown = await call(site.api, "GET", admin, "ann@example.com")
    assert shown == {**made, "last_login_at": "2026-05-04T08:15:30.000Z"}
    assert (shown["role"], shown["locked"], shown["has_password"]) == ("viewer", False, False)
    again = await call(site.api, "POST", admin, status=409, name="ann@example.com", role="viewer")
    assert (again["code"], again["field"]) == ("conflict", "name")
    first = await site.api.call("GET", f"{PATH}?limit=1", admin)
    assert [item["name"] for item in first.json()["items"]] == ["admin"]
    cursor = first.json()["next_cursor"]
    rest = (await site.api.call("GET", f"{PATH}?cursor={cursor}", admin)).json()
    assert ([item["name"] for item in rest["items"]], rest["next_cursor"]) == (["ann@example.com"], None)


async def test_a_locked_user_is_out_and_stays_out(
    site: ConsoleSite, operator: TenantRecord, admin: str
) -> None:
    await call(site.api, "POST", admin, status=201, name="ann", role="admin")
    ann = site.visitor()
    await ann.post(await site.link(operator, "ann"))
    assert (await ann.submit("/account/password", password=PASSWORD, repeated=PASSWORD)).status == 303
    unused = await site.link(operator, "ann")
    assert (await call(site.api, "PATCH", admin, "ann", locked=True))["locked"] is True
    assert (await ann.get("/account")).location == "/console/login"
    assert (await site.visitor().post(unused)).status == 404
    with pytest.raises(Unauthorized, match="has locked"):
        await site.logins.by_password(operator.slug, "ann", PASSWORD, "192.0.2.1")
    later = await site.visitor().post(await site.link(operator, "ann"))
    assert (later.status, "has locked this user" in later.text) == (401, True)
    assert (await call(site.api, "PATCH", admin, "ann", locked=False))["locked"] is False
    await site.logins.by_password(operator.slug, "ann", PASSWORD, "192.0.2.1")


async def test_an_admin_who_may_log_in_is_always_left(site: ConsoleSite, admin: str) -> None:
    await call(site.api, "POST", admin, status=201, name="ann", role="admin")
    await call(site.api, "PATCH", admin, "ann", locked=True)
    for change in ({"role": "viewer"}, {"locked": True}):
        refused = await call(site.api, "PATCH", admin, "admin", status=409, **change)
        assert refused["code"] == "conflict"
    await call(site.api, "DELETE", admin, "admin", status=409)
    changed = await call(site.api, "PATCH", admin, "ann", role="operator", locked=False)
    assert (changed["role"], changed["locked"]) == ("operator", False)
    await call(site.api, "DELETE", admin, "ann", status=204)
    await call(site.api, "GET", admin, "ann", status=404)


async def test_a_change_may_demand_what_it_has_seen(site: ConsoleSite, admin: str) -> None:
    headers = {"If-Match": '"of-another-time"'}
    answer = await site.api.call("PATCH", f"{PATH}/admin", admin, json={"role": "admin"}, headers=headers)
    assert answer.status_code == 412


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "Ann Smith", "role": "viewer"}, "/name"),
        ({"name": "ann", "role": "owner"}, "/role"),
        ({"name": "ann", "role": "viewer", "password": "secret-canary"}, "/password"),
    ],
)
async def test_a_wrong_field_is_named(
    site: ConsoleSite, admin: str, body: dict[str, str], pointer: str
) -> None:
    refused = await call(site.api, "POST", admin, status=422, **body)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert "canary" not in str(refused)


async def test_the_console_locks_and_unlocks(site: ConsoleSite, operator: TenantRecord, admin: str) -> None:
    visitor = await site.logged_in(operator)
    await call(site.api, "POST", admin, status=201, name="ann", role="viewer")
    assert (await visitor.submit("/users/ann/lock", locked="true")).status == 303
    assert "Unlock ann" in (await visitor.get("/users")).text
    assert (await visitor.submit("/users/ann/lock", locked="false")).status == 303
    assert "Unlock ann" not in (await visitor.get("/users")).text
