"""The answer that is a stream of server-sent events, for all that write messages."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi.sse import EventSourceResponse

from app.events.streams import EventStream


class StreamResponse(EventSourceResponse):
    """Sends messages until the client leaves or they end, and then closes the stream that they come from."""

    def __init__(self, messages: AsyncIterator[bytes], stream: EventStream) -> None:
        super().__init__(
            messages,
            # A proxy that buffers would hold events back.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._stream = stream

    async def __call__(self, *arguments: Any) -> None:
        """Send everything."""
        try:
            await super().__call__(*arguments)
        finally:
            self._stream.close()
