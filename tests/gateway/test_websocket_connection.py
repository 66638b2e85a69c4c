"""The byte path from the handshake on: hand-over, messages however TCP cuts them, closing. RFC 6455 5"""

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.gateway.handshake_protocol import EXTENSION
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.transport import OUTBOUND_LIMIT_BYTES
from app.gateway.websocket_connection import WebSocketConnection
from app.ocpp import Deframer, text_frame

FRAGMENTS_LIMIT = 1024

HANDSHAKE = (
    b"GET /ocpp/demo/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Socket(asyncio.Transport):
    """A socket made of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.reading = True
        self.aborted = False
        self.unsent_bytes = 0
        self.protocol: Any = None
        self.paused: list[Any] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        if len(data) > 65_536:
            self.paused.append(self.protocol)
            self.protocol.pause_writing()

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes


class Inbox:
    """Takes what arrives; can stop after each message."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.websocket: WebSocketConnection | None = None
        self.stops = False
        self.reader = Deframer(1000, FRAGMENTS_LIMIT)

    def handle(self, found: Any) -> None:
        self.messages.append(found)
        if self.stops and self.websocket is not None:
            self.websocket.pause_reading()


class Connection:
    """A connection after its handshake."""

    async def open(
        self, early: bytes = b"", held: str = "", closing: bool = False, behind: bytes = b""
    ) -> None:
        """behind, early: frames that come with the handshake, and before its answer; closing: the socket
        begins to close before that answer.
        """
        self.socket, self.inbox = Socket(), Inbox()
        self.websocket = self.inbox.websocket = WebSocketConnection(asyncio.get_running_loop())
        if held:
            self.websocket.write(text_frame(held))
        self.ended: list[int] = []
        opened = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            if early:
                self.socket.protocol.data_received(early)
            self.socket.closing = closing
            await send({"type": "websocket.accept"})
            scope["extensions"][EXTENSION].switch_to(self.websocket, self.inbox, self.ended.append)
            opened.set()

        config = uvicorn.Config(
            cast(Any, app),
            http=ChargePointHttpProtocol,
            ws="websockets-sansio",
            ws_max_size=1000,
            ws_per_message_deflate=False,
            log_config=None,
        )
        config.load()
        self.server = ServerState()
        http = ChargePointHttpProtocol(config=config, server_state=self.server, app_state={})
        http.connection_made(self.socket)
        http.data_received(HANDSHAKE + behind)
        (self.asgi,) = self.server.tasks
        await asyncio.wait_for(opened.wait(), 10)
        assert self.socket.protocol is self.websocket
        self.socket.written = b""

    async def close(self) -> None:
        self.websocket.connection_lost(None)
        await asyncio.sleep(0)
        assert not self.server.connections, "uvicorn would wait for it"


@pytest.fixture
async def connection() -> Any:
    connection = Connection()
    await connection.open()
    yield connection
    await connection.close()


def frame(payload: bytes, first: int = 0x81, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
    return bytes([first]) + size + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


STREAM = [
    (frame(b"one"), "one"),
    (frame("zwölf".encode() * 40), "zwölf" * 40),
    (frame(b"a", 0x01) + frame(b"ping", 0x89) + frame(b"b", 0x00) + frame(b"c", 0x80), "abc"),
    (frame(b"\x00\xff", 0x82), b"\x00\xff"),
    (frame(b""), ""),
    (frame(b"x" * 1000), "x" * 1000),
    (frame(b"last"), "last"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 1009, 100_000])
async def test_messages_are_the_same_wherever_the_stream_is_cut(connection: Connection, step: int) -> None:
    stream = b"".join(data for data, _ in STREAM)
    for place in range(0, len(stream), step):
        connection.websocket.data_received(stream[place : place + step])
    assert connection.inbox.messages == [message for _, message in STREAM]
    assert b"ping" in connection.socket.written


async def test_frames_sent_before_the_answer_are_not_lost() -> None:
    connection = Connection()
    first, second = frame(b"first"), frame(b"second")
    await connection.open(behind=first[:2], early=first[2:] + second[:3])
    connection.websocket.data_received(second[3:] + frame(b"third"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.inbox.messages == ["first", "second", "third"]
    await connection.close()


async def test_a_pause_holds_back_what_has_arrived_already(connection: Connection) -> None:
    connection.inbox.stops = True
    connection.websocket.data_received(frame(b"1") + frame(b"2") + frame(b"3"))
    assert connection.inbox.messages == ["1"]
    assert not connection.socket.reading
    for expected in (["1", "2"], ["1", "2", "3"]):
        connection.websocket.resume_reading()
        await asyncio.sleep(0)
        assert connection.inbox.messages == expected


async def test_nothing_more_is_read_while_something_waits(connection: Connection) -> None:
    connection.inbox.stops = True
    connection.websocket.data_received(frame(b"1") + frame(b"2") + frame(b"3"))
    connection.websocket.resume_reading()
    assert not connection.socket.reading
    await asyncio.sleep(0)
    assert connection.inbox.messages == ["1", "2"]
    assert not connection.socket.reading
    connection.inbox.stops = False
    connection.websocket.resume_reading()
    await asyncio.sleep(0)
    assert connection.inbox.messages == ["1", "2", "3"]
    assert connection.socket.reading


async def test_what_comes_after_a_pause_does_not_overtake_what_waits(connection: Connection) -> None:
    connection.inbox.stops = True
    connection.websocket.data_received(frame(b"1") + frame(b"2"))
    connection.inbox.stops = False
    connection.websocket.resume_reading()
    connection.websocket.data_received(frame(b"3"))
    await asyncio.sleep(0)
    assert connection.inbox.messages == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b"\xff"), 1007),
        (frame(b"x" * 1001), 1009),
        (frame(b"x" * 1001)[:8], 1009),
        (b"\x81\x02ab", 1002),
        (frame(b"x", 0xC1), 1002),
        (frame(b"", 0x01) + frame(b"", 0x00) * FRAGMENTS_LIMIT, 1009),
    ],
)
async def test_what_breaks_the_rules_closes_with_its_code(
    connection: Connection, data: bytes, code: int
) -> None:
    connection.websocket.data_received(data)
    assert connection.socket.written[:1] == b"\x88"
    assert int.from_bytes(connection.socket.written[2:4], "big") == code
    assert connection.socket.closing
    assert connection.inbox.messages == []


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
async def test_answers_of_every_length_are_framed(connection: Connection, length: int) -> None:
    connection.websocket.write(text_frame("x" * length))
    written = connection.socket.written
    assert written[0] == 0x81
    assert written.endswith(b"x" * length)
    assert len(written) - length == (2 if length < 126 else 4 if length < 65536 else 10)


async def test_after_a_close_nothing_more_is_sent(connection: Connection) -> None:
    connection.websocket.close(4009, "superseded")
    written = connection.socket.written
    connection.websocket.write(text_frame("late"))
    connection.websocket.close(1001, "again")
    assert connection.socket.written == written
    assert int.from_bytes(written[2:4], "big") == 4009


async def test_any_sign_of_life_stands_in_for_a_pong(connection: Connection) -> None:
    assert connection.websocket.keep_alive(30.0, 20.0) == 20.0
    assert connection.socket.written == b"\x89\x00"
    connection.websocket.data_received(frame(b"x"))
    assert connection.websocket.keep_alive(30.0, 20.0) == 10.0
    # No sign of life after this one.
    assert connection.websocket.keep_alive(30.0, 20.0) == 20.0
    assert connection.websocket.keep_alive(30.0, 20.0) is None
    assert connection.socket.closing
    assert connection.ended == [1011]


PONG = b"\x8a\x80\x00\x00\x00\x00"


def kept(connection: Connection, cycles: int, said: bytes = b"") -> bool:
    """Ping a peer some times. said: what it sends between a check and the next ping."""
    for _ in range(cycles):
        if connection.websocket.keep_alive(30.0, 20.0) is None:
            return False
        if connection.websocket.keep_alive(30.0, 20.0) is None:
            return False
        if said:
            connection.websocket.data_received(said)
    return True


async def test_a_peer_that_answers_no_pings_and_talks_stays(connection: Connection) -> None:
    connection.websocket.silence_s = 600.0
    for _ in range(5):
        # A heartbeat each five minutes, at the worst moment.
        assert kept(connection, 9)
        assert kept(connection, 1, said=frame(b"x"))
    assert kept(connection, 19)
    assert not kept(connection, 2)
    assert connection.ended == [1011]


async def test_a_peer_that_has_answered_a_ping_has_to_answer_the_next(connection: Connection) -> None:
    connection.websocket.silence_s = 600.0
    assert connection.websocket.keep_alive(30.0, 20.0) == 20.0
    connection.websocket.data_received(PONG)
    assert connection.websocket.keep_alive(30.0, 20.0) == 10.0
    assert not kept(connection, 1)


async def test_our_own_pause_is_not_held_against_the_peer(connection: Connection) -> None:
    connection.websocket.keep_alive(30.0, 20.0)
    connection.websocket.pause_reading()
    assert connection.websocket.keep_alive(30.0, 20.0) == 10.0
    assert not connection.socket.closing


async def test_a_dead_peer_does_not_keep_the_socket_by_what_it_has_not_read(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.websocket_connection._CLOSING_S", 0.0)
    connection.websocket.close(4009, "superseded")
    assert not connection.socket.aborted, "the close frame has its time to go out"
    await asyncio.sleep(0.01)
    assert connection.socket.aborted


async def test_a_wire_that_fails_does_not_cost_the_others_their_pings() -> None:
    class Faulty(WebSocketConnection):
        def keep_alive(self, interval_s: float, timeout_s: float) -> float | None:
            raise RuntimeError("the handler is closed")

    pinged: list[str] = []

    class Pinged(WebSocketConnection):
        def keep_alive(self, interval_s: float, timeout_s: float) -> float | None:
            pinged.append("ping")
            return None

    loop = asyncio.get_running_loop()
    keepalive = Keepalive(interval_s=0.05, timeout_s=0.02)
    keepalive.start()
    for kind in (Pinged, Faulty, Pinged):
        keepalive.add(kind(loop))
    async with asyncio.timeout(10):
        while len(pinged) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await keepalive.close()


async def test_one_timer_pings_all(connection: Connection) -> None:
    keepalive = Keepalive(interval_s=0.05, timeout_s=0.02)
    keepalive.start()
    keepalive.add(connection.websocket)
    async with asyncio.timeout(10):
        while connection.socket.written.count(b"\x89\x00") < 3:
            connection.websocket.data_received(frame(b"x"))
            await asyncio.sleep(0.001)
        while not connection.socket.closing:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await keepalive.close()
    assert connection.ended == [1011]


@pytest.mark.parametrize(("data", "code"), [(b"\x03\xe8bye", 1000), (b"", 1005)])
async def test_a_close_of_the_peer_is_answered(connection: Connection, data: bytes, code: int) -> None:
    connection.websocket.data_received(frame(b"last") + frame(data, 0x88) + frame(b"never"))
    assert connection.inbox.messages == ["last"]
    assert connection.ended == [code]
    assert connection.socket.written[:1] == b"\x88"
    assert connection.socket.closing


async def test_a_lost_socket_is_an_abnormal_end(connection: Connection) -> None:
    connection.websocket.connection_lost(None)
    assert connection.ended == [1006]
    connection.websocket.write(text_frame("this is never read"))
    assert connection.socket.written == b""


async def test_what_is_sent_before_the_hand_over_waits() -> None:
    websocket, socket = WebSocketConnection(asyncio.get_running_loop()), Socket()
    websocket.write(text_frame("early"))
    websocket.close(4009, "superseded")
    ended: list[int] = []
    websocket.start(socket, Inbox(), ended.append, lambda _: None)
    assert socket.written.startswith(b"\x81\x05early\x88")
    websocket.connection_lost(None)


async def test_a_peer_that_does_not_read_what_was_held_has_a_deadline() -> None:
    connection = Connection()
    await connection.open(held="x" * 100_000)
    assert connection.socket.paused == [connection.websocket]
    connection.socket.unsent_bytes = OUTBOUND_LIMIT_BYTES + 1
    connection.websocket.write(text_frame("more"))
    assert connection.socket.aborted
    await connection.close()


async def test_a_handshake_that_comes_too_late_ends_without_a_fault() -> None:
    connection = Connection()
    await connection.open(closing=True)
    await connection.asgi
    assert connection.socket.written == b""
    await connection.close()


async def test_the_end_of_the_server_closes_in_good_order(connection: Connection) -> None:
    (kept,) = connection.server.connections
    kept.shutdown()
    assert connection.socket.written[:4] == b"\x88\x1a\x03\xe9"
    assert connection.socket.closing


async def test_who_pings_and_does_not_read_the_pongs_is_cut_off(connection: Connection) -> None:
    connection.socket.unsent_bytes = OUTBOUND_LIMIT_BYTES + 1
    connection.websocket.pause_writing()
    connection.websocket.data_received(frame(b"x", 0x89))
    assert connection.socket.aborted
    assert connection.socket.written == b""
