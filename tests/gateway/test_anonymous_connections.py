"""Limits of strangers: heads, deadlines, connections and descriptors, over real sockets."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from uvicorn.protocols.http.flow_control import FlowControl

from app.gateway import accept_turns
from app.gateway import anonymous_connections as module
from app.gateway.anonymous_connections import (
    AnonymousConnection,
    AnonymousConnections,
    AnonymousLimits,
    connection_capacity,
)
from app.gateway.http_protocol import HEAD_LIMIT_BYTES, HEAD_LIMIT_LINES, ChargePointHttpProtocol
from app.gateway.limiter import parse_networks
from app.settings import Settings
from tests.support.gateway import serve

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


_opened: list[asyncio.StreamWriter] = []


async def answer_all(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request at once, without its body."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def answer_the_body(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request when its body has come."""
    if scope["type"] == "http":
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    await answer_all(scope, receive, send)


@contextlib.asynccontextmanager
async def serving(
    app: Any = answer_all, anonymous: AnonymousConnections | None = None, **limits: Any
) -> AsyncIterator[int]:
    if anonymous is None:
        anonymous = AnonymousConnections(AnonymousLimits(**limits))
    http = partial(ChargePointHttpProtocol, anonymous=anonymous)
    async with serve(_as_fastapi(app), Settings(credential_pepper="x"), http=http) as port:
        try:
            yield port
        finally:
            for writer in _opened:
                writer.transport.abort()
            await asyncio.sleep(0)
            _opened.clear()


def _as_fastapi(app: Any) -> FastAPI:
    return app  # type: ignore[no-any-return]  # any ASGI application does


def hits(limit: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0


async def connect(port: int, sent: bytes = b"") -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _opened.append(writer)
    writer.write(sent)
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return everything up to the end of the connection."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def is_open(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(TimeoutError, ConnectionError):
        return bool(await asyncio.wait_for(reader.read(1), 0.05))
    return not reader.at_eof() and reader.exception() is None


HEADS = {
    "many lines": b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 40_000,
    "one line too many": b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (HEAD_LIMIT_LINES + 1) + b"\r\n",
    "a long value": b"GET / HTTP/1.1\r\na: " + b"x" * 300_000,
    "a long name": b"GET / HTTP/1.1\r\n" + b"x" * 300_000,
    "a long target": b"GET /" + b"x" * 300_000,
    "a whole head that is too long": b"GET / HTTP/1.1\r\na: " + b"x" * HEAD_LIMIT_BYTES + b"\r\n\r\n",
    "blank lines before the request": b"\r\n" * 20_000,
    "behind another request": GET + b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 40_000,
    "a handshake": b"GET /ocpp/t/C HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + b"a:b\r\n" * 101,
}


@pytest.mark.parametrize("sent", HEADS.values(), ids=HEADS)
async def test_a_head_over_the_limit_is_refused(sent: bytes) -> None:
    before = hits("request_head")
    async with serving() as port:
        reader, _ = await connect(port, sent)
        assert b"HTTP/1.1 431 " in await rest(reader)
    assert hits("request_head") == before + 1


TRAILERS = {
    "many lines": b"0\r\n" + b"a:b\r\n" * 40_000,
    "a long value": b"0\r\na: " + b"x" * 300_000,
    "behind a body": b"5\r\nhello\r\n" * 20_000 + b"0\r\n" + b"a:b\r\n" * 40_000,
    "a long extension of a chunk": b"5;" + b"x" * 300_000,
}


@pytest.mark.parametrize("app", [answer_all, answer_the_body])
@pytest.mark.parametrize("sent", TRAILERS.values(), ids=TRAILERS)
async def test_trailers_over_the_limit_end_the_connection(sent: bytes, app: Any) -> None:
    before = hits("request_head")
    async with serving(app) as port:
        reader, _ = await connect(port, POST + sent)
        await rest(reader)
    assert hits("request_head") == before + 1


async def test_trailers_do_not_change_the_head() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer_the_body(scope, receive, send)
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]))

    async with serving(app) as port:
        reader, _ = await connect(port, POST + b"2\r\nhi\r\n0\r\nauthorization: forged\r\n\r\n")
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert seen == [{b"host": b"x", b"transfer-encoding": b"chunked"}]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
async def test_large_heads_and_bodies_within_the_limits_pass(chunk: int) -> None:
    fields = b"".join(b"f%d: %s\r\n" % (n, b"x" * 280) for n in range(HEAD_LIMIT_LINES - 2))
    piece = b"%x\r\n" % chunk + b"x" * chunk + b"\r\n"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + fields + b"\r\n"
    async with serving(answer_the_body) as port:
        reader, writer = await connect(port)
        for _ in range(2):
            writer.write(request + piece * (100_000 // len(piece)) + b"0\r\n\r\n")
            assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)


async def test_a_long_header_is_not_copied_for_each_read() -> None:
    """One byte for each read: what the parser has kept of a field is copied each time, so it is bounded."""
    async with serving() as port:
        reader, writer = await connect(port, b"GET / HTTP/1.1\r\na: ")
        for _ in range(20):
            writer.write(b"x" * 2_000)
            await asyncio.sleep(0)
        assert b"431" in await rest(reader)


async def test_too_many_requests_at_once_end_the_connection() -> None:
    before = hits("pipelined_requests")
    async with serving() as port:
        reader, _ = await connect(port, GET * 10_000)
        await rest(reader)
    assert hits("pipelined_requests") == before + 1


STUCK = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a second head": GET + b"GET / HTTP/1.1\r\n",
    "blank lines": b"\r\n\r\n",
    "half a body": b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
    "half a handshake": b"GET /ocpp/t/C HTTP/1.1\r\nUpgrade: websocket\r\n",
}


@pytest.mark.parametrize("app", [answer_all, answer_the_body])
@pytest.mark.parametrize("sent", STUCK.values(), ids=STUCK)
async def test_a_request_that_never_ends_has_a_deadline(
    sent: bytes, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.02)
    before = hits("request_deadline")
    async with serving(app, head_s=0.1, request_s=0.1) as port:
        reader, _ = await connect(port, sent)
        await rest(reader)
    assert hits("request_deadline") == before + 1


async def test_bytes_that_trickle_do_not_move_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.02)
    async with serving(head_s=0.2) as port:
        reader, writer = await connect(port, b"GET / HTTP/1.1\r\na: ")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)


async def test_a_request_that_is_being_answered_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.01)
    swept = asyncio.Event()
    sweeps = 0
    sweep = AnonymousConnections._sweep

    def counted(anonymous: AnonymousConnections, loop: asyncio.AbstractEventLoop) -> None:
        sweep(anonymous, loop)
        nonlocal sweeps
        sweeps += 1
        if sweeps == 20:
            swept.set()

    monkeypatch.setattr(AnonymousConnections, "_sweep", counted)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await swept.wait()
        await answer_all(scope, receive, send)

    async with serving(slow, head_s=0.05, request_s=0.05) as port:
        reader, _ = await connect(port, GET)
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)


async def test_the_oldest_surplus_of_an_address_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.02)
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    before = hits("connections_per_address")
    async with serving(per_address=4) as port:
        idle = [await connect(port, b"GET") for _ in range(10)]
        for reader, _ in idle[:6]:
            assert await rest(reader) == b""
        assert [await is_open(reader) for reader, _ in idle[6:]] == [True] * 4
        reader, _ = await connect(port, GET)
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert hits("connections_per_address") >= before + 6


async def test_connections_from_a_trusted_proxy_are_not_counted_by_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.01)
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    before = hits("request_deadline"), hits("connections_per_address")
    async with serving(per_address=1, head_s=0.3, proxies=parse_networks(["127.0.0.0/8"])) as port:
        for reader, _ in [await connect(port) for _ in range(5)]:
            await rest(reader)
    assert (hits("request_deadline"), hits("connections_per_address")) == (before[0] + 5, before[1])


async def test_without_descriptors_a_newcomer_is_asked_to_come_again() -> None:
    before = hits("descriptors")
    async with serving(capacity=3) as port:
        held = [await connect(port, GET) for _ in range(3)]
        for reader, _ in held:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        reader, _ = await connect(port)
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in answer
        assert [await is_open(reader) for reader, _ in held] == [True] * 3
    assert hits("descriptors") == before + 1


async def test_without_descriptors_the_oldest_unfinished_connection_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    async with serving(capacity=3) as port:
        held = [await connect(port, b"GET") for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0.01)
        reader, _ = await connect(port, GET)
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert await rest(held[0][0]) == b""


async def test_new_connections_are_read_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)
    before = hits("accept_rate")
    async with serving(accepts_per_s=20) as port:
        begun = asyncio.get_running_loop().time()
        opened = [await connect(port, GET) for _ in range(6)]
        for reader, _ in opened:
            assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert asyncio.get_running_loop().time() - begun >= 5 / 20
    assert hits("accept_rate") >= before + 5


def test_descriptors_are_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(_: int) -> tuple[int, int]:
        return limit, limit

    monkeypatch.setattr(resource, "getrlimit", limited)
    monkeypatch.setattr("os.listdir", lambda _: ["0"] * 40)
    limit = 1500
    assert connection_capacity() == 1500 - 128 - 40
    limit = 256
    assert connection_capacity() == 256 - 64 - 40
    limit = 40
    assert connection_capacity() == 1
    limit = resource.RLIM_INFINITY
    assert connection_capacity() > 10**9


class Transport(asyncio.Transport):
    """Remembers whether it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Crowd:
    """Anonymous connections of several addresses, without sockets."""

    def __init__(self, **limits: Any) -> None:
        self.anonymous = AnonymousConnections(AnonymousLimits(**limits))
        self.transports: list[Transport] = []

    def come(self, address: str) -> AnonymousConnection | None:
        transport = Transport()
        open_now = sum(not one.aborted for one in self.transports)
        entered = self.anonymous.enter(transport, FlowControl(transport), address, open_now)
        if entered is not None:
            self.transports.append(transport)
        return entered


async def test_a_crowd_gives_way_to_another_address_and_not_to_itself() -> None:
    crowd = Crowd(per_address=2, capacity=4)
    for _ in range(4):
        assert crowd.come("192.0.2.1") is not None
    assert crowd.come("192.0.2.1") is None
    assert crowd.come("192.0.2.2") is not None
    assert [one.aborted for one in crowd.transports] == [True, False, False, False, False]
    assert crowd.come("192.0.2.3") is not None
    # Two of the crowd are left, which is not a crowd.
    assert crowd.come("192.0.2.4") is None


async def test_one_that_has_left_is_not_counted() -> None:
    crowd = Crowd(per_address=1, capacity=2)
    for _ in range(2):
        entered = crowd.come("192.0.2.1")
        assert entered is not None
        crowd.anonymous.leave(entered)
        crowd.anonymous.leave(entered)
    assert crowd.come("192.0.2.2") is None
