"""Who is connected where. The worker that holds a socket is its owner; Redis tells the others, and is never
needed to let a charge point in.

Theory of operation: this worker's own owners are in memory (`_local`), the truth; their entries in Redis are
a copy, and `_maybe_written` are those that may have one, by connection. What could not be written waits in
`_unwritten` and `_unremoved`. Each renewal of the lease (a) writes what waits and checks a slice of the rest,
or (b) after an outage or when Redis has lost something, enters all of `_local` anew. Whoever has the higher
rank wins; the loser is told through the `OwnershipListener`. Take-overs and removals go in one batch after
the other, so that Redis sees them in our order.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import structlog
from redis.asyncio import Redis

from app.clock import Clock
from app.database.batcher import Batcher
from app.errors import Unavailable
from app.live.connect import FAILURES
from app.live.lease import WorkerLease
from app.live.owner import EntryResult, Owner, OwnerEntries, OwnerKey
from app.metrics import PRESENCE_REPUBLISHED, REDIS_FAILURES
from app.tasks import PeriodicTask
from app.types import TenantId, WorkerId

__all__ = ["Owner", "OwnershipListener", "Presence"]

_BATCH = 500
"""Owners in one round trip: some milliseconds of Redis, then others get their turn."""

_SLICE = 250
"""Owners checked at each renewal in quiet times: a constant cost, and no lost entry stays lost for ever."""

_RETRY_S = 1.0
"""Seconds between renewals while Redis is out of reach."""

log = structlog.get_logger(__name__)


class OwnershipListener(Protocol):
    """Hears of take-overs that were found out late: after an outage of Redis, or a lost eviction."""

    def stale(self, owner: Owner) -> None:
        """A newer owner, on another worker, has the key of one of ours: close its socket."""

    def displaced(self, previous: Owner, by: Owner) -> None:
        """One of ours has the key of `previous`, on another worker: tell that worker."""


class _Write(NamedTuple):
    """One change of ours to the entries: a take-over, or a removal."""

    owner: Owner
    is_entry: bool


class Presence:
    """Who is connected where. lease_s, renewal_s: life of this worker's lease, time between renewals."""

    def __init__(
        self,
        redis: Redis,
        worker_id: WorkerId,
        clock: Clock,
        *,
        lease_s: float = 15.0,
        renewal_s: float = 5.0,
    ) -> None:
        self.worker_id = worker_id
        self._entries = OwnerEntries(redis)
        self._lease = WorkerLease(redis, worker_id, clock, lease_s)
        self._renewal_s = renewal_s
        self._listener: OwnershipListener | None = None
        self._local: dict[OwnerKey, Owner] = {}
        self._unwritten: set[OwnerKey] = set()
        self._maybe_written: set[str] = set()
        self._unremoved: dict[str, Owner] = {}
        self._sweep: list[OwnerKey] = []
        self._writes: Batcher[_Write, EntryResult | None] = Batcher(self._write, _BATCH)
        self._reachable = False
        self._failure_is_logged = False
        self._republish = True
        self._loop: PeriodicTask | None = None

    @property
    def reachable(self) -> bool:
        """False while Redis does not answer: then only this worker's own owners are known."""
        return self._reachable

    async def start(self, listener: OwnershipListener) -> None:
        """Take the lease, if Redis is there, and renew it in the background."""
        self._listener = listener
        await self.renew()
        self._loop = PeriodicTask(self._renew_later, "presence_renewal")

    async def close(self) -> None:
        """End the renewal and give the lease back."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None
        await self._writes.drain()
        try:
            await self._lease.release()
        except FAILURES as error:
            self._failed("give_back", error)
        # Sessions that end later leave entries of a dead worker, which count for nothing.
        self._reachable = False

    async def take_over(self, owner: Owner) -> Owner | None:
        """Enter an owner of this worker; return the one that stood there, None too when Redis is out of
        reach.

        When the returned one ranks higher, it has stayed and `owner` is stale.
        """
        local = self._local.get(owner.key)
        if local is not None and local.rank > owner.rank:
            return local
        self._local[owner.key] = owner
        self._unwritten.add(owner.key)
        entered = await self._writes.add(_Write(owner, is_entry=True))
        if entered is None:
            return local
        if not entered.won and self._local.get(owner.key) is owner:
            del self._local[owner.key]
        return entered.other or local

    async def release(self, owner: Owner) -> None:
        """Remove an owner whose socket is closed, unless a newer one has its key."""
        if self._is_local(owner):
            del self._local[owner.key]
            self._unwritten.discard(owner.key)
        if owner.connection_id not in self._maybe_written:
            # Redis never heard of it. During an outage these would add up without end.
            return
        self._maybe_written.discard(owner.connection_id)
        self._unremoved[owner.connection_id] = owner
        await self._writes.add(_Write(owner, is_entry=False))

    async def find(self, tenant_id: TenantId, identity: str) -> Owner | None:
        """Return the owner if its worker is alive. With Redis out of reach: what this worker itself holds."""
        return (await self.find_many(tenant_id, [identity])).get(identity)

    async def locate(self, tenant_id: TenantId, identity: str) -> Owner | None:
        """Return the owner, for a command.

        Raises:
            Unavailable: code `bus_unavailable`; Redis is out of reach and this worker does not hold the
            session.
        """
        owner = await self.find(tenant_id, identity)
        if owner is None and not self._reachable:
            raise Unavailable("The live state is out of reach; only local sessions are.", "bus_unavailable")
        return owner

    async def find_many(self, tenant_id: TenantId, identities: Iterable[str]) -> dict[str, Owner]:
        """Return the owners of those that are connected, by identity, in two round trips."""
        keys = [(tenant_id, identity) for identity in identities]
        stored: Sequence[Owner | None] = [None] * len(keys)
        living: set[WorkerId] = set()
        if self._reachable and keys:
            try:
                stored = await self._entries.read(keys)
                living = await self._lease.living({o.worker for o in stored if o is not None})
            except FAILURES as error:
                self._failed("find", error)
        found = (self._newest(key, entry, living) for key, entry in zip(keys, stored, strict=True))
        return {owner.identity: owner for owner in found if owner is not None}

    def alive_workers(self) -> frozenset[WorkerId] | None:
        """Return the workers that were seen within one lease; None while that cannot be said for certain."""
        return self._lease.alive_workers()

    async def renew(self) -> None:
        """Renew the lease, bring the entries in line with this worker's sockets. Never raises for Redis."""
        try:
            if not await self._lease.renew():
                self._republish = True
            self._reachable = True
            self._failure_is_logged = False
            await self._synchronize()
            await self._lease.watch()
        except FAILURES as error:
            self._failed("renew", error)

    async def _renew_later(self) -> float:
        await asyncio.sleep(self._renewal_s if self._reachable else min(_RETRY_S, self._renewal_s))
        await self.renew()
        return 0.0

    async def _synchronize(self) -> None:
        if removed := list(self._unremoved.values()):
            await self._entries.remove(removed)
            self._forget_removed(removed)
        if self._republish:
            self._republish = False
            self._sweep = list(self._local)
            self._unwritten.update(self._sweep)
            PRESENCE_REPUBLISHED.inc(len(self._sweep))
            due = self._sweep
        else:
            due = [*self._unwritten, *self._next_slice()]
        keys = iter(due)
        while batch := list(islice(keys, _BATCH)):
            owners = [owner for key in batch if (owner := self._local.get(key)) is not None]
            if owners:
                self._notify_listener(await self._enter(owners))
                # Released while Redis wrote: the removal may have come before the entry.
                if gone := [owner for owner in owners if not self._is_local(owner)]:
                    await self._entries.remove(gone)

    def _next_slice(self) -> list[OwnerKey]:
        if not self._sweep:
            self._sweep = list(self._local)
        due, self._sweep = self._sweep[:_SLICE], self._sweep[_SLICE:]
        return due

    async def _write(self, writes: list["_Write"]) -> list[EntryResult | None]:
        """Enter and remove what came together; None: removed, or not entered (replaced, Redis away).

        Entries first: the removal of one that is entered here must come after it, and the removal of an older
        one does nothing to its successor.
        """
        if not self._reachable:
            return [None] * len(writes)
        entering = [w.owner for w in writes if w.is_entry and self._local.get(w.owner.key) is w.owner]
        removing = [w.owner for w in writes if not w.is_entry]
        entered: dict[str, EntryResult] = {}
        try:
            if entering:
                entered = {e.owner.connection_id: e for e in await self._enter(entering)}
            if removing:
                await self._entries.remove(removing)
                self._forget_removed(removing)
        except FAILURES as error:
            self._failed("write", error)
        return [entered.get(w.owner.connection_id) if w.is_entry else None for w in writes]

    async def _enter(self, owners: Sequence[Owner]) -> list[EntryResult]:
        self._maybe_written.update(owner.connection_id for owner in owners)
        results = await self._entries.write(owners)
        dead = await self._dead([r.other for r in results if not r.won and r.other is not None])
        for index, entered in enumerate(results):
            if not entered.won and entered.other is not None and entered.other.connection_id in dead:
                (again,) = await self._entries.write([entered.owner], beaten=entered.other.rank)
                # The dead one is nobody's business any more, least of all of those who compare ranks.
                results[index] = again if not again.won else EntryResult(again.owner, True, None)
        for entered in results:
            if self._local.get(entered.owner.key) is entered.owner:
                self._unwritten.discard(entered.owner.key)
        return results

    async def _dead(self, holders: list[Owner]) -> set[str]:
        """Return those that no living worker holds: they count for nothing."""
        if not holders:
            return set()
        living = await self._lease.living({holder.worker for holder in holders})
        return {holder.connection_id for holder in holders if not self._holds(holder, living)}

    def _holds(self, holder: Owner, living: set[WorkerId]) -> bool:
        if holder.worker == self.worker_id:
            return self._is_local(holder)
        return holder.worker in living or self._lease.seen_lately(holder.worker)

    def _is_local(self, owner: Owner) -> bool:
        local = self._local.get(owner.key)
        return local is not None and local.rank == owner.rank

    def _newest(self, key: OwnerKey, stored: Owner | None, living: set[WorkerId]) -> Owner | None:
        local = self._local.get(key)
        if stored is None or (local is not None and local.rank >= stored.rank):
            return local
        return stored if stored.worker != self.worker_id and stored.worker in living else local

    def _notify_listener(self, results: Iterable[EntryResult]) -> None:
        for owner, won, other in ((entered.owner, entered.won, entered.other) for entered in results):
            if self._listener is None or other is None or other.worker == self.worker_id:
                continue
            if not won:
                self._listener.stale(owner)
            elif other.rank < owner.rank:
                self._listener.displaced(other, owner)

    def _forget_removed(self, removed: Iterable[Owner]) -> None:
        for owner in removed:
            self._unremoved.pop(owner.connection_id, None)

    def _failed(self, operation: str, error: Exception) -> None:
        REDIS_FAILURES.labels(operation).inc()
        if not self._failure_is_logged:
            self._failure_is_logged = True
            log.warning("redis_unreachable", operation=operation, error=repr(error))
        self._reachable = False
        self._republish = True
        self._lease.interrupt()
