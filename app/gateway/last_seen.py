"""Writes to the database when charge points were last heard."""

import asyncio

from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import LastSeen
from app.connection import Connection
from app.errors import AppError
from app.logs import get_logger

_LOG = get_logger(__name__)

_PORTION = 500
"""Charge points of one statement, and of one look. Other work may run between two."""


class LastSeenRecorder:
    """Writes last-seen times: many in one statement, and only those that have changed."""

    def __init__(self, login_batcher: LoginBatcher) -> None:
        self._login_batcher = login_batcher
        self._written: dict[str, int] = {}

    async def write(self, connections: list[Connection]) -> None:
        """Write the times that have changed since the last call that succeeded."""
        for start in range(0, len(connections), _PORTION):
            portion = [c for c in connections[start : start + _PORTION] if self._has_changed(c)]
            seen_us = {connection.connection_id: connection.last_seen_us for connection in portion}
            if not portion:
                await asyncio.sleep(0)
            elif await self._touch(portion):
                self._written.update(seen_us)

    async def write_one(self, connection: Connection) -> None:
        """Write the time of a connection that has just ended."""
        await self._touch([connection])
        self._written.pop(connection.connection_id, None)

    def _has_changed(self, connection: Connection) -> bool:
        return self._written.get(connection.connection_id) != connection.last_seen_us

    async def _touch(self, heard: list[Connection]) -> bool:
        """Return False if the database was away: then perhaps nothing was written."""
        times = [LastSeen(c.tenant_id, c.charge_point_id, c.last_seen, c.clock_skew_s) for c in heard]
        try:
            await self._login_batcher.record_last_seen(times)
        except AppError as error:
            _LOG.warning("last_seen_not_written", detail=error.detail)
            return False
        return True
