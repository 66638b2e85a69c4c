"""Records without transaction: meter values of a charge point, and billing messages that fit none."""

from datetime import timedelta
from typing import Any

import pytest

from app.tenants.records import TenantRecord
from app.transactions.records import TransactionStart, TransactionStop
from tests.support.api import NOW, Api
from tests.web.test_listings import pages

CHARGE_POINT = "/v1/charge-points/RDAM-1"
METER_VALUES = f"{CHARGE_POINT}/meter-values"
ORPHANS = f"{CHARGE_POINT}/orphan-records"
_MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["0", "1", "2", "3", "4"]),
        ({"limit": 2}, ["0", "1", "2", "3", "4"]),
        ({"limit": 5}, ["0", "1", "2", "3", "4"]),
        ({"connector_id": 0, "limit": 1}, ["1", "3"]),
        ({"connector_id": 7}, []),
        ({"from": "2026-05-04T08:16:30Z"}, ["2", "3", "4"]),
        ({"to": "2026-05-04T10:16:30 02:00"}, ["0", "1"]),
        ({"from": "2026-05-04T08:16:30Z", "to": "2026-05-04T08:17:30Z", "connector_id": 1}, ["2"]),
    ],
)
async def test_meter_values_of_a_charge_point_are_narrowed_and_paged(
    api: Api, operator: TenantRecord, token: str, parameters: dict[str, Any], found: list[str]
) -> None:
    key = await api.charge_point(operator)
    other = await api.charge_point(operator, "UTR-1")
    await api.meter_value(operator, other, sampled_values=[{"value": "other"}])
    for number in range(5):
        await api.meter_value(
            operator,
            key,
            connector_id=(number + 1) % 2,
            transaction_id=77 if number == 4 else None,
            sampled_at=NOW + _MINUTE * (number // 2),
            sampled_values=[{"value": str(number)}],
            digest=number - 3,
        )
    listed = await pages(api, METER_VALUES, token, **parameters)
    assert [value["sampled_values"][0]["value"] for value in listed] == found
    assert [value["transaction_id"] for value in listed] == [77 if name == "4" else None for name in found]


async def test_a_flag_of_the_start_and_of_the_stop_is_shown_once(
    api: Api, operator: TenantRecord, token: str
) -> None:
    place = (operator.id, await api.charge_point(operator))
    ledger, flags = api.services.storage.ledger, ("time_unreadable",)
    start = TransactionStart(*place, 1, "TAG", NOW, NOW, 1000, flags=flags)
    number = (await ledger.start_transaction(start)).transaction_id
    await ledger.stop_transaction(TransactionStop(*place, number, NOW, NOW, 900, flags=flags, raw={}))
    shown = (await api.call("GET", f"/v1/transactions/{number}", token)).json()
    assert shown["flags"] == ["time_unreadable", "meter_decreased"]


async def test_orphan_records_are_shown_as_they_came_and_paged(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    other = await api.charge_point(operator, "UTR-1")
    raw = '[2,"7","StopTransaction",[1e300]]'
    await api.orphan_record(operator, key)
    await api.orphan_record(operator, other, payload={"transactionId": -9})
    await api.orphan_record(operator, key, kind="stop_conflict", transaction_id=1042)
    await api.orphan_record(operator, key, kind="invalid", payload=[1e300], raw=raw)
    await api.orphan_record(operator, key, kind="invalid", action="StartTransaction", payload=None, raw="[2")
    stop = {
        "kind": "stop_unknown_transaction",
        "action": "StopTransaction",
        "payload": {"transactionId": -1, "meterStop": 4000},
        "raw": None,
        "received_at": "2026-05-04T08:15:30.000Z",
        "transaction_id": None,
    }
    expected = [
        {**stop, "kind": "invalid", "action": "StartTransaction", "payload": None, "raw": "[2"},
        {**stop, "kind": "invalid", "payload": [1e300], "raw": raw},
        {**stop, "kind": "stop_conflict", "transaction_id": 1042},
        stop,
    ]
    for limit in (1, 2, 4, 200):
        shown = await pages(api, ORPHANS, token, limit=limit)
        ids = [record.pop("id") for record in shown]
        assert (shown, ids) == (expected, sorted(ids, reverse=True))


@pytest.mark.parametrize("path", [METER_VALUES, ORPHANS])
async def test_they_are_of_the_callers_own_charge_points_only(
    api: Api, operator: TenantRecord, token: str, path: str
) -> None:
    key = await api.charge_point(operator)
    await api.meter_value(operator, key)
    await api.orphan_record(operator, key)
    stranger = await api.tenant()
    foreign = await api.key(stranger)
    assert (await api.call("GET", path, foreign)).status_code == 404
    await api.charge_point(stranger)
    assert await pages(api, path, foreign) == []
    assert len(await pages(api, path, token)) == 1


@pytest.mark.parametrize("path", [METER_VALUES, ORPHANS])
@pytest.mark.parametrize(
    "query",
    ["cursor=bm8", "cursor=LTE", "limit=0", "limit=201", "hurry=1", "cursor=OTIyMzM3MjAzNjg1NDc3NTgwOA"],
)
async def test_a_bad_query_is_refused(
    api: Api, operator: TenantRecord, token: str, path: str, query: str
) -> None:
    await api.charge_point(operator)
    response = await api.call("GET", f"{path}?{query}", token)
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [query.partition("=")[0]]
