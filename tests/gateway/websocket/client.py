"""A client made of bytes, on a bare socket: what a stream has buffered would be lost with a reset."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from tests.gateway.websocket.cases import CLOSE, Case, Frame, close_frame

WAIT_S: Final = 20
_HANDSHAKE: Final = (
    b"GET /ocpp/demo/CP1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def converse(port: int, case: Case, piece_bytes: int) -> list[Frame]:
    """Send the case in pieces, close when all is answered, and return everything that came."""
    async with asyncio.timeout(WAIT_S), _connected(port) as client:
        writing = asyncio.create_task(client.write(case.send, piece_bytes))
        try:
            return await client.read_to_the_end(case)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator["_Client"]:
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(connection)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await loop.sock_sendall(connection, _HANDSHAKE)
        await client.read_head()
        yield client


class _Client:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def write(self, data: bytes, piece_bytes: int) -> None:
        """Write piece by piece. Who has been closed upon may not get rid of all."""
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(data), piece_bytes):
                await self._loop.sock_sendall(self._connection, data[start : start + piece_bytes])
                # Lets the server read it, if only it runs in this loop.
                await asyncio.sleep(0)

    async def read_head(self) -> None:
        """Read the answer to the handshake."""
        while b"\r\n\r\n" not in self._received:
            assert await self._read()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        assert b" 101 " in head.partition(b"\r\n")[0], head

    async def read_to_the_end(self, case: Case) -> list[Frame]:
        """Return the frames up to the end of the connection."""
        found: list[Frame] = []
        closed = case.ends
        while True:
            if not closed and len(found) == len(case.expect):
                closed = True
                await self._loop.sock_sendall(self._connection, close_frame(1000))
            frame = await self._frame()
            if frame is None:
                return found
            found.append(frame)
            if frame.opcode == CLOSE:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)

    async def _frame(self) -> Frame | None:
        head = await self._exactly(2)
        if head is None:
            return None
        first, length = head
        assert first & 0xF0 == 0x80, "final, without reserved bits"
        assert length < 0x80, "not masked"
        if length > 125:
            length = int.from_bytes(await self._exactly(2 if length == 126 else 8) or b"", "big")
        payload = await self._exactly(length)
        assert payload is not None
        opcode = first & 0x0F
        # The reason next to a close code is free text.
        return Frame(opcode, payload[:2] if opcode == CLOSE else payload)

    async def _exactly(self, count: int) -> bytes | None:
        while len(self._received) < count:
            if not await self._read():
                return None
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    async def _read(self) -> bool:
        try:
            data = await self._loop.sock_recv(self._connection, 1 << 20)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)
