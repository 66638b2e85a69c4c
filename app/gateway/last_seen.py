"""When charge points were last heard, written to the database from time to time."""

from app.charge_points.connection_batcher import ConnectionBatcher
from app.charge_points.records import SignOfLife
from app.connection import Connection
from app.errors import AppError
from app.logs import get_logger

log = get_logger(__name__)

_PORTION = 500
"""Charge points written at once; between two portions others get their turn."""


class LastSeenRecorder:
    """Writes down when charge points were last heard: many at once, and only what has changed."""

    def __init__(self, connection_batcher: ConnectionBatcher) -> None:
        self._connection_batcher = connection_batcher
        self._written: dict[str, int] = {}

    async def write(self, connections: list[Connection]) -> None:
        """Write what changed since the last time; without the database it waits for the next time."""
        self._written = {
            c.connection_id: self._written[c.connection_id]
            for c in connections
            if c.connection_id in self._written
        }
        changed = [c for c in connections if self._written.get(c.connection_id) != c.last_seen_us]
        for start in range(0, len(changed), _PORTION):
            portion = changed[start : start + _PORTION]
            seen_us = {connection.connection_id: connection.last_seen_us for connection in portion}
            if await self._touch(portion):
                self._written.update(seen_us)

    async def write_one(self, connection: Connection) -> None:
        """Write it for a connection that has just ended."""
        await self._touch([connection])

    async def _touch(self, heard: list[Connection]) -> bool:
        """False: the database was away, nothing may have been written."""
        signs = [SignOfLife(c.tenant_id, c.charge_point_id, c.last_seen, c.clock_skew_s) for c in heard]
        try:
            await self._connection_batcher.heard(signs)
        except AppError as error:
            log.warning("last_seen_not_written", detail=error.detail)
            return False
        return True
