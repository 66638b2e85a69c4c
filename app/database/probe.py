"""Asks the database short questions on a connection of its own, and never waits long for the answer.

The other connections may all be busy with long statements, or hang together with the database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.database.connecting import connect
from app.database.failures import DATABASE_ERRORS, raise_translated
from app.database.prepared import Connection
from app.errors import StoreUnavailable

Found = TypeVar("Found")

PROBE_S: Final = 1.0
"""Seconds until a database that has not answered counts as one that hangs."""


class DatabaseProbe:
    """One connection for questions to the database. It is opened when needed, and kept."""

    def __init__(self, url: str) -> None:
        """Make the probe. url: DATABASE_URL."""
        self._url = url
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ping: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Disconnect."""
        if self._ping is not None:
            self._ping.cancel()
            await asyncio.wait({self._ping})
        self._end()

    async def ping(self) -> None:
        """Check that the database answers. Callers at the same time share one question.

        Raises:
            StoreUnavailable: it did not answer in time.
        """
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self.ask(_answer))
        # A caller that leaves must not end the question of the others.
        await asyncio.shield(self._ping)

    async def ask(self, question: Callable[[Connection], Awaitable[Found]]) -> Found:
        """Run a short question.

        Raises:
            StoreUnavailable: the database is away, or did not answer in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PROBE_S
        try:
            async with asyncio.timeout_at(deadline):
                # Not in a block: the wait for a turn is part of the deadline, the question is not.
                await self._one_at_a_time.acquire()
        except TimeoutError as error:
            raise StoreUnavailable from error
        # This ends whatever hangs. Cancelling would first ask the server to stop, and hang in that.
        guard = loop.call_at(deadline, self._end)
        try:
            return await question(await self._connected(deadline - loop.time()))
        except DATABASE_ERRORS as error:
            self._end()
            raise_translated(error)
        finally:
            guard.cancel()
            self._one_at_a_time.release()

    async def _connected(self, within_s: float) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, "health", {"jit": "off"}, timeout_s=within_s)
        return self._connection

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _answer(connection: Connection) -> None:
    await connection.execute("select 1")
