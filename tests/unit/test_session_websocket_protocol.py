"""The short way for whole text frames, cut at every place where TCP may cut it. RFC 6455 5"""

import asyncio
import subprocess
import sys
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.gateway.transport import OUTBOUND_LIMIT_BYTES
from app.gateway.websocket_protocol import EXTENSION, FRAGMENTS_LIMIT, ChargePointProtocol

HANDSHAKE = (
    b"GET /ocpp/demo/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Wire(asyncio.Transport):
    """A socket made of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.reading = True
        self.aborted = False
        self.unsent_bytes = 0

    def write(self, data: Any) -> None:
        self.written += bytes(data)

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
        self.protocol: ChargePointProtocol | None = None
        self.stops = False

    def receive_text(self, text: str) -> None:
        self.messages.append(text)
        if self.stops and self.protocol is not None:
            self.protocol.pause_reading()

    def receive_binary(self, data: bytes) -> None:
        self.messages.append(data)


class Connection:
    """A protocol after its handshake."""

    async def open(self, early: bytes = b"") -> None:
        self.wire, self.inbox = Wire(), Inbox()
        opened = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            if early:
                self.protocol.data_received(early)
            await send({"type": "websocket.accept"})
            scope["extensions"][EXTENSION].open(self.inbox)
            opened.set()
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return
                self.inbox.receive_text(message["text"])

        config = uvicorn.Config(
            cast(Any, app),
            ws=ChargePointProtocol,
            ws_max_size=1000,
            ws_per_message_deflate=False,
            log_config=None,
        )
        config.load()
        self.protocol = ChargePointProtocol(config=config, server_state=ServerState(), app_state={})
        self.inbox.protocol = self.protocol
        self.protocol.connection_made(self.wire)
        self.protocol.data_received(HANDSHAKE)
        await asyncio.wait_for(opened.wait(), 10)
        self.wire.written = b""

    async def close(self) -> None:
        self.protocol.connection_lost(None)
        await asyncio.sleep(0)


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
        connection.protocol.data_received(stream[place : place + step])
    assert connection.inbox.messages == [message for _, message in STREAM]
    assert b"ping" in connection.wire.written


async def test_frames_sent_before_the_answer_are_not_lost() -> None:
    connection = Connection()
    first, second = frame(b"first"), frame(b"second")
    await connection.open(early=first + second[:3])
    connection.protocol.data_received(second[3:] + frame(b"third"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted(map(str, connection.inbox.messages)) == ["first", "second", "third"]
    await connection.close()


async def test_a_pause_holds_back_what_has_arrived_already(connection: Connection) -> None:
    connection.inbox.stops = True
    connection.protocol.data_received(frame(b"1") + frame(b"2") + frame(b"3"))
    assert connection.inbox.messages == ["1"]
    assert not connection.wire.reading
    for expected in (["1", "2"], ["1", "2", "3"]):
        connection.protocol.resume_reading()
        await asyncio.sleep(0)
        assert connection.inbox.messages == expected


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
    connection.protocol.data_received(data)
    assert connection.wire.written[:1] == b"\x88"
    assert int.from_bytes(connection.wire.written[2:4], "big") == code
    assert connection.wire.closing
    assert connection.inbox.messages == []


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
async def test_answers_of_every_length_are_framed(connection: Connection, length: int) -> None:
    connection.protocol.send_text("x" * length)
    written = connection.wire.written
    assert written[0] == 0x81
    assert written.endswith(b"x" * length)
    assert len(written) - length == (2 if length < 126 else 4 if length < 65536 else 10)


async def test_after_a_close_nothing_more_is_sent(connection: Connection) -> None:
    connection.protocol.close(4009, "superseded")
    written = connection.wire.written
    connection.protocol.send_text("late")
    connection.protocol.close(1001, "again")
    assert connection.wire.written == written
    assert int.from_bytes(written[2:4], "big") == 4009


async def test_any_sign_of_life_stands_in_for_a_pong(connection: Connection) -> None:
    connection.protocol.send_keepalive_ping()
    connection.protocol._heard_at = connection.protocol.ping_sent_at + 1
    connection.protocol.keepalive_timeout()
    assert not connection.wire.closing
    connection.protocol.send_keepalive_ping()
    connection.protocol._heard_at = connection.protocol.ping_sent_at - 1
    connection.protocol.keepalive_timeout()
    assert connection.wire.closing


async def test_our_own_pause_is_not_held_against_the_peer(connection: Connection) -> None:
    connection.protocol.send_keepalive_ping()
    connection.protocol.pause_reading()
    connection.protocol.keepalive_timeout()
    assert not connection.wire.closing
    assert connection.protocol.ping_timer is not None


async def test_a_dead_peer_does_not_keep_the_socket_by_what_it_has_not_read(connection: Connection) -> None:
    connection.protocol.close_timeout = 0.0
    connection.protocol._heard_at = -1.0
    connection.protocol.send_keepalive_ping()
    connection.protocol.keepalive_timeout()
    assert not connection.wire.aborted, "the close frame has its time to go out"
    await asyncio.sleep(0.01)
    assert connection.wire.aborted


async def test_who_pings_and_does_not_read_the_pongs_is_cut_off(connection: Connection) -> None:
    connection.wire.unsent_bytes = OUTBOUND_LIMIT_BYTES + 1
    connection.protocol.pause_writing()
    connection.protocol.data_received(frame(b"x", 0x89))
    assert connection.wire.aborted
    assert connection.wire.written == b""


def test_the_c_extension_of_websockets_is_not_needed() -> None:
    program = "import sys; sys.modules['websockets.speedups'] = None; import app.gateway.websocket_protocol"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
