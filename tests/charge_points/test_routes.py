"""`/v1/charge-points`: what it creates, shows, changes and deletes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from app.charge_points.credentials import Credentials, key_bytes
from app.charge_points.records import BootFacts, StatusReport
from app.charge_points.store import ChargePointStore
from app.errors import NoSuchChargePoint
from app.live.envelopes import EvictEnvelope
from app.tenants.records import TenantRecord
from app.transactions.records import TransactionStop
from app.transactions.store.reading import TransactionStore
from app.types import ChargePointId
from tests.support.api import NOW, Api
from tests.support.operations import resolved
from tests.support.scripted_commands import ScriptedCommands
from tests.support.statuses import record_status

PATH = "/v1/charge-points"
CREATING = ("put", f"{PATH}/{{identity}}")


async def test_creation_shows_a_credential_that_logs_in(api: Api, operator: TenantRecord, token: str) -> None:
    response = await api.call("POST", PATH, token, json={"identity": "RDAM 1", "heartbeat_interval_s": 60})
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/charge-points/RDAM%201"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["charge_point"]["heartbeat_interval_s"] == 60
    assert body["charge_point"]["connected"] is False
    assert body["credential"]["username"] == "RDAM 1"
    assert body["credential"]["path"] == f"/ocpp/{operator.slug}/RDAM%201"
    async with api.services.storage.database.tenant(operator.id) as work:
        record = await ChargePointStore(work).get("RDAM 1")
    assert record is not None
    password = body["credential"]["password"]
    credentials = Credentials(api.services.settings.credential_pepper)
    assert credentials.matches(password.encode(), record.credential_hash)
    assert credentials.matches(key_bytes(password) or b"", record.credential_hash)


async def test_a_credential_is_never_shown_again(api: Api, token: str) -> None:
    created = await api.call("POST", PATH, token, json={"identity": "RDAM-1"})
    password = created.json()["credential"]["password"]
    for path in (PATH, f"{PATH}/RDAM-1"):
        assert password not in (await api.call("GET", path, token)).text


async def test_a_charge_point_without_credential_is_asked_for(api: Api, token: str) -> None:
    response = await api.call("POST", PATH, token, json={"identity": "RDAM-1", "no_credential": True})
    assert response.json()["credential"] is None
    assert response.json()["charge_point"]["no_credential"] is True


async def test_the_tenants_default_registration_is_taken(api: Api, platform_token: str) -> None:
    created = {"slug": "careful", "name": "Careful", "default_registration": "Pending"}
    await api.call("POST", "/v1/tenants", platform_token, json=created)
    minted = await api.call(
        "POST", "/v1/tenants/careful/api-keys", platform_token, json={"name": "k", "scopes": ["write"]}
    )
    response = await api.call("POST", PATH, minted.json()["token"], json={"identity": "RDAM-1"})
    assert response.json()["charge_point"]["registration_status"] == "Pending"


async def test_an_identity_is_taken_once(api: Api, token: str) -> None:
    await api.call("POST", PATH, token, json={"identity": "RDAM-1"})
    response = await api.call("POST", PATH, token, json={"identity": "RDAM-1"})
    assert response.status_code == 409
    assert response.json()["code"] == "conflict"


async def test_the_live_state_is_shown(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator, "RDAM-1")
    await api.charge_point(operator, "RDAM-2")
    await api.connect(operator, key, "RDAM-1")
    one = (await api.call("GET", f"{PATH}/RDAM-1", token)).json()
    assert (one["connected"], one["connected_since"]) == (True, "2026-05-04T08:15:30.000Z")
    listed = (await api.call("GET", PATH, token)).json()["items"]
    assert [(item["identity"], item["connected"]) for item in listed] == [("RDAM-1", True), ("RDAM-2", False)]


async def test_connections_that_replace_each_other_are_shown(
    api: Api, operator: TenantRecord, token: str
) -> None:
    owner = await api.connect(operator, await api.charge_point(operator, "RDAM-1"), "RDAM-1")
    assert (await api.call("GET", f"{PATH}/RDAM-1", token)).json()["flapping"] is False
    times = tuple(NOW.timestamp() - number for number in reversed(range(6)))
    api.services.presence.amend(replace(owner, take_overs=times))
    assert (await api.call("GET", f"{PATH}/RDAM-1", token)).json()["flapping"] is True
    (listed,) = (await api.call("GET", PATH, token)).json()["items"]
    assert listed["flapping"] is True
    api.clock.advance(600.0)
    assert (await api.call("GET", f"{PATH}/RDAM-1", token)).json()["flapping"] is False


async def test_the_listing_is_paged_and_narrowed(api: Api, operator: TenantRecord, token: str) -> None:
    for number in range(5):
        await api.charge_point(operator, f"RDAM-{number}")
    await api.charge_point(operator, "UTR-1")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        parameters = {"limit": "2", "prefix": "RDAM"} | ({"cursor": cursor} if cursor else {})
        page = (await api.call("GET", PATH, token, params=parameters)).json()
        seen += [item["identity"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"RDAM-{number}" for number in range(5)]
    assert cursor is None


async def test_a_patch_changes_what_it_names(api: Api, operator: TenantRecord, token: str) -> None:
    await api.charge_point(operator)
    path = f"{PATH}/RDAM-1"
    await api.call("PATCH", path, token, json={"name": "Gate", "heartbeat_interval_s": 600})
    changed = await api.call("PATCH", path, token, json={"heartbeat_interval_s": None})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["heartbeat_interval_s"]) == ("Gate", None)


@pytest.mark.parametrize("member", ["registration_status", "no_credential"])
async def test_a_patch_empties_only_what_may_be_empty(
    api: Api, operator: TenantRecord, token: str, member: str
) -> None:
    await api.charge_point(operator)
    response = await api.call("PATCH", f"{PATH}/RDAM-1", token, json={member: None})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"/{member}"


async def test_if_match_refuses_a_change_of_an_older_state(
    api: Api, operator: TenantRecord, token: str
) -> None:
    await api.charge_point(operator)
    path = f"{PATH}/RDAM-1"
    tag = (await api.call("GET", path, token)).headers["etag"]
    first = await api.call("PATCH", path, token, json={"name": "Gate"}, headers={"If-Match": tag})
    assert first.status_code == 200
    second = await api.call("PATCH", path, token, json={"name": "Door"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize("listing", [PATH, "/v1/id-tags", "/v1/tenants"])
async def test_of_changes_at_once_with_one_tag_one_is_made(
    api: Api, token: str, platform_token: str, listing: str
) -> None:
    body, change = {
        PATH: ({"identity": "RDAM-1"}, "name"),
        "/v1/id-tags": ({"id_tag": "A1"}, "note"),
        "/v1/tenants": ({"slug": "at-once", "name": "At once"}, "name"),
    }[listing]
    key = platform_token if listing == "/v1/tenants" else token
    path = (await api.call("POST", listing, key, json=body)).headers["location"]
    headers = {"If-Match": (await api.call("GET", path, key)).headers["etag"]}
    changes = (api.call("PATCH", path, key, json={change: f"{n}"}, headers=headers) for n in range(6))
    assert sorted(answer.status_code for answer in await asyncio.gather(*changes)) == [200] + [412] * 5


async def test_a_boot_between_read_and_change_is_no_conflict(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    path = f"{PATH}/RDAM-1"
    tag = (await api.call("GET", path, token)).headers["etag"]
    facts = BootFacts(at=NOW, vendor="Acme", model="Duo")
    assert await api.services.storage.login_batcher.record_boot(operator.id, key, facts) is not None
    assert (await api.call("GET", path, token, headers={"If-None-Match": tag})).status_code == 200
    changed = await api.call("PATCH", path, token, json={"name": "Gate"}, headers={"If-Match": tag})
    assert changed.status_code == 200


async def test_if_none_match_spares_the_body(api: Api, operator: TenantRecord, token: str) -> None:
    await api.charge_point(operator)
    tag = (await api.call("GET", f"{PATH}/RDAM-1", token)).headers["etag"]
    response = await api.call("GET", f"{PATH}/RDAM-1", token, headers={"If-None-Match": f'"x", {tag}'})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)


async def test_new_credentials_end_the_old_ones_and_the_session(
    api: Api, operator: TenantRecord, token: str
) -> None:
    created = await api.call("POST", PATH, token, json={"identity": "RDAM-1"})
    async with api.services.storage.database.tenant(operator.id) as work:
        record = await ChargePointStore(work).get("RDAM-1")
    assert record is not None
    owner = await api.connect(operator, ChargePointId(record.id), "RDAM-1")
    response = await api.call("POST", f"{PATH}/RDAM-1/credentials", token)
    assert response.status_code == 201
    async with api.services.storage.database.tenant(operator.id) as work:
        changed = await ChargePointStore(work).get("RDAM-1")
    assert changed is not None
    credentials = Credentials(api.services.settings.credential_pepper)
    assert credentials.matches(response.json()["password"].encode(), changed.credential_hash)
    old = created.json()["credential"]["password"]
    assert not credentials.matches(old.encode(), changed.credential_hash)
    evictions = [found for found in api.delivered if isinstance(found, EvictEnvelope)]
    assert [(found.identity, found.epoch) for found in evictions] == [("RDAM-1", owner.epoch + 1)]


async def test_deleting_ends_the_session(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    await api.connect(operator, key, "RDAM-1")
    assert (await api.call("DELETE", f"{PATH}/RDAM-1", token)).status_code == 204
    assert (await api.call("GET", f"{PATH}/RDAM-1", token)).status_code == 404
    assert (await api.call("DELETE", f"{PATH}/RDAM-1", token)).status_code == 404
    assert [type(found) for found in api.delivered] == [EvictEnvelope]


async def test_a_charge_point_with_billing_records_stays(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    await api.transaction(operator, key)
    assert (await api.call("DELETE", f"{PATH}/RDAM-1", token)).status_code == 409


async def test_a_charge_point_with_a_stop_that_fits_no_transaction_stays(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    stop = TransactionStop(operator.id, key, 99, NOW, NOW, 5000)
    assert (await api.services.storage.ledger.stop_transaction(stop)).outcome == "orphan"
    assert (await api.call("DELETE", f"{PATH}/RDAM-1", token)).status_code == 409
    async with api.services.storage.database.tenant(operator.id) as work:
        assert len(await TransactionStore(work).orphan_records(10)) == 1


async def test_connectors_are_shown(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    async with api.services.storage.database.tenant(operator.id) as work:
        for number, status in ((0, "Available"), (1, "Charging")):
            report = StatusReport(number, status, "NoError", NOW, NOW + timedelta(seconds=1), 1)
            await record_status(work.rows, work.tenant_id, key, report, 64)
    listed = (await api.call("GET", f"{PATH}/RDAM-1/connectors", token)).json()["items"]
    assert [(item["connector_id"], item["status"]) for item in listed] == [(0, "Available"), (1, "Charging")]
    one = (await api.call("GET", f"{PATH}/RDAM-1/connectors/1", token)).json()
    assert one == listed[1]
    missing = await api.call("GET", f"{PATH}/RDAM-1/connectors/2", token)
    assert (missing.status_code, missing.json()["field"]) == (404, "connector_id")


def _any_value_of(schema: dict[str, Any]) -> str:
    if schema.get("format") == "uuid":
        return str(UUID(int=1))
    return "0" * 32 if "32" in schema.get("pattern", "") else "1"


async def test_an_unknown_charge_point_is_named_in_one_form_everywhere(
    api: Api, token: str, scripted: ScriptedCommands
) -> None:
    scripted.outcome = NoSuchChargePoint("NOPE")
    tried = 0
    document = api.app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "{identity}" not in path or (method, path) == CREATING:
                continue
            filled = path.replace("{identity}", "NOPE")
            for found in operation["parameters"]:
                parameter = resolved(document, found)
                filled = filled.replace(f"{{{parameter['name']}}}", _any_value_of(parameter["schema"]))
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "charging_profile_id" in body.get("example", {}):
                # The stored profile is looked for first.
                continue
            answer = await api.call(method.upper(), filled, token, json=body.get("example"))
            assert answer.status_code == 404, (method, path, answer.text)
            # A thing of a charge point may be looked for by its own name.
            if answer.json()["field"] != path.rpartition("{")[2].partition("}")[0]:
                assert answer.json()["field"] == "identity", (method, path)
                assert answer.json()["detail"] == "There is no charge point 'NOPE'.", path
            tried += 1
    assert tried > 10
