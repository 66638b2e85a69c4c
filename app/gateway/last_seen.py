"""Writes to the database when charge points were last heard."""

import asyncio

from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import ClosedConnection, LastSeen
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
            elif await self._touch(list(map(_last_seen, portion))):
                self._written.update(seen_us)

    async def write_closed(self, connection: Connection, code: int) -> None:
        """Write the time of a connection that has just ended, and that it has. code: the WebSocket one."""
        closed = ClosedConnection(connection.epoch, connection.connected_at, code)
        await self._touch([_last_seen(connection)._replace(closed=closed)])
        self._written.pop(connection.connection_id, None)

    def _has_changed(self, connection: Connection) -> bool:
        return self._written.get(connection.connection_id) != connection.last_seen_us

    async def _touch(self, times: list[LastSeen]) -> bool:
        """Return False if the database was away: then perhaps nothing was written."""
        try:
            await self._login_batcher.record_last_seen(times)
        except AppError as error:
            _LOG.warning("last_seen_not_written", detail=error.detail)
            return False
        return True


def _last_seen(connection: Connection) -> LastSeen:
    return LastSeen(
        connection.tenant_id, connection.charge_point_id, connection.last_seen, connection.clock_skew_s
    )
