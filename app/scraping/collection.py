"""The supervisor's end: it keeps what the workers have counted, also those that ended."""

import asyncio
import socket
from collections import deque
from collections.abc import Iterator

from app.scraping.families import MetricFamily, combined, counting, decoded, encoded, of_worker
from app.scraping.messages import ASK, EVERYTHING, GIVE, SNAPSHOT, message, read_message

SNAPSHOT_PERIOD_S = 5.0
"""Seconds between two snapshots of a worker that is not scraped. If it is killed, the last ones are lost."""
PATIENCE_S = 2.0
"""Seconds to wait for the snapshot of a worker. Then the one before counts."""


class Collection:
    """The metrics of all workers of a server."""

    def __init__(self) -> None:
        self._members: set[_Member] = set()
        self._ended: list[MetricFamily] = []
        self._answers: set[asyncio.Task[None]] = set()

    async def follow(self, number: int, channel: socket.socket) -> None:
        """Follow one worker until it ends. number: of its place; the worker that replaces it has the same."""
        reader, writer = await asyncio.open_unix_connection(sock=channel)
        member = _Member(number, writer)
        self._members.add(member)
        try:
            while (received := await read_message(reader)) is not None:
                kind, body = received
                if kind == SNAPSHOT:
                    member.take(body)
                elif kind == ASK:
                    answer = asyncio.create_task(self._answer(writer))
                    self._answers.add(answer)
                    answer.add_done_callback(self._answers.discard)
        finally:
            self._members.discard(member)
            self._ended = combined([*self._ended, *counting(member.families())])
            member.end()
            writer.close()

    async def refresh_periodically(self) -> None:
        """Ask all workers for snapshots again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(SNAPSHOT_PERIOD_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Ask each worker for a snapshot, and wait up to `PATIENCE_S` until all have come."""
        expected = [member.ask() for member in self._members if member.has_started]
        if expected:
            await asyncio.wait(expected, timeout=PATIENCE_S)

    def families(self) -> list[MetricFamily]:
        """Return the newest metrics of all workers as one."""
        return combined(self._all())

    def _all(self) -> Iterator[MetricFamily]:
        yield from self._ended
        for member in self._members:
            yield from member.families()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        await self.refresh()
        writer.write(message(EVERYTHING, encoded(self.families())))


class _Member:
    """A worker with its newest snapshot."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self._number = number
        self._writer = writer
        self._snapshot: bytes | None = None
        # One for each snapshot that was asked for, in the order in which they come.
        self._expected: deque[asyncio.Future[None]] = deque()

    @property
    def has_started(self) -> bool:
        """Say whether it has sent a snapshot. The first one comes by itself."""
        return self._snapshot is not None

    def ask(self) -> asyncio.Future[None]:
        """Ask for a snapshot. The result is done when it has come, or when the worker has ended."""
        expected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expected.append(expected)
        self._writer.write(message(GIVE))
        return expected

    def take(self, snapshot: bytes) -> None:
        """Keep a snapshot that has come."""
        # The first one was not asked for.
        if self._snapshot is not None:
            self._expected.popleft().set_result(None)
        self._snapshot = snapshot

    def end(self) -> None:
        """End the waits for its snapshots."""
        for expected in self._expected:
            expected.set_result(None)

    def families(self) -> list[MetricFamily]:
        """Return its newest metrics."""
        return [] if self._snapshot is None else of_worker(decoded(self._snapshot), self._number)
