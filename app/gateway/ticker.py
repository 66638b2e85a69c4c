"""The periodic work for all sessions of a worker: deadlines of CALLs, metrics, last-seen times."""

from collections.abc import Callable

from app import metrics
from app.clock import Clock
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.registry import Registry
from app.gateway.session_services import HasDeadlines
from app.gateway.tenant_quotas import TenantQuotas
from app.tasks import PeriodicTask
from app.types import TenantId

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


class RecentWorst:
    """The largest value of the last minute or two: of the present minute and of the one before."""

    def __init__(self) -> None:
        self._minute = 0
        self._present = self._before = 0.0

    def add(self, value: float, now: float) -> float:
        """Add a value, and return the largest one. now: monotonic seconds."""
        minute = int(now // 60)
        if minute != self._minute:
            self._before = self._present if minute == self._minute + 1 else 0.0
            self._minute, self._present = minute, 0.0
        self._present = max(self._present, value)
        return max(self._present, self._before)


class Ticker:
    """Runs the periodic work. An exception in one tick is logged and costs that tick only."""

    def __init__(
        self,
        deadlines: CallDeadlines,
        quotas: TenantQuotas,
        last_seen: LastSeenRecorder,
        registry: Registry,
        clock: Clock,
        slow_down: Callable[[TenantId, float], None],
    ) -> None:
        """Make the ticker. slow_down: see `TenantQuotas.look`."""
        self._slow_down = slow_down
        self._deadlines = deadlines
        self._quotas = quotas
        self._last_seen = last_seen
        self._registry = registry
        self._clock = clock
        self._next_tick = 0.0
        self._worst_lag_s = RecentWorst()
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
        lag_s = max(0.0, now - self._next_tick)
        metrics.LOOP_LAG_SECONDS.observe(lag_s)
        metrics.LOOP_LAG_WORST_SECONDS.set(self._worst_lag_s.add(lag_s, now))
        metrics.CONNECTIONS_OPEN.set(len(self._registry))
        # After a stall the missed ticks are skipped.
        self._next_tick = max(self._next_tick + TICK_S, now)
        self._publish()
        self._deadlines.check()
        return self._next_tick - now

    def _publish(self) -> None:
        """Add the counts of the frame path to the metrics, and apply the quotas."""
        for counted in self._quotas.look(self._slow_down):
            metrics.FRAMES_RECEIVED.inc(counted.frames_in)
            metrics.FRAMES_SENT.inc(counted.frames_out)
            for action, (counts, sum_s) in counted.answered.items():
                metrics.CALLS_RECEIVED.labels(action).inc(sum(counts))
                metrics.CALL_SECONDS.add(action, counts, sum_s)

    async def _write_last_seen(self) -> float:
        begun = self._clock.monotonic()
        await self._last_seen.write([session.connection for session in self._registry.sessions()])
        return max(0.0, begun + LAST_SEEN_PERIOD_S - self._clock.monotonic())
