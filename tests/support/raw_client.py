"""A charge point that sends exactly the bytes of a test, and returns exactly the bytes of the server."""

import asyncio
import json
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Self

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
UPGRADE = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
WAIT_S = 20.0

_opened: list["RawClient"] = []


async def close_all() -> None:
    """Close all connections that a test has left open."""
    for client in _opened:
        await client.close()
    _opened.clear()
    # An aborted transport ends in the next turn of the loop.
    await asyncio.sleep(0)


async def close_last() -> None:
    """Close the connection that was opened last, whether its handshake has been answered or not."""
    await _opened[-1].close()
    await asyncio.sleep(0)


def frame_bytes(payload: bytes, first_byte: int = 0x80 | TEXT) -> bytes:
    """Make a frame of a charge point, masked with zeros. first_byte: flags and opcode."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        length = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + len(payload).to_bytes(8, "big")
    return bytes([first_byte]) + length + bytes(4) + payload


@dataclass
class Response:
    """The answer to a handshake. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        """Return the body as a problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document


@dataclass
class RawClient:
    """One TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    response: Response = field(default_factory=lambda: Response(0, {}))

    @classmethod
    async def open(
        cls,
        port: int,
        path: str,
        *,
        user: str | None = None,
        password: bytes | None = None,
        subprotocol: str | None = "ocpp1.6",
        headers: dict[str, str | None] | None = None,
        extra: bytes = b"",
        behind: bytes = b"",
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Connect, and do the handshake.

        headers: replace others; None leaves one out. extra: raw header lines. behind: bytes after the
        request, in the same segment.
        """
        fields: dict[str, str | None] = {**UPGRADE, "Sec-WebSocket-Protocol": subprotocol}
        if password is not None:
            fields["Authorization"] = "Basic " + b64encode((user or "").encode() + b":" + password).decode()
        fields.update(headers or {})
        lines = [
            f"GET {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items() if value is not None),
        ]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        client = cls(reader, writer)
        _opened.append(client)
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n" + extra + b"\r\n"
        writer.write(request + behind)
        client.response = await asyncio.wait_for(client.read_response(), WAIT_S)
        return client

    def send(
        self, payload: bytes | str, opcode: int = TEXT, *, fin: bool = True, first_byte: int | None = None
    ) -> None:
        """Write one frame. first_byte: replaces the byte of flags and opcode."""
        data = payload.encode() if isinstance(payload, str) else payload
        self.writer.write(
            frame_bytes(data, opcode | (0x80 if fin else 0) if first_byte is None else first_byte)
        )

    async def call(self, action: str, payload: Any, unique_id: str = "1") -> list[Any]:
        """Send a CALL and return the frame that answers it."""
        return await self.ask(json.dumps([2, unique_id, action, payload]))

    async def ask(self, text: bytes | str) -> list[Any]:
        """Send a text and return the next text frame as JSON."""
        self.send(text)
        frame: list[Any] = json.loads(await self.text())
        return frame

    async def text(self) -> str:
        """Return the next text frame, and skip pings."""
        while True:
            opcode, payload = await self.frame()
            if opcode == TEXT:
                return payload.decode()
            assert opcode in (PING, PONG), (opcode, payload)

    async def close_code(self) -> int:
        """Read up to the close frame or the end, and return the code (1006 without one)."""
        while True:
            try:
                opcode, payload = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                return 1006
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") if payload else 1005

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame of the server: opcode and payload."""
        return await asyncio.wait_for(self._frame(), WAIT_S)

    async def close(self) -> None:
        """Abort the TCP connection, like a power cut."""
        self.writer.transport.abort()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def read_response(self) -> Response:
        """Return the next HTTP response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        response = Response(int(head[0].split()[1]), headers)
        if response.status != 101:
            response.body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return response
