"""`/v1/events` page by page and as a stream: filters, cursors, limits, and what ends a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import jsonschema
import orjson
import pytest

from app.errors import TooManyRequests
from app.events.payloads import ConnectorStatusChangedEvent, MeterValuesRecordedEvent, event_types
from app.events.reader import EventReader
from app.events.records import EventFilter
from app.events.schemas import event_type_of
from app.events.store import drop_events
from app.events.streams import EventStreams, ReaderTooSlow
from app.events.writer import add_events, packed_insert
from app.metrics import LIMITS_HIT
from app.tenants.records import TenantRecord
from app.types import ChargePointId, ChargePointKey, TenantId
from app.web.pagination import decode_cursor, encode_cursor
from tests.support.api import NOW, Api
from tests.support.event_streams import StreamClient

PATH = "/v1/events"
STREAM = {"accept": "text/event-stream"}


async def tell(api: Api, tenant: TenantRecord, point: int, *connectors: int) -> None:
    """Write one event for each connector, and number them."""
    storage = api.services.storage
    example = ConnectorStatusChangedEvent.example
    async with storage.database.tenant(tenant.id) as work:
        await add_events(
            work,
            [
                ConnectorStatusChangedEvent.model_validate({**example, "connector_id": number}).of(
                    ChargePointKey(tenant.id, point), NOW
                )
                for number in connectors
            ],
        )
    while not await storage.sequencer.number():
        pass


async def page(api: Api, token: str, query: str = "", status: int = 200) -> Any:
    answer = await api.call("GET", f"{PATH}{query}", token)
    assert answer.status_code == status, answer.text
    return answer.json()


def connectors(events: list[Any]) -> list[int]:
    return [event["data"]["connector_id"] for event in events]


async def test_pages_follow_each_other(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1, 2, 3)
    first = await page(api, token, "?limit=2")
    assert (connectors(first["items"]), first["has_more"]) == ([1, 2], True)
    assert first["items"][0] == {
        "id": first["items"][0]["id"],
        "type": "connector.status_changed",
        "version": 1,
        "charge_point": "RDAM-1",
        "occurred_at": "2026-05-04T08:15:30.000Z",
        "recorded_at": first["items"][0]["recorded_at"],
        "data": {**ConnectorStatusChangedEvent.example, "connector_id": 1},
    }
    assert first["next_cursor"] == first["items"][1]["id"]
    second = await page(api, token, f"?limit=2&after={first['next_cursor']}")
    assert (connectors(second["items"]), second["has_more"]) == ([3], False)
    await tell(api, operator, charge_point, 4)
    third = await page(api, token, f"?after={second['next_cursor']}")
    assert connectors(third["items"]) == [4]


async def test_filters(api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId) -> None:
    other = await api.charge_point(operator, "RDAM-2")
    await tell(api, operator, charge_point, 1)
    await tell(api, operator, other, 2)
    found = await page(api, token, "?charge_point=RDAM-2&charge_point=NONE")
    assert connectors(found["items"]) == [2]
    assert (await page(api, token, "?type=connection.opened"))["items"] == []
    both = await page(api, token, "?type=connection.opened&type=connector.status_changed")
    assert connectors(both["items"]) == [1, 2]


async def test_another_tenant_sees_none_of_them(
    api: Api, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1)
    stranger = await api.key(await api.tenant())
    assert (await page(api, stranger))["items"] == []
    assert (await page(api, stranger, "?charge_point=RDAM-1"))["items"] == []


@pytest.mark.parametrize(
    ("query", "headers", "field", "detail"),
    [
        ("?after=!", {}, "after", "cursor"),
        ("?after=bm8", {}, "after", "cursor"),
        ("", {"last-event-id": "bm8"}, "Last-Event-ID", "cursor"),
        ("?type=connection.open", {}, "type", "did you mean 'connection.opened'?"),
        ("?charge_point=%2F", {}, "charge_point", ""),
        ("?limit=0", {}, "limit", ""),
        ("?since=1", {}, "since", "is not a known parameter"),
    ],
)
async def test_bad_input_names_the_field(
    api: Api, token: str, query: str, headers: dict[str, str], field: str, detail: str
) -> None:
    answer = await api.call("GET", f"{PATH}{query}", token, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["field"].lower().startswith(field.lower())
    assert detail in answer.json()["detail"]


async def test_a_cursor_that_is_too_old_is_gone(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId, database_url: str
) -> None:
    await tell(api, operator, charge_point, 1, 2)
    first = (await page(api, token))["items"][0]["id"]
    connection = await asyncpg.connect(database_url)
    await drop_events(connection, datetime.now(UTC) + timedelta(days=2))
    await connection.close()
    problem = await page(api, token, f"?after={first}", 410)
    assert (problem["code"], problem["field"]) == ("events_expired", "after")
    answer = await api.call("GET", PATH, token, headers={**STREAM, "last-event-id": first})
    assert answer.status_code == 410
    assert (await page(api, token))["items"] == []


async def test_the_deletion_of_a_tenant_deletes_its_events(
    api: Api, platform_token: str, operator: TenantRecord, charge_point: ChargePointId, database_url: str
) -> None:
    await tell(api, operator, charge_point, 1)
    answer = await api.call("DELETE", f"/v1/tenants/{operator.slug}", platform_token)
    assert answer.status_code == 204, answer.text
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select count(*) from events where tenant_id = $1", operator.id) == 0
    await connection.close()


@asynccontextmanager
async def following(api: Api, token: str, query: str = "", **headers: str) -> AsyncIterator[StreamClient]:
    given = {"authorization": f"Bearer {token}", **STREAM, **headers}
    client = StreamClient(api.app, PATH, query, given)
    first = await client.message()
    assert (first["comment"], first["retry"]) == ("The events follow.", "1000")
    try:
        yield client
    finally:
        await client.leave()


def told(message: dict[str, str]) -> int:
    return connectors([orjson.loads(message["data"])])[0]


async def test_a_stream_tells_what_happens_from_now_on(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1)
    async with following(api, token) as client:
        await tell(api, operator, charge_point, 2)
        message = await client.event()
    assert message["event"] == "connector.status_changed"
    event = orjson.loads(message["data"])
    assert (event["id"], event["data"]["connector_id"]) == (message["id"], 2)


async def test_a_stream_that_goes_on_loses_and_doubles_nothing(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, *range(250))
    first = (await page(api, token, "?limit=1"))["items"][0]["id"]
    async with following(api, token, f"after={first}") as client:
        seen = [await client.event() for _ in range(240)]
        # It has not taken the rest when it connects again.
    await tell(api, operator, charge_point, 250, 251)
    async with following(api, token, f"after={first}", **{"last-event-id": seen[-1]["id"]}) as client:
        await tell(api, operator, charge_point, 252)
        seen += [await client.event() for _ in range(12)]
    assert list(map(told, seen)) == list(range(1, 253))


async def test_an_empty_last_event_id_is_none(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1, 2)
    first = (await page(api, token))["items"][0]["id"]
    async with following(api, token, f"after={first}", **{"last-event-id": ""}) as client:
        assert told(await client.event()) == 2


async def test_a_stream_that_breaks_before_its_first_event_loses_none(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1)
    client = StreamClient(api.app, PATH, "", {"authorization": f"Bearer {token}", **STREAM})
    began = (await client.message())["id"]
    await client.leave()
    await tell(api, operator, charge_point, 2)
    async with following(api, token, **{"last-event-id": began}) as again:
        assert told(await again.event()) == 2


async def test_a_heartbeat_goes_on_behind_what_the_filter_keeps_out(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    api.app.state.services.get(EventStreams).heartbeat_s = 0.1
    async with following(api, token, "type=connection.opened") as client:
        await tell(api, operator, charge_point, 1, 2)
        newest = (await page(api, token))["items"][-1]["id"]
        async with asyncio.timeout(20):
            while (await client.message())["id"] != newest:
                pass


async def test_a_page_goes_on_behind_what_the_filter_keeps_out(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await tell(api, operator, charge_point, 1, 2)
    newest = (await page(api, token))["items"][-1]["id"]
    found = await page(api, token, "?type=connection.opened")
    assert (found["items"], found["next_cursor"], found["has_more"]) == ([], newest, False)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_cursor_that_no_event_has_had_is_refused(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId, accept: str
) -> None:
    await tell(api, operator, charge_point, 1)
    newest = (await page(api, token))["next_cursor"]
    for position, status in ((decode_cursor(newest, int) or 0) + 1, 422), (2**63 - 1, 422):
        query = f"?after={encode_cursor(position)}"
        answer = await api.call("GET", f"{PATH}{query}", token, headers={"accept": accept})
        assert answer.status_code == status
        assert (answer.json()["field"], answer.json()["errors"][0]["code"]) == ("after", "invalid_cursor")
    assert (await page(api, token, f"?after={newest}"))["items"] == []


async def test_a_batch_that_cannot_be_read_is_passed_over(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId, database_url: str
) -> None:
    await tell(api, operator, charge_point, 1)
    connection = await asyncpg.connect(database_url)
    for packed in (b"\x07 of another version", b"[[1, 2", b"\x01\x02"):
        await connection.execute(packed_insert(MeterValuesRecordedEvent, [(operator.id, packed)]))
    await connection.close()
    await tell(api, operator, charge_point, 2)
    assert connectors((await page(api, token))["items"]) == [1, 2]


async def test_a_feed_that_fails_ends_its_streams_and_the_next_one_works(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = EventReader.read

    async def fail(*_: Any) -> Any:
        raise RuntimeError("a defect")

    async with following(api, token) as client:
        monkeypatch.setattr(EventReader, "read", fail)
        await tell(api, operator, charge_point, 1)
        message = await client.event()
        assert orjson.loads(message["data"])["code"] == "internal_error"
        monkeypatch.setattr(EventReader, "read", read)
        async with following(api, token) as second:
            await tell(api, operator, charge_point, 2)
            assert told(await second.event()) == 2


async def test_streams_of_one_tenant_have_their_own_filters(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    other = await api.charge_point(operator, "RDAM-2")
    async with (
        following(api, token, "charge_point=RDAM-2") as second,
        following(api, token, "type=connection.opened&type=connector.status_changed") as both,
    ):
        await tell(api, operator, charge_point, 1)
        await tell(api, operator, other, 2)
        assert told(await second.event()) == 2
        assert [told(await both.event()) for _ in range(2)] == [1, 2]


async def test_a_revoked_key_ends_its_stream(api: Api, operator: TenantRecord, platform_token: str) -> None:
    token = await api.key(operator, "read")
    streams = api.app.state.services.get(EventStreams)
    streams.heartbeat_s = 0.1
    async with following(api, token) as client:
        assert (await client.message())["comment"] == "ping"
        [key] = (await api.call("GET", f"/v1/tenants/{operator.slug}/api-keys", platform_token)).json()[
            "items"
        ]
        revoked = f"/v1/tenants/{operator.slug}/api-keys/{key['id']}"
        assert (await api.call("DELETE", revoked, platform_token)).status_code == 204
        # A key is cached for some seconds.
        api.clock.advance(60)
        message = await client.event()
    assert message["event"] == "stream.closed"
    assert orjson.loads(message["data"])["code"] == "unauthorized"
    assert "id" not in message


async def test_a_server_that_stops_ends_its_streams(api: Api, token: str) -> None:
    async with following(api, token) as client:
        api.app.state.services.get(EventStreams).end()
        message = await client.event()
        await asyncio.wait([client.task])
    assert orjson.loads(message["data"])["code"] == "server_stops"


async def test_a_client_that_leaves_frees_its_place(api: Api, token: str, operator: TenantRecord) -> None:
    settings = api.services.settings.model_copy(update={"event_streams_limit": 1})
    streams = EventStreams(api.services.events, settings)
    hit = LIMITS_HIT.labels("event_streams")._value
    before, tenant = hit.get(), TenantId(operator.id)
    first = await streams.open(tenant, None, EventFilter())
    with pytest.raises(TooManyRequests, match="1 streams of events are open"):
        await streams.open(tenant, None, EventFilter())
    assert hit.get() == before + 1
    first.close()
    (await streams.open(tenant, None, EventFilter())).close()


async def test_a_reader_that_is_too_slow_is_told_so(
    api: Api, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    settings = api.services.settings.model_copy(update={"event_buffer": 10})
    streams, tenant = EventStreams(api.services.events, settings), TenantId(operator.id)
    stream = await streams.open(tenant, None, EventFilter())
    follower = stream.events()
    await tell(api, operator, charge_point, 1)
    assert len(await anext(follower)) == 1
    await tell(api, operator, charge_point, *range(2, 30))
    with pytest.raises(ReaderTooSlow):
        await anext(follower)
    stream.close()


@pytest.mark.parametrize("payload", event_types().values(), ids=event_types())
def test_each_type_has_a_schema_that_its_example_fits(payload: Any) -> None:
    described = event_type_of(payload)
    jsonschema.Draft202012Validator.check_schema(described.json_schema)
    jsonschema.Draft202012Validator(described.json_schema).validate(payload.example)
    assert described.summary.endswith(".")
