"""Where a handshake ends and the WebSocket begins, wherever the stream is cut into reads."""

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.gateway.handshake_protocol import EXTENSION
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.websocket_connection import WebSocketConnection
from app.ocpp import Deframer

FIELDS = (
    "Host: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PLAIN = f"GET /ocpp/t/CP HTTP/1.1\r\n{FIELDS}\r\n".encode()
FULL = f"GET /ocpp/t/CP HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n{FIELDS}\r\n".encode()
BEHIND = b"\x81\x84\x00\x00\x00\x00\r\n\r\n"


class Inbox:
    """Takes the messages of a WebSocket."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.reader = Deframer(1000, 16)

    def handle(self, found: Any) -> None:
        """Keep it."""
        self.messages.append(found)


class Socket(asyncio.Transport):
    """As a stream of uvloop: what is read goes to the protocol of the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.inbox = Inbox()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the data that follows to another protocol."""
        self.protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that gets the data."""
        return self.protocol

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data

    def pause_reading(self) -> None:
        """Everything has been read."""

    def resume_reading(self) -> None:
        """There is nothing more."""

    def close(self) -> None:
        """Remember it."""
        self.closing = True

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closing


async def converse(*reads: bytes) -> Socket:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            websocket = WebSocketConnection(asyncio.get_running_loop())
            scope["extensions"][EXTENSION].switch_to(websocket, socket.inbox, lambda code: None)
            return
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(cast(Any, app), log_config=None)
    config.load()
    socket = Socket()
    protocol = ChargePointHttpProtocol(config=config, server_state=ServerState(), app_state={})
    socket.set_protocol(protocol)
    protocol.connection_made(socket)
    for read in reads:
        socket.protocol.data_received(read)
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(None)
    return socket


@pytest.mark.parametrize("request_bytes", [PLAIN, FULL])
async def test_all_that_follows_a_handshake_goes_to_the_websocket(request_bytes: bytes) -> None:
    stream = request_bytes + BEHIND
    for place in range(1, len(stream)):
        socket = await converse(stream[:place], stream[place:])
        assert socket.written.startswith(b"HTTP/1.1 101 "), place
        assert socket.inbox.messages == ["\r\n\r\n"], place


async def test_plain_requests_are_answered_wherever_they_are_cut() -> None:
    first = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n{\r\n\r\n}"
    stream = first + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for place in range(1, len(stream)):
        socket = await converse(stream[:place], stream[place:])
        assert socket.written.count(b"HTTP/1.1 204") == 2, place


async def test_what_follows_a_request_that_cannot_be_read_is_left_alone() -> None:
    socket = await converse(b"GET\r\n\r\n" + PLAIN)
    assert socket.written.startswith(b"HTTP/1.1 400")
    assert socket.written.count(b"HTTP/1.1") == 1


async def test_blank_lines_of_a_body_are_not_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    parse = ChargePointHttpProtocol._parse_part

    def counted(protocol: ChargePointHttpProtocol, data: bytes, start: int, end: int) -> bool:
        parts.append(end - start)
        return parse(protocol, data, start, end)

    monkeypatch.setattr(ChargePointHttpProtocol, "_parse_part", counted)
    head = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n"
    socket = await converse(head + b"\r\n\r\n" * 10_000 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert socket.written.count(b"HTTP/1.1 204") == 2
    assert parts == [len(head), 40_000, 27]
