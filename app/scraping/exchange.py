"""A worker's end: it gives its snapshot to the supervisor, and asks for those of all workers."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from app.errors import Unavailable
from app.scraping.families import MetricFamily, decoded, encoded_one, joined
from app.scraping.messages import ASK, EVERYTHING, GIVE, SNAPSHOT, message, read_message
from app.scraping.snapshots import snapshot

EXCHANGE: Final = "metrics_exchange"
"""The key of the `MetricExchange` in the state of the lifespan. A process without supervisor has none."""
_PATIENCE_S = 10.0


class MetricExchange:
    """Exchanges metrics with the supervisor, from `start` to `close`."""

    def __init__(self, channel: socket.socket, take: Callable[[], Iterable[MetricFamily]] = snapshot) -> None:
        """Make the end of a worker. take: returns what the worker has counted."""
        self._channel = channel
        self._take = take
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        # One for each question, in the order of the answers.
        self._questions: deque[asyncio.Future[bytes]] = deque()

    async def start(self) -> None:
        """Send a first snapshot, and answer the supervisor from now on."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        await self._send_snapshot(self._writer)
        self._reading = asyncio.create_task(self._read(reader, self._writer), name="metrics-exchange")

    async def close(self) -> None:
        """Stop."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._writer is not None:
            self._writer.close()

    async def everything(self) -> list[MetricFamily]:
        """Return the metrics of all workers of this server, those that ended included.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        if self._writer is None:
            raise Unavailable("The metrics of the workers are not collected yet.")
        question: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._questions.append(question)
        self._writer.write(message(ASK))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return decoded(await question)
        except (TimeoutError, ConnectionError):
            raise Unavailable("The metrics of the other workers cannot be collected.") from None

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (received := await read_message(reader)) is not None:
            kind, body = received
            if kind == GIVE:
                await self._send_snapshot(writer)
            elif kind == EVERYTHING:
                question = self._questions.popleft()
                if not question.done():
                    question.set_result(body)
        for question in self._questions:
            if not question.done():
                question.set_exception(ConnectionError())

    async def _send_snapshot(self, writer: asyncio.StreamWriter) -> None:
        parts = []
        for family in self._take():
            parts.append(encoded_one(family))
            # All metrics at once would take longer than a frame may wait.
            await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):
            writer.write(message(SNAPSHOT, joined(parts)))
