"""Live pages: when they are told to ask again, whose events they follow, and what ends their stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.console.live import Pulses
from app.events.payloads import CommandStateChangedEvent, ConnectorStatusChangedEvent, Payload
from app.events.records import EventFilter
from app.events.streams import EventStreams
from app.events.writer import add_events
from app.metrics import EVENT_STREAMS
from app.tenants.records import TenantRecord
from app.types import ChargePointId, ChargePointKey, TenantId
from tests.support.api import NOW
from tests.support.console import ConsoleSite, Visitor
from tests.support.event_streams import StreamClient


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pulse_times(events: list[float], until: float) -> list[float]:
    """Return when pulses are sent, if events come at some seconds after the begin."""
    clock = Seconds()
    pulses, begin, sent = Pulses(clock), clock.now, list[float]()
    coming = list(events)
    while True:
        wait_s = pulses.wait_s()
        pulse_at = begin + until if wait_s is None else clock.now + wait_s
        event_at = begin + coming[0] if coming else begin + until
        clock.now = min(pulse_at, event_at)
        if clock.now >= begin + until:
            return sent
        if coming and event_at <= pulse_at:
            pulses.note()
            del coming[0]
        if pulses.take():
            sent.append(round(clock.now - begin, 6))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([0.0], [0.0, 1.0, 5.0]),
        ([0.0, 0.5], [0.0, 1.0, 2.0, 5.5]),
        ([0.0, 3.0], [0.0, 1.0, 3.0, 4.0, 8.0]),
    ],
)
def test_an_event_is_told_at_once_and_again_when_its_records_have_settled(
    events: list[float], expected: list[float]
) -> None:
    assert pulse_times(events, 20.0) == expected


def test_two_hundred_events_a_second_are_one_pulse_a_second() -> None:
    sent = pulse_times([number / 200 for number in range(2000)], 20.0)
    assert sent[:11] == [float(second) for second in range(11)]
    assert sent[-1] == pytest.approx(9.995 + 5.0)
    assert len(sent) <= 13


async def tell(site: ConsoleSite, point: ChargePointKey, payload: type[Payload]) -> None:
    """Write one event, and number it."""
    storage = site.api.services.storage
    async with storage.database.tenant(point.tenant_id) as work:
        await add_events(work, [payload.model_validate(payload.example).of(point, NOW)])
    while not await storage.sequencer.number():
        pass


@asynccontextmanager
async def following(site: ConsoleSite, visitor: Visitor, query: str = "") -> AsyncIterator[StreamClient]:
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    client = StreamClient(site.app, "/console/live", query, {"cookie": cookie})
    assert (await client.message())["comment"] == "The page is live."
    try:
        yield client
    finally:
        await client.leave()


async def settled(client: StreamClient) -> None:
    """Take the pulses of the begin."""
    for _ in range(3):
        assert (await client.event())["event"] == "changed"


async def test_every_page_with_live_parts_follows_the_stream(
    site: ConsoleSite, operator: TenantRecord, queued: object
) -> None:
    visitor = await site.logged_in(operator)
    for path in ("/fleet", "/commands", "/charge-points/RDAM-1"):
        text = (await visitor.get(path)).text
        assert text.count("sse-connect=") == 1, path
        assert "sse:changed" in text
        assert "every 2s" not in text


@pytest.mark.slow
async def test_a_page_follows_the_events_of_its_subject_and_charge_point(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    visitor, own = await site.logged_in(operator, "viewer"), ChargePointKey(operator.id, charge_point)
    elsewhere = await site.api.tenant()
    foreign = ChargePointKey(elsewhere.id, await site.api.charge_point(elsewhere, "RDAM-1"))
    other = ChargePointKey(operator.id, await site.api.charge_point(operator, "RDAM-2"))
    async with following(site, visitor, "subject=connector&charge_point=RDAM-1") as client:
        await settled(client)
        for point, payload in (
            (foreign, ConnectorStatusChangedEvent),
            (other, ConnectorStatusChangedEvent),
            (own, CommandStateChangedEvent),
        ):
            await tell(site, point, payload)
        waiting = asyncio.create_task(client.event())
        # The feed has told its streams before it reads again.
        streams = site.services.get(EventStreams)
        watch = await streams.open(TenantId(own.tenant_id), 0, EventFilter())
        async for events in watch.events():
            if any(event.type == CommandStateChangedEvent.type for event in events):
                break
        watch.close()
        assert not waiting.done()
        await tell(site, own, ConnectorStatusChangedEvent)
        assert (await waiting)["event"] == "changed"


async def test_the_stream_needs_a_session_and_a_subject_of_events(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    assert (await site.visitor().get("/live")).location == "/console/login"
    visitor = await site.logged_in(operator)
    wrong = await visitor.get("/live?subject=weather")
    assert (wrong.status, "is not a subject of events" in wrong.text) == (422, True)
    assert (await visitor.get("/live?tenant=other")).status == 422


async def test_a_stream_ends_with_its_session_and_is_closed(
    site: ConsoleSite, operator: TenantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.services.get(EventStreams), "heartbeat_s", 0.05)
    visitor = await site.logged_in(operator)
    before = EVENT_STREAMS._value.get()
    async with following(site, visitor) as client:
        await client.event()
        await site.logins.log_out(visitor.client.cookies["stationmaster_session"])
        async with asyncio.timeout(20):
            await asyncio.wait([client.task])
    assert EVENT_STREAMS._value.get() == before
