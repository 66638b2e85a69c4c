"""The limits of all strangers together, from many addresses: connections, bytes, time."""

import asyncio
import contextlib
from typing import Any

import pytest

from app.gateway import anonymous_connections as module
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits
from tests.gateway.test_anonymous_connections import (
    GET,
    POST,
    Crowd,
    answer_all,
    answer_the_body,
    connect,
    hits,
    is_open,
    rest,
    serving,
)
from tests.support.gateway import until

LIMIT_BYTES = 1_000_000
ANSWER_BYTES = 8_000_000
HANDSHAKE = (
    b"GET /ocpp/t/C HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
)


async def answer_much(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request by more than the sockets keep."""
    if scope["type"] != "http":
        await answer_all(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * ANSWER_BYTES})


async def answer_never(scope: Any, receive: Any, send: Any) -> None:
    """Take in each request, and leave it."""
    if scope["type"] == "lifespan":
        await answer_all(scope, receive, send)
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.02)


async def test_many_addresses_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hits("anonymous_connections")
    crowd = Crowd(connections=100)
    for number in range(100):
        assert crowd.come(f"2001:db8:{number:x}::1") is not None
    # All of them have just come.
    assert crowd.come("192.0.2.1") is None
    monkeypatch.setattr(module, "_GRACE_S", -1.0)
    for number in range(50):
        assert crowd.come(f"2001:db8:1{number:03x}::1") is not None
    assert [one.aborted for one in crowd.transports] == [True] * 50 + [False] * 100
    assert len(crowd.anonymous) == 100
    assert hits("anonymous_connections") == before + 51


async def test_those_that_wait_for_their_turn_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", -1.0)
    crowd = Crowd(connections=2)
    waiting, idle = crowd.come("192.0.2.1"), crowd.come("192.0.2.2")
    assert waiting is not None
    assert idle is not None
    waiting.flow.pause_reading()
    assert crowd.come("192.0.2.3") is not None
    assert [one.aborted for one in crowd.transports] == [False, True, False]


async def test_a_flood_of_one_address_costs_no_look_at_each_connection() -> None:
    crowd = Crowd(per_address=2, connections=50)
    for number in range(50):
        assert crowd.come("192.0.2.1" if number < 3 else f"198.51.100.{number}") is not None
    assert crowd.come("192.0.2.1") is None
    assert crowd.come("192.0.2.2") is not None
    # The crowd is none any longer, so the next one is told to come again.
    assert crowd.come("192.0.2.3") is None


HOLDING = {
    "half a head": (answer_all, b"GET / HTTP/1.1\r\na: " + b"x" * 30_000),
    "half a head of many fields": (answer_all, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 99),
    "a body that is never whole": (answer_the_body, POST + b"8000\r\n" + b"x" * 0x7FFF),
    "a body that is not read": (answer_never, POST + b"%x\r\n" % 60_000 + b"x" * 60_000),
    "bytes behind a handshake": (answer_never, HANDSHAKE + b"x" * 60_000),
}


@pytest.mark.parametrize(("app", "sent"), HOLDING.values(), ids=HOLDING)
async def test_the_bytes_of_strangers_are_bounded_together(app: Any, sent: bytes) -> None:
    before = hits("anonymous_bytes")
    anonymous = AnonymousConnections(AnonymousLimits(per_address=10_000, held_bytes=LIMIT_BYTES))
    held = 0
    async with serving(app, anonymous) as port, asyncio.timeout(30):
        while hits("anonymous_bytes") == before:
            await connect(port, sent)
            await asyncio.sleep(0)
            held = max(held, anonymous.held_bytes)
    # Nothing is left of those that have ended.
    assert len(anonymous) == anonymous.held_bytes == 0
    assert LIMIT_BYTES // 2 < held <= LIMIT_BYTES + 262_144


async def test_answers_that_are_not_read_are_bounded_together() -> None:
    before = hits("anonymous_bytes")
    async with serving(answer_much, held_bytes=2 * ANSWER_BYTES) as port, asyncio.timeout(30):
        while hits("anonymous_bytes") == before:
            reader, _ = await connect(port, GET)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)


async def test_the_longest_and_largest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(held_bytes=1000)
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    entered = [crowd.come(f"192.0.2.{number}") for number in range(4)]
    first, second, third, fourth = (one for one in entered if one is not None)
    crowd.anonymous.hold(first, 300)
    now = 1.0
    crowd.anonymous.hold(second, 350)
    crowd.anonymous.hold(third, 300)
    now = 2.0
    crowd.anonymous.hold(fourth, 100)
    # 300 bytes for two seconds, then 350 for one: three quarters of 1000 are left after the first.
    assert [one.aborted for one in crowd.transports] == [True, False, False, False]
    assert crowd.anonymous.held_bytes == 750
    crowd.anonymous.hold(second, 0)
    assert crowd.anonymous.held_bytes == 400


READERS = {"one answer": GET, "answers to requests that came together": GET * 5}


@pytest.mark.parametrize("sent", READERS.values(), ids=READERS)
@pytest.mark.usefixtures("quick_sweeps")
async def test_a_client_that_does_not_read_its_answer_is_closed(sent: bytes) -> None:
    before = hits("request_deadline")
    anonymous = AnonymousConnections(AnonymousLimits(request_s=0.2))
    answering = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            answering.set()
        await answer_much(scope, receive, send)

    async with serving(app, anonymous) as port, asyncio.timeout(30):
        reader, _ = await connect(port, sent)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await answering.wait()
        await until(lambda: len(anonymous) == 0)
    assert hits("request_deadline") > before


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_large_answer_may_be_read_slowly() -> None:
    anonymous = AnonymousConnections()
    answering = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            # From now on: the head has come, however slow this machine is.
            anonymous.limits = AnonymousLimits(head_s=0.05)
            answering.set()
        await answer_much(scope, receive, send)

    async with serving(app, anonymous) as port, asyncio.timeout(30):
        reader, _ = await connect(port, GET)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await answering.wait()
        for _ in range(20):
            await asyncio.sleep(0.02)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        await reader.readuntil(b"\r\n\r\n")
        assert len(await reader.readexactly(ANSWER_BYTES)) == ANSWER_BYTES


ENDLESS = {
    "chunked": (POST, b"2000\r\n" + b"x" * 0x2000 + b"\r\n"),
    "of one byte each": (POST, b"1\r\nx\r\n" * 4096),
    "announced": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65_536),
}


@pytest.mark.parametrize(("head", "part"), ENDLESS.values(), ids=ENDLESS)
async def test_a_body_that_nobody_wants_is_not_read_to_its_end(head: bytes, part: bytes) -> None:
    before = hits("unread_body")
    async with serving() as port, asyncio.timeout(30):
        reader, writer = await connect(port, head)
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(part)
                await writer.drain()
        assert await rest(reader) == b""
    assert hits("unread_body") == before + 1


async def test_a_small_body_that_nobody_wants_costs_no_connection() -> None:
    async with serving() as port, asyncio.timeout(30):
        reader, writer = await connect(port)
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
            assert b"204" in await reader.readuntil(b"\r\n\r\n")
        assert await is_open(reader)
