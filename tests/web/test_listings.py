"""Id tags, transactions, meter values and frames: reading, narrowing, paging."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import null

from app.database.text import json_text
from app.frame_log import tables as frame_log_tables
from app.ocpp import pack_samples
from app.tenants.records import TenantRecord
from app.transactions import tables as transaction_tables
from tests.support.api import NOW, Api

TAGS = "/v1/id-tags"
TRANSACTIONS = "/v1/transactions"


async def pages(api: Api, path: str, token: str, **parameters: Any) -> list[dict[str, Any]]:
    """Every item of a listing, read page by page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await api.call("GET", path, token, params={**parameters, **cursor})
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if response.json()["next_cursor"] is None:
            return items
        cursor = {"cursor": response.json()["next_cursor"]}


async def test_an_id_tag_lives_and_dies(api: Api, token: str) -> None:
    body = {"id_tag": "B4A6#3C%", "expires_at": "2027-01-01T00:00:00+01:00", "max_active_transactions": 1}
    made = await api.call("POST", TAGS, token, json=body)
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/id-tags/B4A6%233C%25"
    assert made.json()["expires_at"] == "2026-12-31T23:00:00.000Z"
    read = await api.call("GET", made.headers["location"].lower(), token)
    assert read.json() == made.json()
    again = await api.call("POST", TAGS, token, json={"id_tag": "b4a6#3c%"})
    assert again.status_code == 409
    changed = await api.call("PATCH", made.headers["location"], token, json={"expires_at": None})
    assert (changed.json()["expires_at"], changed.json()["max_active_transactions"]) == (None, 1)
    assert (await api.call("DELETE", made.headers["location"], token)).status_code == 204
    assert (await api.call("GET", made.headers["location"], token)).status_code == 404


async def test_id_tags_are_narrowed_and_paged(api: Api, token: str) -> None:
    for tag in ("aa1", "AA2", "AB1", "B%"):
        await api.call("POST", TAGS, token, json={"id_tag": tag})
    await api.call("PATCH", f"{TAGS}/AA2", token, json={"status": "Blocked"})
    assert [tag["id_tag"] for tag in await pages(api, TAGS, token, prefix="aA", limit=1)] == ["aa1", "AA2"]
    assert [tag["id_tag"] for tag in await pages(api, TAGS, token, status="Blocked")] == ["AA2"]
    assert [tag["id_tag"] for tag in await pages(api, TAGS, token, prefix="B%")] == ["B%"]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, [2, 1, 0, 3]),
        ({"limit": 1}, [2, 1, 0, 3]),
        ({"open": "true"}, [1, 0, 3]),
        ({"open": "false"}, [2]),
        ({"charge_point": "UTR-1"}, [3]),
        ({"charge_point": "NO-1"}, []),
        ({"connector_id": 2}, [1]),
        ({"id_tag": "B4a63cdf"}, [1, 0, 3]),
        ({"from": "2026-05-05T00:00:00Z", "to": "2026-05-07T00:00:00+00:00"}, [1]),
        ({"from": "2026-05-06T02:00:00 02:00"}, [2]),
    ],
)
async def test_transactions_are_narrowed_and_paged(
    api: Api, operator: TenantRecord, token: str, parameters: dict[str, Any], found: list[int]
) -> None:
    first = await api.charge_point(operator, "RDAM-1")
    second = await api.charge_point(operator, "UTR-1")
    stop = {"stopped_at": NOW, "stopped_received_at": NOW, "meter_stop_wh": 900, "stop_reason": "Local"}
    ids = [
        await api.transaction(operator, first, started_at=NOW),
        await api.transaction(operator, first, started_at=NOW + timedelta(days=1), connector_id=2),
        await api.transaction(
            operator, first, started_at=NOW + timedelta(days=3), id_tag="X", id_tag_key="x", **stop
        ),
        await api.transaction(operator, second, started_at=NOW - timedelta(days=1)),
    ]
    listed = [ids.index(item["id"]) for item in await pages(api, TRANSACTIONS, token, **parameters)]
    assert listed == found


async def test_a_transaction_is_shown_whole(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    transaction_id = await api.transaction(
        operator,
        key,
        stopped_at=NOW,
        stopped_received_at=NOW,
        meter_stop_wh=900,
        flags=["meter_decreased"],
        stop_reason="EVDisconnected",
    )
    shown = await api.call("GET", f"{TRANSACTIONS}/{transaction_id}", token)
    body = shown.json()
    assert (body["id"], body["charge_point"], body["energy_wh"]) == (transaction_id, "RDAM-1", -100)
    assert (body["flags"], body["id_tag_info"]) == (["meter_decreased"], {"status": "Accepted"})
    unchanged = await api.call(
        "GET", f"{TRANSACTIONS}/{transaction_id}", token, headers={"If-None-Match": shown.headers["etag"]}
    )
    assert unchanged.status_code == 304


async def test_meter_values_are_paged_in_the_order_of_their_time(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    transaction_id = await api.transaction(operator, key)
    rows = [
        {
            "tenant_id": operator.id,
            "charge_point_id": key,
            "connector_id": 1,
            "transaction_id": transaction_id,
            "sampled_at": NOW + timedelta(minutes=number // 2),
            "received_at": NOW,
            "context": "periodic",
            # Versions before have written the text itself.
            "packed_values": pack_samples(json_text([{"value": str(number)}])) if number % 2 else None,
            "sampled_values": null() if number % 2 else [{"value": str(number)}],
            "digest": number - 3,
        }
        for number in range(5)
    ]
    async with api.services.storage.database.platform() as work:
        await work.connection.execute(transaction_tables.meter_values.insert(), rows)
    path = f"{TRANSACTIONS}/{transaction_id}/meter-values"
    found = await pages(api, path, token, limit=2)
    assert [value["sampled_values"][0]["value"] for value in found] == ["0", "1", "2", "3", "4"]


async def test_the_frame_log_is_narrowed_and_paged(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    texts = ['[2,"1","Heartbeat",{}]', '[3,"1",{}]', '[2,"2","Authorize",{"idTag":"Heartbeat"}]']
    runs = [
        {
            "id": number,
            "tenant_id": operator.id,
            "charge_point_id": key,
            "connection_id": "c",
            "at": NOW,
            "times": [NOW] * len(run),
            "directions": ["out" if text.startswith("[3") else "in" for text in run],
            "texts": run,
            "deviations": None,
        }
        for number, run in ((1, texts[:2]), (3, texts[2:]))
    ]
    async with api.services.storage.database.platform() as work:
        await work.connection.execute(frame_log_tables.frame_runs.insert(), runs)
    path = "/v1/charge-points/RDAM-1/frames"
    assert [frame["text"] for frame in await pages(api, path, token, limit=1)] == texts[::-1]
    assert [frame["text"] for frame in await pages(api, path, token, direction="out")] == [texts[1]]
    assert texts[0] in [frame["text"] for frame in await pages(api, path, token, action="Heartbeat")]
    assert await pages(api, path, token, to="2026-05-04T08:15:30Z") == []
    assert len(await pages(api, path, token, **{"from": "2026-05-04T08:15:30Z"})) == 3
    missing = await api.call("GET", "/v1/charge-points/NO-1/frames", token)
    assert missing.status_code == 404
