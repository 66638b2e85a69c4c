"""One clock for all sessions of a worker: deadlines of CALLs, metrics, when charge points were last heard."""

from app import metrics
from app.clock import Clock
from app.csms.connection import Connection
from app.errors import AppError
from app.gateway.registry import Registry
from app.gateway.session_services import Ticking
from app.live.background import Loop
from app.logs import get_logger
from app.ocpp import Counters
from app.store.database import Database
from app.store.records import SignOfLife

log = get_logger(__name__)

TICK_S = 0.25
"""How late a deadline may be noticed. Timeouts are seconds, so a timer per socket would buy nothing."""

LAST_SEEN_PERIOD_S = 30.0
"""How old `last_seen_at` in the database may be while a charge point is connected."""

_PORTION = 500
"""Charge points written at once; between two portions others get their turn."""


class Deadlines:
    """The sessions that have a CALL of ours out."""

    def __init__(self) -> None:
        self._sessions: set[Ticking] = set()

    def watch(self, session: Ticking) -> None:
        """Call `tick` of the session from now on, until it returns False."""
        self._sessions.add(session)

    def tick(self) -> None:
        """Let each session look at its deadlines."""
        for session in list(self._sessions):
            # One whose tick fails is not asked again, so that it cannot hold up the others.
            self._sessions.discard(session)
            if session.tick():
                self._sessions.add(session)


class LastSeen:
    """Writes down when charge points were last heard: many at once, and only what has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
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
            await self._database.attendance.heard(signs)
        except AppError as error:
            log.warning("last_seen_not_written", detail=error.detail)
            return False
        return True


class Ticker:
    """Runs all of it. A fault in one tick is logged and costs that tick only."""

    def __init__(
        self, deadlines: Deadlines, counters: Counters, last_seen: LastSeen, registry: Registry, clock: Clock
    ) -> None:
        self._deadlines = deadlines
        self._counters = counters
        self._last_seen = last_seen
        self._registry = registry
        self._clock = clock
        self._due = 0.0
        self._loops: list[Loop] = []

    def start(self) -> None:
        """Tick from now on."""
        self._due = self._clock.monotonic()
        self._loops = [Loop(self._watch_deadlines, "deadlines"), Loop(self._write_last_seen, "last_seen")]

    async def close(self) -> None:
        """Tick no more."""
        for loop in self._loops:
            await loop.stop()

    async def _watch_deadlines(self) -> float:
        now = self._clock.monotonic()
        metrics.LOOP_LAG_SECONDS.set(max(0.0, now - self._due))
        metrics.CONNECTIONS_OPEN.set(len(self._registry))
        # After a stall the missed ticks are not made up for.
        self._due = max(self._due + TICK_S, now)
        self._publish()
        self._deadlines.tick()
        return self._due - now

    def _publish(self) -> None:
        """Move what was counted on the frame path to the metrics."""
        frames_in, frames_out, answered = self._counters.take()
        metrics.FRAMES_RECEIVED.inc(frames_in)
        metrics.FRAMES_SENT.inc(frames_out)
        for action, (counts, sum_s) in answered.items():
            metrics.CALLS_RECEIVED.labels(action).inc(sum(counts))
            metrics.CALL_SECONDS.add(action, counts, sum_s)

    async def _write_last_seen(self) -> float:
        await self._last_seen.write([session.connection for session in self._registry.sessions()])
        return LAST_SEEN_PERIOD_S
