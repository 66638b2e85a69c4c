"""The audit over REST: what was done by hand, the newest first, each tenant its own."""

import asyncpg
import pytest
from structlog.testing import capture_logs

from app.audit.records import NewAuditEntry
from app.audit.store import insert_entries
from app.cli.administration import create_key, revoke_key
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api
from tests.web.test_listings import pages

PATH = "/v1/audit"


async def _note(database_url: str, *entries: NewAuditEntry) -> None:
    connection = await asyncpg.connect(database_url)
    await insert_entries(connection, entries)
    await connection.close()


@pytest.mark.parametrize("limit", [1, 2, 200])
async def test_entries_are_listed_and_paged(
    api: Api, operator: TenantRecord, token: str, database_url: str, limit: int
) -> None:
    other = await api.tenant()
    entry = NewAuditEntry(operator.id, NOW, "key:a", "end_transaction", "/v1/transactions/1", "First\x00.")
    second = NewAuditEntry(operator.id, NOW, "key:b", "attach_orphan_record", "/v1/x", "Second.", {"n": 1})
    foreign = NewAuditEntry(other.id, NOW, "key:c", "end_transaction", "/v1/x", "Foreign.")
    await _note(database_url, entry, foreign, second)
    listed = await pages(api, PATH, token, limit=limit)
    assert [(one["actor"], one["reason"], one["details"]) for one in listed] == [
        ("key:b", "Second.", {"n": 1}),
        ("key:a", "First\ufffd.", {}),
    ]


async def test_it_needs_the_scope_to_read(api: Api, operator: TenantRecord) -> None:
    key = await api.key(operator, "write")
    assert (await api.call("GET", PATH, key)).status_code == 403


async def test_keys_of_the_command_line_are_in_the_audit(
    api: Api, operator: TenantRecord, token: str
) -> None:
    database, pepper = api.services.storage.database, api.services.settings.credential_pepper
    made = await create_key(database, pepper, tenant=operator.slug, name="billing", scopes=("read",))
    prefix = made.split("_")[1]
    for _ in range(2):
        await revoke_key(database, prefix)
    listed = await pages(api, PATH, token)
    assert [(one["actor"], one["act"]) for one in listed] == [
        ("command-line", "revoke_api_key"),
        ("command-line", "create_api_key"),
    ]
    assert listed[1]["details"] == {"name": "billing", "prefix": prefix, "scopes": ["read"]}
    assert made.split("_")[2] not in str(listed)


async def test_who_changes_how_a_charge_point_gets_in_is_told(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = "00112233445566778899AABBCCDDEEFF00112233"
    point = "/v1/charge-points/RDAM-9"
    rows = [{"identity": "RDAM-9", "authorization_key": key[::-1]}, {"identity": "RDAM-8"}]
    for method, path, body in (
        ("POST", "/v1/charge-points", {"identity": "RDAM-9"}),
        ("POST", f"{point}/credentials", None),
        ("PUT", f"{point}/credentials", {"authorization_key": key}),
        ("PUT", f"{point}/credentials", {"authorization_key": key}),
        ("PATCH", point, {"name": "Gate"}),
        ("PATCH", point, {"no_credential": True}),
        ("PUT", point, {"name": "Gate"}),
        ("POST", "/v1/charge-point-rows", rows),
        ("POST", "/v1/charge-point-rows", rows),
        ("DELETE", point, None),
        ("PUT", "/v1/allowed-origins", {"allowed_origins": ["https://page.example.com"]}),
    ):
        answer = await api.call(method, path, token, json=body)
        assert answer.status_code < 300, answer.text
    # Of other requests the entry names the method.
    listed = [one for one in await pages(api, PATH, token) if "method" not in one["details"]]
    assert [(one["act"], one["subject"], one["details"]) for one in reversed(listed)] == [
        ("replace_credential", point, {}),
        ("import_credential", point, {}),
        ("set_no_credential", point, {"no_credential": True}),
        ("set_no_credential", point, {"no_credential": False}),
        ("import_credential", point, {}),
        ("delete_charge_point", point, {}),
        ("change_tenant", f"/v1/tenants/{operator.slug}", {"allowed_origins": ["https://page.example.com"]}),
    ]
    assert {one["actor"] for one in listed} == {f"key:{token.split('_')[1]}"}
    assert key not in str(listed)


async def test_what_the_platform_does_to_itself_is_in_the_log(api: Api, platform_token: str) -> None:
    with capture_logs() as logs:
        made = await api.call(
            "POST", "/v1/api-keys", platform_token, json={"name": "ops", "scopes": ["admin"]}
        )
    assert made.status_code == 201, made.text
    (told,) = [line for line in logs if line["event"] == "platform_act"]
    assert (told["act"], told["subject"]) == ("create_api_key", "/v1/api-keys")
    assert told["actor"] == f"key:{platform_token.split('_')[1]}"
    assert made.json()["token"] not in str(told)
