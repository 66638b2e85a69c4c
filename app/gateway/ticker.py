"""The periodic work for all sessions of a worker: deadlines of CALLs, metrics, last-seen times."""

from app import metrics
from app.clock import Clock
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.registry import Registry
from app.gateway.session_services import HasDeadlines
from app.ocpp import Counters
from app.tasks import PeriodicTask

TICK_S = 0.25
"""Seconds by which a deadline may be noticed late. Timeouts are seconds, so this is precise enough."""

LAST_SEEN_PERIOD_S = 4.0
"""Seconds between two writes of `last_seen_at`, so that it is right within 5 s.

A charge point that sends less often than that costs one write for each of its messages, as with any longer
period.
"""


class CallDeadlines:
    """The sessions that wait for the answer to a CALL of ours.

    sessions: `check` calls their `expire_calls`, until it returns False.
    """

    def __init__(self) -> None:
        self.sessions: set[HasDeadlines] = set()

    def check(self) -> None:
        """Let each session check its deadlines."""
        for session in list(self.sessions):
            # A session that raises is not asked again, so it cannot disturb the others.
            self.sessions.discard(session)
            if session.expire_calls():
                self.sessions.add(session)


class Ticker:
    """Runs the periodic work. An exception in one tick is logged and costs that tick only."""

    def __init__(
        self,
        deadlines: CallDeadlines,
        counters: Counters,
        last_seen: LastSeenRecorder,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._deadlines = deadlines
        self._counters = counters
        self._last_seen = last_seen
        self._registry = registry
        self._clock = clock
        self._next_tick = 0.0
        self._tasks: list[PeriodicTask] = []

    def start(self) -> None:
        """Run from now on."""
        self._next_tick = self._clock.monotonic()
        self._tasks = [
            PeriodicTask(self._watch_deadlines, "deadlines"),
            PeriodicTask(self._write_last_seen, "last_seen"),
        ]

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            await task.stop()

    async def _watch_deadlines(self) -> float:
        now = self._clock.monotonic()
        metrics.LOOP_LAG_SECONDS.set(max(0.0, now - self._next_tick))
        metrics.CONNECTIONS_OPEN.set(len(self._registry))
        # After a stall the missed ticks are skipped.
        self._next_tick = max(self._next_tick + TICK_S, now)
        self._publish()
        self._deadlines.check()
        return self._next_tick - now

    def _publish(self) -> None:
        """Add the counts of the frame path to the metrics."""
        frames_in, frames_out, answered = self._counters.take()
        metrics.FRAMES_RECEIVED.inc(frames_in)
        metrics.FRAMES_SENT.inc(frames_out)
        for action, (counts, sum_s) in answered.items():
            metrics.CALLS_RECEIVED.labels(action).inc(sum(counts))
            metrics.CALL_SECONDS.add(action, counts, sum_s)

    async def _write_last_seen(self) -> float:
        begun = self._clock.monotonic()
        await self._last_seen.write([session.connection for session in self._registry.sessions()])
        return max(0.0, begun + LAST_SEEN_PERIOD_S - self._clock.monotonic())
