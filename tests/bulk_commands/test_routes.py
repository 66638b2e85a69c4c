"""Bulks of commands over HTTP: what is refused, and what a caller sees."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from tests.support.api import Api, open_api

BODY = {"action": "Reset", "payload": {"type": "Soft"}, "charge_points": ["RDAM-1"]}


@pytest.fixture
async def api(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    """Open the API with real commands."""
    async with open_api(storage, redis_url, settings) as opened:
        yield opened


@pytest.fixture
async def points(api: Api, operator: TenantRecord) -> list[str]:
    for identity in ("RDAM-1", "RDAM-2"):
        await api.charge_point(operator, identity)
    return ["RDAM-1", "RDAM-2"]


async def test_a_bulk_is_a_resource(api: Api, operator: TenantRecord, token: str, points: list[str]) -> None:
    response = await api.call("POST", "/v1/commands", token, json={**BODY, "charge_points": points})
    assert response.status_code == 202, response.text
    made = response.json()
    assert (made["state"], made["total"], made["counts"]) == ("running", 2, {"waiting": 2})
    assert (made["action"], made["payload"]) == ("Reset", {"type": "Soft"})
    path = response.headers["location"]
    assert (await api.call("GET", path, token)).json() == made
    listed = (await api.call("GET", "/v1/bulk-commands?limit=1", token)).json()
    assert listed == {"items": [made], "next_cursor": None}
    commands = (await api.call("GET", f"/v1/commands?bulk_id={made['id']}", token)).json()["items"]
    assert sorted(item["charge_point"] for item in commands) == points
    assert {item["bulk_id"] for item in commands} == {made["id"]}
    response = await api.call("POST", f"{path}/cancel", token)
    assert (response.json()["state"], response.json()["counts"]) == ("cancelled", {"cancelled": 2})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "Rest"}, "action"),
        ({"payload": {"type": "Warm"}}, "/payload/type"),
        ({"payload": []}, "/payload"),
        ({"charge_points": []}, "/charge_points"),
        ({"charge_points": ["RDAM-1", "NO-SUCH"]}, "/charge_points/1"),
        ({"charge_points": ["RDAM-1", "RDAM-1"]}, "/charge_points/1"),
        ({"charge_points": ["\u0000"]}, "/charge_points/0"),
        ({"filter": {}}, ""),
        ({"charge_points": None}, ""),
        ({"charge_points": None, "filter": {"prefix": "NONE"}}, "/filter"),
        ({"charge_points": None, "filter": {"label": "x"}}, "/filter/label"),
        # An empty variable of a program does not mean the whole fleet.
        ({"charge_points": None, "filter": {"prefix": None}}, "/filter"),
        ({"charge_points": None, "filter": {"prefix": "RDAM", "vendor": None}}, "/filter"),
        ({"charge_points": None, "filter": {"labels": ["site:a", "site:b"]}}, "/filter"),
        ({"payload": {"key": "HeartbeatInterval", "value": 10**30}}, "/payload"),
        ({"payload": {"key": 2**64, "value": "600"}}, "/payload"),
        ({"payload": {"key": "a", "value": float("1e308")}}, "/payload"),
        ({"timeout_s": 0}, "/timeout_s"),
        ({"timeout_s": 100_000}, "/timeout_s"),
        ({"expires_in": 10**12}, "/expires_in"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"not_before": "tomorrow"}, "/not_before"),
        ({"when_offline": "later"}, "/when_offline"),
        ({"surplus": 1}, "/surplus"),
    ],
)
async def test_what_breaks_a_rule_names_the_field(
    api: Api, operator: TenantRecord, token: str, points: list[str], changes: dict[str, Any], field: str
) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    response = await api.call("POST", "/v1/commands", token, json=body)
    assert response.status_code in (404, 422), response.text
    assert response.json()["field"].startswith(field)
    assert (await api.call("GET", "/v1/commands", token)).json()["items"] == []


async def test_a_filter_has_what_the_list_of_charge_points_has(
    api: Api, operator: TenantRecord, token: str, points: list[str]
) -> None:
    await api.call("PATCH", "/v1/charge-points/RDAM-2", token, json={"labels": {"site": "a:b"}})
    found: list[dict[str, Any]] = [{"labels": ["site:a:b"]}, {"labels": ["site"], "search": "rdam-"}]
    for filters in found:
        body = {**BODY, "filter": filters}
        del body["charge_points"]
        made = (await api.call("POST", "/v1/commands", token, json=body)).json()
        assert (made["total"], made["filter"]) == (1, filters)
    for name in ("vendor", "model", "firmware_version"):
        refused = await api.call("POST", "/v1/commands", token, json={**body, "filter": {name: "x"}})
        assert (refused.status_code, refused.json()["field"]) == (422, "/filter")


async def test_each_route_needs_its_scope(api: Api, operator: TenantRecord, points: list[str]) -> None:
    reader = await api.key(operator, "read")
    assert (await api.call("POST", "/v1/commands", reader, json=BODY)).status_code == 403
    assert (await api.call("GET", "/v1/bulk-commands", reader)).status_code == 200
    unknown = "/v1/bulk-commands/5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11"
    assert (await api.call("GET", unknown, reader)).status_code == 404
    assert (await api.call("POST", f"{unknown}/cancel", reader)).status_code == 403


async def test_another_tenant_cannot_see_or_reach_it(
    api: Api, operator: TenantRecord, token: str, points: list[str]
) -> None:
    made = await api.call("POST", "/v1/commands", token, json=BODY)
    stranger = await api.key(await api.tenant())
    path = made.headers["location"]
    assert (await api.call("GET", path, stranger)).status_code == 404
    assert (await api.call("POST", f"{path}/cancel", stranger)).status_code == 404
    refused = await api.call("POST", "/v1/commands", stranger, json=BODY)
    assert (refused.status_code, refused.json()["field"]) == (422, "/charge_points/0")


async def test_a_repeated_key_gives_the_same_bulk(
    api: Api, operator: TenantRecord, token: str, points: list[str]
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.call("POST", "/v1/commands", token, json=BODY, headers=headers)
    again = await api.call("POST", "/v1/commands", token, json=BODY, headers=headers)
    assert again.json() == first.json()
    other = await api.call(
        "POST", "/v1/commands", token, json={**BODY, "payload": {"type": "Hard"}}, headers=headers
    )
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
