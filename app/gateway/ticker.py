"""One clock for all sessions of a worker: deadlines of CALLs, metrics, when charge points were last heard."""

from app import metrics
from app.clock import Clock
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.registry import Registry
from app.gateway.session_services import HasDeadlines
from app.ocpp import Tally
from app.tasks import PeriodicTask

TICK_S = 0.25
"""How late a deadline may be noticed. Timeouts are seconds, so a timer per socket would buy nothing."""

LAST_SEEN_PERIOD_S = 30.0
"""How old `last_seen_at` in the database may be while a charge point is connected."""


class CallDeadlines:
    """The sessions that have a CALL of ours out."""

    def __init__(self) -> None:
        self._sessions: set[HasDeadlines] = set()

    def watch(self, session: HasDeadlines) -> None:
        """Call `expire_calls` of the session from now on, until it returns False."""
        self._sessions.add(session)

    def check(self) -> None:
        """Let each session look at its deadlines."""
        for session in list(self._sessions):
            # One whose tick fails is not asked again, so that it cannot hold up the others.
            self._sessions.discard(session)
            if session.expire_calls():
                self._sessions.add(session)


class Ticker:
    """Runs all of it. A fault in one tick is logged and costs that tick only."""

    def __init__(
        self,
        deadlines: CallDeadlines,
        tally: Tally,
        last_seen: LastSeenRecorder,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._deadlines = deadlines
        self._tally = tally
        self._last_seen = last_seen
        self._registry = registry
        self._clock = clock
        self._next_tick = 0.0
        self._loops: list[PeriodicTask] = []

    def start(self) -> None:
        """Tick from now on."""
        self._next_tick = self._clock.monotonic()
        self._loops = [
            PeriodicTask(self._watch_deadlines, "deadlines"),
            PeriodicTask(self._write_last_seen, "last_seen"),
        ]

    async def close(self) -> None:
        """Tick no more."""
        for loop in self._loops:
            await loop.stop()

    async def _watch_deadlines(self) -> float:
        now = self._clock.monotonic()
        metrics.LOOP_LAG_SECONDS.set(max(0.0, now - self._next_tick))
        metrics.CONNECTIONS_OPEN.set(len(self._registry))
        # After a stall the missed ticks are not made up for.
        self._next_tick = max(self._next_tick + TICK_S, now)
        self._publish()
        self._deadlines.check()
        return self._next_tick - now

    def _publish(self) -> None:
        """Move what was counted on the frame path to the metrics."""
        frames_in, frames_out, answered = self._tally.take()
        metrics.FRAMES_RECEIVED.inc(frames_in)
        metrics.FRAMES_SENT.inc(frames_out)
        for action, (counts, sum_s) in answered.items():
            metrics.CALLS_RECEIVED.labels(action).inc(sum(counts))
            metrics.CALL_SECONDS.add(action, counts, sum_s)

    async def _write_last_seen(self) -> float:
        await self._last_seen.write([session.connection for session in self._registry.sessions()])
        return LAST_SEEN_PERIOD_S
