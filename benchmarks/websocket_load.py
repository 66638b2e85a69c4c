"""A charge point that costs next to nothing: RFC 6455 by hand, on an asyncio protocol.

It must cost far less than what it measures, so there is no JSON, no task and no WebSocket library on its way:
a frame is built beforehand and only digits in it are overwritten, an answer is compared by its first bytes.
The masking key is zero, which leaves the text as it is; the server has to unmask it all the same.
"""

import asyncio
import base64
from collections.abc import Callable
from time import perf_counter
from typing import cast

_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_MASKED = 0x80
_NO_MASK = bytes(4)


class LoadError(Exception):
    """The server did something else than to answer; the text says what."""


class FrameTemplate:
    """A client's text frame in which the places of some digits are known.

    text: the frame's text with `{id}` (36 digits), and optionally `{time}` (`MM:SS.mmm`) and `{register}` (7
    digits), which grow with the number of the frame: a record that repeats another would not be stored.
    """

    __slots__ = ("_buffer", "_id", "_register", "_time")

    def __init__(self, text: str) -> None:
        self._buffer = bytearray()
        places: dict[str, int] = {}
        filled = text.encode()
        for name, filler in (("id", b"0" * 36), ("time", b"00:00.000"), ("register", b"0" * 7)):
            mark = b"{%s}" % name.encode()
            if mark in filled:
                places[name] = filled.index(mark)
                filled = filled.replace(mark, filler, 1)
        header = frame_header(_TEXT, len(filled))
        self._buffer += header + filled
        self._id = places["id"] + len(header)
        self._time = places["time"] + len(header) if "time" in places else 0
        self._register = places["register"] + len(header) if "register" in places else 0

    def frame(self, number: int) -> tuple[bytes, bytes]:
        """Return a frame, and how the text of its CALLRESULT begins. number: below 3 600 000."""
        buffer = self._buffer
        unique_id = b"%036d" % number
        buffer[self._id : self._id + 36] = unique_id
        if self._time:
            seconds, milliseconds = divmod(number, 1000)
            text = b"%02d:%02d.%03d" % (seconds // 60 % 60, seconds % 60, milliseconds)
            buffer[self._time : self._time + 9] = text
        if self._register:
            buffer[self._register : self._register + 7] = b"%07d" % (1_000_000 + number)
        return bytes(buffer), b'[3,"%b",' % unique_id


def frame_header(opcode: int, length: int) -> bytes:
    """Return the header of a client's frame with a masking key of zero. length: below 64 KiB."""
    if length < 126:
        return bytes((opcode, _MASKED | length)) + _NO_MASK
    return bytes((opcode, _MASKED | 126)) + length.to_bytes(2, "big") + _NO_MASK


class LoadSocket(asyncio.Protocol):
    """One charge point's socket. Connect it with `connect`; then `call`, or `loop` until told to stop."""

    __slots__ = (
        "_answer",
        "_buffer",
        "_expected",
        "_on_answer",
        "_opened",
        "_sent_at",
        "_template",
        "_transport",
        "number",
    )

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._opened: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[str] | None = None
        self._template: FrameTemplate | None = None
        self._expected = b""
        self._sent_at = 0.0
        self._on_answer: Callable[[float], bool] | None = None
        self.number = 0

    async def connect(self, port: int, path: str, user: str, password: str) -> None:
        """Open the WebSocket with Basic auth and the subprotocol ocpp1.6.

        Raises:
            LoadError: the server refuses.
        """
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)
        credential = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._write(
            (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {credential}\r\n\r\n"
            ).encode()
        )
        await self._opened

    async def call(self, text: str) -> str:
        """Send one CALL (`{id}` in it is filled) and return the text of its CALLRESULT; the slow way.

        Raises:
            LoadError: the answer is not a CALLRESULT, or the socket closes.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._send(FrameTemplate(text))
        return await self._answer

    def start(self, template: FrameTemplate, on_answer: Callable[[float], bool]) -> None:
        """Send frame after frame, each when the one before is answered.

        on_answer: gets the seconds that an answer took, and says whether to go on.
        """
        self._on_answer = on_answer
        self._send(template)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not `isinstance`: the transports of uvloop are no subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take an answer on the short way; everything else on the long one."""
        is_answer = self._on_answer is not None and not self._buffer and data.startswith(self._expected, 2)
        if is_answer and data[0] == _TEXT and data[1] == len(data) - 2:
            self._answered()
            return
        self._buffer += data
        try:
            self._take_all()
        except LoadError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it."""
        self._fail(LoadError(f"the server closed the connection: {exc}"))

    # Inside

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def _send(self, template: FrameTemplate) -> None:
        self._template = template
        self.number += 1
        frame, self._expected = template.frame(self.number)
        self._sent_at = perf_counter()
        self._write(frame)

    def _answered(self) -> None:
        on_answer = self._on_answer
        assert on_answer is not None
        assert self._template is not None
        if on_answer(perf_counter() - self._sent_at):
            self._send(self._template)
        else:
            self._on_answer = None

    def _take_all(self) -> None:
        if not self._opened.done():
            head, separator, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                self._buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101") or b"ocpp1.6" not in head:
                raise LoadError(head.decode("latin-1"))
            self._opened.set_result(None)
        while (frame := self._next_frame()) is not None:
            self._take(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, length = 2, buffer[1]
        if length == 126:
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        if length > 65_535 or len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return buffer[0], buffer[start : start + length]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._write(frame_header(_PONG, len(payload)) + payload)
        elif opcode != _TEXT or not payload.startswith(self._expected):
            raise LoadError(f"unexpected frame {opcode:#x}: {payload[:500]!r}")
        elif self._on_answer is not None:
            self._answered()
        elif self._answer is not None:
            self._answer.set_result(payload.decode())
            self._answer = None

    def _fail(self, error: LoadError) -> None:
        for waiting in (self._opened, self._answer):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        self._answer = None
        if self._on_answer is not None:
            self._on_answer = None
            # Nobody waits for this socket; the loop's handler ends the run.
            asyncio.get_running_loop().call_exception_handler({"message": str(error), "exception": error})
