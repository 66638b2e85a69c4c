"""How much the charge points of each tenant may send to one worker. Beyond it they are read more slowly.

Nothing is refused: a billing record that waits in the buffers of a socket comes later. The core counts what
arrives; a look at the counts four times a second costs nothing for a charge point that is silent.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from app.clock import Clock
from app.metrics import CALL_SECONDS, FRAME_LOG_SHED, LIMITS_HIT
from app.ocpp import Counters, FrameBuffer
from app.settings import Settings
from app.token_buckets import TokenBuckets
from app.types import TenantId

_LONGEST_PAUSE_S: Final = 10.0
_TOLD_EVERY_S: Final = 60.0
_TENANTS: Final = 1_000_000
_BURST_S: Final = 5.0
"""Seconds of a quota that may come at once. Others wait for what does."""

Answered = dict[str, tuple[list[int], float]]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of the charge points of one tenant since the last look."""

    frames_in: int
    frames_out: int
    answered: Answered


def spread(pause_s: float, count: int) -> list[float]:
    """Return pauses of that length on average, which end one after another, in random order.

    What many charge points send when they go on together would hold up everybody else.
    """
    pauses = [pause_s * (0.5 + (place + 0.5) / count) for place in range(count)]
    # Else the same ones would always have the longest pauses.
    random.shuffle(pauses)
    return pauses


class TenantQuotas:
    """The counters of the tenants on one worker, and how much of their quotas is left."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        frames: FrameBuffer,
        quota_reached: Callable[[TenantId, str], None],
    ) -> None:
        """Make the quotas.

        Args:
            settings: The limits.
            clock: Of this host.
            frames: What waits for the frame log; it counts what is beyond the quota of a tenant.
            quota_reached: Told of a tenant and the name of its quota. It must not wait.
        """
        self._frames = frames
        self._clock = clock
        self._quota_reached = quota_reached
        # Half of it more, see `spread`, is still shorter than the time in which a pong must be read.
        self._longest_pause_s = min(_LONGEST_PAUSE_S, settings.ping_timeout_s / 2)
        self._counters: dict[TenantId, Counters] = {}
        self._told_at: dict[tuple[TenantId, str], float] = {}
        self._messages = TokenBuckets(settings.messages_of_tenant_per_minute, _TENANTS, _BURST_S)
        self._bytes = TokenBuckets(settings.message_bytes_of_tenant_per_minute, _TENANTS, _BURST_S)

    def counters_of(self, tenant_id: TenantId) -> Counters:
        """Return the counters that the connections of a tenant share."""
        found = self._counters.get(tenant_id)
        if found is None:
            found = self._counters[tenant_id] = Counters(CALL_SECONDS.bounds_s)
        return found

    def look(self, slow_down: Callable[[TenantId, float], None]) -> Iterator[Counted]:
        """Take the counts of all tenants, and slow down those who are beyond their quotas.

        Args:
            slow_down: gets a tenant, and for how many seconds its sockets are not to be read.
        """
        now = self._clock.monotonic()
        for tenant, frames in self._frames.take_beyond_quota().items():
            FRAME_LOG_SHED.labels("quota_of_tenant").inc(frames)
            self._tell(TenantId(tenant), "frame_log", now)
        for tenant_id, counters in self._counters.items():
            frames_in, bytes_in, frames_out, answered = counters.take()
            if frames_in or frames_out or answered:
                yield Counted(frames_in, frames_out, answered)
            pause_s = self._pause_s(tenant_id, frames_in, bytes_in, now)
            if pause_s > 0.0:
                slow_down(tenant_id, min(pause_s, self._longest_pause_s))

    def _pause_s(self, tenant_id: TenantId, frames: int, size: int, now: float) -> float:
        key, longest_s = (str(tenant_id),), 0.0
        for name, buckets, weight in (("messages", self._messages, frames), ("bytes", self._bytes, size)):
            if weight:
                buckets.take(key, now, weight)
            wait_s = buckets.retry_after_s(key, now)
            if wait_s > 0.0:
                LIMITS_HIT.labels(f"{name}_of_tenant").inc()
                self._tell(tenant_id, name, now)
            longest_s = max(longest_s, wait_s)
        return longest_s

    def _tell(self, tenant_id: TenantId, name: str, now: float) -> None:
        if now - self._told_at.get((tenant_id, name), float("-inf")) >= _TOLD_EVERY_S:
            self._told_at[tenant_id, name] = now
            self._quota_reached(tenant_id, name)
