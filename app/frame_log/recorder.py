"""Writes the frame log in the background.

Under load it drops frames, so that it never delays a charge point. Nothing else depends on the log.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import asyncpg

from app.clock import Clock
from app.database.connecting import connect
from app.database.copying import copy_encoded
from app.database.failures import Failure, failure_of
from app.database.partitions import FRAME_RUNS, drop_partitions_of
from app.database.roles import NO_ROLES, Roles
from app.logs import get_logger
from app.metrics import FRAME_LOG_SHED, FRAME_LOG_WRITTEN
from app.ocpp import FrameBuffer
from app.settings import Settings

_LOG = get_logger("frame_log")
_INTERVAL_S = 0.25
_RETRY_S = 2.0
_PURGE_INTERVAL_S = 3600.0
_COPY_TIMEOUT_S = 30.0


class FrameLog:
    """Copies frames from a buffer into the table, several times a second."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock, roles: Roles = NO_ROLES) -> None:
        """Make a frame log. url: DATABASE_URL; roles: the roles that PostgreSQL has."""
        self._url = url
        self._roles = roles
        self._clock = clock
        self.buffer = FrameBuffer(
            settings.frame_log_buffer,
            settings.frame_log_buffer_bytes,
            settings.frame_log_bytes_of_tenant_per_day,
        )
        """The buffer that conversations put their frames into."""
        self._retention = timedelta(days=settings.frame_log_retention_days)
        self._connection: asyncpg.Connection[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    def start(self) -> None:
        """Start to write in the background."""
        self._task = asyncio.create_task(self._run(), name="frame-log")

    async def flush(self) -> None:
        """Write all frames of the buffer. Frames that cannot be written are dropped and counted."""
        async with self._lock:
            FRAME_LOG_SHED.labels("buffer_full").inc(self.buffer.take_shed())
            # Frames that arrive meanwhile are left for the next call. Otherwise this might never end.
            left = len(self.buffer)
            while left > 0 and (taken := self.buffer.take()) is not None:
                data, frames = taken
                left -= frames
                try:
                    await self._copy(data)
                except BaseException:
                    FRAME_LOG_SHED.labels("not_written").inc(frames)
                    # An unfinished COPY may still run on this connection.
                    self._disconnect()
                    raise
                FRAME_LOG_WRITTEN.inc(frames)

    async def purge(self) -> int:
        """Drop the days that are older than the retention. Return their number."""
        return await drop_partitions_of(self._url, FRAME_RUNS, self._clock.now(), self._retention)

    async def close(self) -> None:
        """Write the remaining frames if the database is available, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        try:
            await self.flush()
        except Exception as error:
            if failure_of(error) is Failure.DATA:
                raise
            _LOG.warning("frame_log_lost_at_close", error=str(error))
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _run(self) -> None:
        purge_at = self._clock.monotonic() + _PURGE_INTERVAL_S
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self.flush()
                if self._clock.monotonic() >= purge_at:
                    purge_at += _PURGE_INTERVAL_S
                    await self.purge()
            except Exception as error:
                # The log must go on after any error. These frames are lost, but the next ones may be written.
                _LOG.warning("frame_log_not_written", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_RETRY_S)

    async def _copy(self, data: bytes) -> None:
        connection = await self._connected()
        await copy_encoded(connection, "frame_runs", FrameBuffer.COLUMNS, data, _COPY_TIMEOUT_S)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            # A crash may lose the last frames. The ledger has connections of its own.
            settings = {"synchronous_commit": "off", **self._roles.settings_of_ledger}
            self._connection = await connect(self._url, "frame log", settings)
        return self._connection
