"""Events from the socket of a charge point to a client of a stream, through two workers and a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import Operator, connecting, serving

pytestmark = pytest.mark.slow


@asynccontextmanager
async def stream(url: str, token: str, last_event_id: str | None) -> AsyncIterator[AsyncIterator[str]]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("GET", f"{url}/v1/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield answer.aiter_lines()


async def next_event(lines: AsyncIterator[str]) -> tuple[str, str, dict[str, object]]:
    """Return type, id and payload of the next event."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line and "event" in fields:
            data = json.loads(fields["data"])
            return fields["event"], fields.get("id", ""), data.get("data", data)
    raise AssertionError("the stream has ended")


async def test_a_charge_point_is_followed_over_a_restart(
    settings: Settings, database: Database, tenant: TenantRecord
) -> None:
    last: str | None = None
    seen: list[str] = []
    account = await open_account(database, settings, tenant)
    token, key = account.token, ""
    for turn in range(2):
        async with serving(settings, workers=2) as served:
            async with Operator(served.url, token) as operator:
                key = key or await operator.register("CP-1")
            async with asyncio.timeout(60), stream(served.url, token, last) as lines:
                async with connecting(served, account.slug, "CP-1", key) as socket:
                    for number, status in enumerate(("Preparing", "Charging")):
                        payload = {"connectorId": 1, "status": status, "errorCode": "NoError"}
                        await socket.send(json.dumps([2, f"{turn}-{number}", "StatusNotification", payload]))
                        await socket.recv()
                while "connection.closed" not in seen[5 * turn :]:
                    kind, last, data = await next_event(lines)
                    seen.append(f"{kind} {data.get('status', '')}".strip())
    story = ["connection.opened", "connector.status_changed Preparing", "connector.status_changed Charging"]
    assert [one for one in seen if one.startswith("connect")] == [*story, "connection.closed"] * 2
