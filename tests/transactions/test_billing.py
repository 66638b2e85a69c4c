"""The reads of billing: the transactions that changed, without a gap, and all of them as CSV."""

import asyncio
import csv
import io
import json
import shutil
from datetime import timedelta
from typing import Any

import pytest

from app.events.records import NewEvent
from app.events.writer import add_events
from app.tenants.records import TenantRecord
from app.transactions.records import TransactionStart, TransactionStop
from app.web.pagination import decode_cursor, encode_cursor
from tests.gateway.conftest import server
from tests.support.api import NOW, Api
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]

PATH = "/v1/transactions"
LIST = "/v1/transaction-list"


async def start(api: Api, tenant: TenantRecord, charge_point: Any, minute: int = 0, tag: str = "TAG") -> int:
    at = NOW + timedelta(minutes=minute)
    new = TransactionStart(tenant.id, charge_point, 1, tag, at, at, 1000)
    found: int = (await api.services.storage.ledger.start_transaction(new)).transaction_id
    return found


async def stop(api: Api, tenant: TenantRecord, charge_point: Any, number: int, wh: int) -> None:
    at = NOW + timedelta(hours=1)
    closing = TransactionStop(tenant.id, charge_point, number, at, at, wh, raw={})
    await api.services.storage.ledger.stop_transaction(closing)


async def numbered(api: Api) -> None:
    """Give all events that are committed their positions."""
    while not await api.services.storage.sequencer.number():
        pass


async def poll(api: Api, token: str, since: str, **parameters: Any) -> tuple[list[dict[str, Any]], str]:
    answer = await api.call("GET", PATH, token, params={"changed_since": since, **parameters})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return page["items"], page["next_cursor"]


async def test_a_poll_gets_each_change_once(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    first = await start(api, operator, key)
    second = await start(api, operator, key, 1)
    await numbered(api)
    found, cursor = await poll(api, token, "0")
    assert {one["id"] for one in found} == {first, second}
    assert await poll(api, token, cursor) == ([], cursor)
    await stop(api, operator, key, first, 5000)
    await numbered(api)
    [changed], later = await poll(api, token, cursor)
    assert (changed["id"], changed["state"], changed["energy_wh"]) == (first, "stopped", 4000)
    assert await poll(api, token, later) == ([], later)


async def test_a_cursor_that_no_change_has_had_is_refused(
    api: Api, operator: TenantRecord, token: str
) -> None:
    await start(api, operator, await api.charge_point(operator))
    await numbered(api)
    _, cursor = await poll(api, token, "0")
    position, _ = decode_cursor(cursor, list[int]) or []
    for beyond in (position + 10**6, 2**63 - 1):
        query = {"changed_since": encode_cursor([beyond, 1])}
        answer = await api.call("GET", PATH, token, params=query)
        assert (answer.status_code, answer.json()["field"]) == (422, "changed_since"), answer.text


async def test_pages_are_in_the_order_of_the_last_change(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    ids = [await start(api, operator, key, minute) for minute in range(3)]
    await numbered(api)
    await stop(api, operator, key, ids[0], 5000)
    await numbered(api)
    seen: list[int] = []
    cursor = "0"
    while True:
        found, cursor = await poll(api, token, cursor, limit=1)
        if not found:
            break
        seen += [one["id"] for one in found]
    assert seen[-1] == ids[0]
    assert sorted(seen) == ids


async def test_a_change_that_is_committed_late_is_not_skipped(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    late = await start(api, operator, key)
    await numbered(api)
    _, cursor = await poll(api, token, "0")
    database = api.services.storage.database
    async with database.tenant(operator.id) as work:
        # Written first, committed last.
        data = json.dumps({"id": late})
        await add_events(work, [NewEvent("transaction.updated", 1, operator.id, key, NOW, data)])
        other = await start(api, operator, await api.charge_point(operator, "UTR-1"))
        await numbered(api)
        found, cursor = await poll(api, token, cursor)
        assert [one["id"] for one in found] == [other]
    await numbered(api)
    found, _ = await poll(api, token, cursor)
    assert [one["id"] for one in found] == [late]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        pytest.param({"changed_since": "x"}, "changed_since", id="not a cursor"),
        pytest.param({"changed_since": "0", "charge_point": "CP"}, "charge_point", id="with a filter"),
        pytest.param({"changed_since": "0", "from": "2026-01-01T00:00:00Z"}, "from", id="with a time"),
        pytest.param({"changed_since": "0", "cursor": "NDE"}, "cursor", id="with a cursor"),
    ],
)
async def test_a_wrong_poll_is_refused(
    api: Api, operator: TenantRecord, token: str, parameters: dict[str, str], field: str
) -> None:
    answer = await api.call("GET", PATH, token, params=parameters)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_an_export_has_a_line_for_each_transaction(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator)
    first = await start(api, operator, key)
    second = await start(api, operator, key, 1, tag="=1+1")
    await stop(api, operator, key, first, 900)
    answer = await api.call("GET", LIST, token, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["id"]) for row in rows] == [second, first]
    assert rows[0]["id_tag"] == "'=1+1", "a spreadsheet must not take it for a formula"
    assert (rows[1]["energy_wh"], rows[1]["flags"]) == ("-100", "meter_decreased")
    assert rows[0]["stopped_at"] == ""
    narrowed = await api.call("GET", f"{LIST}?open=true", token)
    assert [one["id"] for one in narrowed.json()] == [second]
    assert (await api.call("GET", f"{LIST}?charge_point=OTHER", token)).json() == []


async def test_an_export_reads_a_batch_at_a_time(
    api: Api, operator: TenantRecord, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transactions.service._BATCH", 2)
    key = await api.charge_point(operator)
    ids = [await start(api, operator, key, minute) for minute in range(5)]
    listed = (await api.call("GET", LIST, token)).json()
    assert [one["id"] for one in listed] == ids[::-1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_of_the_page_poll_and_export(server: GatewayServer) -> None:
    page = OperatorPage("billing.md")
    await page.log_in(server)
    await server.register("RDAM-1")
    charger = await server.connect("RDAM-1")
    payload = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-01T10:00:00Z"}
    await charger.call("StartTransaction", payload, "a")
    first, again, export, as_json = page.commands
    while True:
        found = await page.run(first)
        if found["items"]:
            break
        await asyncio.sleep(0.05)
    page.know(CURSOR=found["next_cursor"])
    assert (await page.run(again))["items"] == []
    # The answer is CSV: its lines are counted.
    assert await page.run(f"{export} | wc -l") == 2
    assert [one["id"] for one in await page.run(as_json)] == [found["items"][0]["id"]]
