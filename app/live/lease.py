"""Tells which workers are alive. Each holds a lease in Redis, which expires soon after it is killed.

The renewal also checks the state of Redis. The lease holds a counter: if it is not the number that we wrote
last, Redis has lost data (flush, restart, failover to an old replica).
"""

from app.clock import Clock
from app.live.connect import LiveRedis
from app.live.keys import WORKERS, WorkerKeys
from app.types import WorkerId

_FORGET_AFTER_LEASES = 20


class WorkerLease:
    """The lease of this worker, and when it saw the leases of others. Errors of Redis are raised."""

    def __init__(self, redis: LiveRedis, worker_id: WorkerId, clock: Clock, lease_s: float) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._clock = clock
        self._lease_s = lease_s
        self._renewals = 0
        self._seen: dict[WorkerId, float] = {}
        self._watching_since: float | None = None
        self._watched_at = 0.0

    async def renew(self) -> bool:
        """Renew the lease. Return False if Redis has lost it, or has restored an earlier state of it."""
        before, self._renewals = self._renewals, self._renewals + 1
        async with self._redis.pipeline(transaction=False) as pipeline:
            key = WorkerKeys(self._worker_id).lease
            pipeline.set(key, self._renewals, px=int(self._lease_s * 1000), get=True)
            pipeline.sadd(WORKERS, self._worker_id)
            found, _ = await pipeline.execute()
        return found is not None and int(found) == before

    async def is_kept(self) -> bool:
        """Tell whether Redis still has the lease as it was written last."""
        found = await self._redis.get(WorkerKeys(self._worker_id).lease)
        return found is not None and int(found) == self._renewals

    async def watch(self) -> None:
        """Look which workers hold a lease, and remember when each was last seen."""
        members = {WorkerId(member.decode()) for member in await self._redis.smembers(WORKERS)}  # type: ignore[union-attr]  # no decode_responses: bytes
        alive = await self._leases(members | self._seen.keys())
        now = self._clock.monotonic()
        if self._watching_since is None or now - self._watched_at > self._lease_s:
            self._watching_since = now
        self._watched_at = now
        self._seen.update(dict.fromkeys(alive, now))
        forget_before = now - _FORGET_AFTER_LEASES * self._lease_s
        gone = {worker for worker in members if self._seen.get(worker, self._watching_since) < forget_before}
        for worker in gone:
            self._seen.pop(worker, None)
        if gone:
            await self._redis.srem(WORKERS, *gone)

    def interrupt(self) -> None:
        """Start to watch again, because Redis was out of reach: workers may have been alive meanwhile."""
        self._watching_since = None

    def alive_workers(self) -> frozenset[WorkerId] | None:
        """Return the workers that were seen within one lease, None while we have not watched that long.

        A missing lease alone does not prove that a worker is dead: after a flush all are missing until they
        renew.
        """
        now = self._clock.monotonic()
        if self._watching_since is None or now - self._watched_at > self._lease_s:
            return None
        if now - self._watching_since < self._lease_s:
            return None
        recent = {worker for worker, at in self._seen.items() if now - at <= self._lease_s}
        return frozenset(recent | {self._worker_id})

    async def living(self, workers: set[WorkerId]) -> set[WorkerId]:
        """Return those of `workers` that hold a lease now. This worker always counts as alive."""
        return await self._leases(workers - {self._worker_id}) | (workers & {self._worker_id})

    def seen_lately(self, worker: WorkerId) -> bool:
        """Tell whether a worker was seen alive within the length of one lease."""
        return self._clock.monotonic() - self._seen.get(worker, float("-inf")) <= self._lease_s

    async def release(self) -> None:
        """Release the lease at shutdown, so that other workers need not wait until it expires."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.delete(WorkerKeys(self._worker_id).lease)
            pipeline.srem(WORKERS, self._worker_id)
            await pipeline.execute()

    async def _leases(self, workers: set[WorkerId]) -> set[WorkerId]:
        if not workers:
            return set()
        ordered = sorted(workers)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for worker in ordered:
                pipeline.exists(WorkerKeys(worker).lease)
            found = await pipeline.execute()
        return {worker for worker, exists in zip(ordered, found, strict=True) if exists}
