"""A client of a stream of server-sent events, inside of the process of the test."""

import asyncio
from typing import Any


class StreamClient:
    """One client of a stream, inside of this process."""

    def __init__(self, app: Any, path: str, query: str, headers: dict[str, str]) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._left = asyncio.Event()
        self._text = b""
        self.status = 0
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("server", 80),
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._chunks.put_nowait(message.get("body", b""))

    async def message(self) -> dict[str, str]:
        """Return the next message: its fields, and `comment`."""
        async with asyncio.timeout(20):
            while b"\n\n" not in self._text:
                self._text += await self._chunks.get()
        text, _, self._text = self._text.partition(b"\n\n")
        lines = [line.partition(": ")[::2] for line in text.decode().split("\n")]
        return {name or "comment": value for name, value in lines}

    async def event(self) -> dict[str, str]:
        """Return the next message that is an event."""
        while "event" not in (found := await self.message()):
            pass
        return found

    async def leave(self) -> None:
        self._left.set()
        await asyncio.wait([self.task])
