"""Each command of docs/tenants.md, as an operator would run it."""

import shutil
from typing import get_args

import pytest

from app.types import Scope
from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_platform_key

__all__ = ["server"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_make_watch_and_delete_a_tenant(server: GatewayServer) -> None:
    page = OperatorPage("tenants.md")
    await page.log_in(server)
    page.know(PLATFORM_KEY=await new_platform_key(server))
    create, change, first, second, keys, revoke, audit, health, suspend, delete = page.commands
    assert (await page.run(create))["default_registration"] == "Accepted"
    assert (await page.run(change))["default_registration"] == "Pending"
    administrator = await page.run(first)
    # Metrics are of the platform.
    assert set(administrator["scopes"]) == set(get_args(Scope)) - {"metrics"}
    page.know(KEY=administrator["token"])
    export = await page.run(second)
    assert export["scopes"] == ["read"]
    assert {key["id"] for key in (await page.run(keys))["items"]} == {administrator["id"], export["id"]}
    page.know(ID=export["id"])
    assert await page.run(revoke) == 204
    (revoked,) = [key for key in (await page.run(keys))["items"] if key["id"] == export["id"]]
    assert revoked["revoked_at"] is not None
    # The first use of a key is written in the background.
    audited = [entry for entry in (await page.run(audit))["items"] if entry["act"] != "log_in"]
    acts = [(entry["act"], entry["subject"]) for entry in audited]
    of_tenant = [("change_tenant", "/v1/tenants/blue"), ("create_tenant", "/v1/tenants/blue")]
    made, ended = f"/v1/api-keys/{administrator['id']}", f"/v1/api-keys/{export['id']}"
    assert acts == [
        ("revoke_api_key", ended),
        ("create_api_key", ended),
        ("create_api_key", made),
        *of_tenant,
    ]
    assert await page.run(health) == 200
    assert (await page.run(suspend))["suspension_reason"] == "The bill was not paid."
    assert await page.run(delete) == 204
    assert "blue" not in str(
        await page.run('curl -s -H "Authorization: Bearer $PLATFORM_KEY" "$SERVER/v1/tenants"')
    )


def test_the_page_names_each_scope() -> None:
    text = OperatorPage("tenants.md").text
    assert [scope for scope in get_args(Scope) if f"| `{scope}` |" not in text] == []
