"""Tells which worker holds the connection of a charge point. A login never needs Redis.

The owners of this worker's sockets are in memory (`_local`), and that is the truth. Redis holds a copy for
other workers. `_maybe_written` are the connections that may have an entry there. Entries that could not be
written or removed wait in `_unwritten` and `_unremoved`. Each renewal of the lease writes what waits and
checks a slice of the rest. After an outage, or if Redis has lost data, it writes all of `_local` again. The
owner of higher rank wins, and the loser is told through the `OwnershipListener`. Writes and removals go in
batches, one after the other, so Redis sees them in our order.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from app.batcher import Batcher
from app.clock import Clock
from app.errors import Unavailable
from app.live.connect import FAILURES, LiveRedis, words_of
from app.live.lease import WorkerLease
from app.live.owner import EntryResult, Owner, OwnerEntries, OwnerKey
from app.logs import get_logger
from app.metrics import PRESENCE_REPUBLISHED, REDIS_FAILURES
from app.tasks import PeriodicTask
from app.types import TenantId, WorkerId

__all__ = ["Owner", "OwnershipListener", "Presence"]

_BATCH = 500
"""Owners in one round trip: some milliseconds of work for Redis. Other commands may run between two."""

_SLICE = 250
"""Owners that each renewal checks if nothing else is to do. So a lost entry is found after some time."""

_RENEWALS_UNTIL_COMPLETE = 2
"""Renewals after which every worker has noticed that Redis lost data, and has written its owners again."""

_RETRY_S = 1.0
"""Seconds between renewals while Redis is out of reach."""

_LOG = get_logger(__name__)


class OwnershipListener(Protocol):
    """Is told of take-overs that were noticed late: after an outage of Redis, or a lost eviction."""

    def stale(self, owner: Owner) -> None:
        """Close the socket of an owner of this worker, because another worker has a newer one."""

    def displaced(self, previous: Owner, by: Owner) -> None:
        """Tell the worker of `previous` that a newer owner on this worker has replaced it."""


class _Write(NamedTuple):
    """One change to the entries: a take-over, or a removal."""

    owner: Owner
    is_entry: bool


class Presence:
    """The owners of charge points, on this worker and on others."""

    def __init__(
        self,
        redis: LiveRedis,
        worker_id: WorkerId,
        clock: Clock,
        *,
        lease_s: float = 15.0,
        renewal_s: float = 5.0,
    ) -> None:
        """Make the presence. lease_s: length of this worker's lease; renewal_s: time between renewals."""
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
        self._clock = clock
        self._lease_s = lease_s
        self._renewed_at = float("-inf")
        self._complete_from = float("-inf")
        self._reachable = False
        self._failure: str | None = None
        self._republish = True
        self._task: PeriodicTask | None = None

    @property
    def reachable(self) -> bool:
        """Whether Redis answers. If not, only the owners of this worker are known."""
        return self._reachable

    @property
    def failure(self) -> str | None:
        """The words of Redis when a request failed, or of the connection to it; None: it answers."""
        return self._failure

    async def start(self, listener: OwnershipListener) -> None:
        """Take the lease, if Redis answers, and renew it in the background."""
        self._listener = listener
        await self.renew()
        self._task = PeriodicTask(self._renew_later, "presence_renewal")

    async def close(self) -> None:
        """Stop the renewal and release the lease."""
        if self._task is not None:
            await self._task.stop()
            self._task = None
        await self._writes.drain()
        try:
            await self._lease.release()
        except FAILURES as error:
            self._failed("give_back", error)
        # Sessions that end later leave entries of a dead worker, which are ignored.
        self._reachable = False

    async def take_over(self, owner: Owner) -> Owner | None:
        """Make a session of this worker the owner. Return the owner before it, None if there is none.

        If the returned owner has a higher rank, it stays the owner, and `owner` is stale. None is also
        returned if Redis is out of reach.
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

    def amend(self, owner: Owner) -> None:
        """Replace an owner of this worker by the same one with other facts, and write it soon."""
        if self._is_local(owner):
            self._local[owner.key] = owner
            self._unwritten.add(owner.key)
            self._writes.add(_Write(owner, is_entry=True))

    async def release(self, owner: Owner) -> None:
        """Remove an owner whose socket is closed. A newer owner of the charge point stays."""
        if self._is_local(owner):
            del self._local[owner.key]
            self._unwritten.discard(owner.key)
        if owner.connection_id not in self._maybe_written:
            # It never had an entry in Redis. During a long outage these must not accumulate.
            return
        self._maybe_written.discard(owner.connection_id)
        self._unremoved[owner.connection_id] = owner
        await self._writes.add(_Write(owner, is_entry=False))

    async def find(self, tenant_id: TenantId, identity: str) -> Owner | None:
        """Return the owner if its worker is alive. If Redis is out of reach, only a local owner is found."""
        return (await self.find_many(tenant_id, [identity])).get(identity)

    async def locate(self, tenant_id: TenantId, identity: str) -> Owner | None:
        """Return the owner that a command goes to.

        None: no worker holds its session. That is certain.

        Raises:
            Unavailable: code `bus_unavailable`. This worker does not hold the session, and Redis is out of
                reach, or has lost data that other workers may not have written again.
        """
        owner = await self.find(tenant_id, identity)
        if owner is None and not await self._is_complete():
            raise Unavailable(
                "The live state cannot be reached, or is being restored. For the moment only charge points "
                "of this worker can be commanded.",
                "bus_unavailable",
            )
        return owner

    async def find_many(self, tenant_id: TenantId, identities: Iterable[str]) -> dict[str, Owner]:
        """Return the owners of the charge points that are connected, by identity, in two round trips."""
        keys = [(tenant_id, identity) for identity in identities]
        stored: Sequence[Owner | None] = [None] * len(keys)
        living: set[WorkerId] = set()
        if self._reachable and keys:
            try:
                stored = await self._entries.read(keys)
                if others := {o.worker for o in stored if o is not None} - {self.worker_id}:
                    living = await self._lease.living(others)
            except FAILURES as error:
                self._failed("find", error)
        found = (self._newest(key, entry, living) for key, entry in zip(keys, stored, strict=True))
        return {owner.identity: owner for owner in found if owner is not None}

    def holds_lease(self) -> bool:
        """Tell whether other workers still know that this one is alive.

        They declare it dead at the earliest one lease after this has become False.
        """
        return self._clock.monotonic() - self._renewed_at < self._lease_s

    def alive_workers(self) -> frozenset[WorkerId] | None:
        """Return the workers that were seen within one lease, None while that is not certain."""
        return self._lease.alive_workers()

    async def renew(self) -> None:
        """Renew the lease, and bring the entries up to date. Errors of Redis are not raised."""
        try:
            asked_at = self._clock.monotonic()
            is_first, is_lost = self._renewed_at == float("-inf"), not await self._lease.renew()
            if is_lost:
                self._republish = True
            if self._failure is not None or (is_lost and not is_first):
                # Every other worker notices it at its own renewal, and then writes its owners again.
                self._complete_from = asked_at + _RENEWALS_UNTIL_COMPLETE * self._renewal_s
            self._renewed_at = asked_at
            self._reachable = True
            self._failure = None
            await self._synchronize()
            await self._lease.watch()
        except FAILURES as error:
            self._failed("renew", error)

    async def _is_complete(self) -> bool:
        """Tell whether each owner of another worker has its entry in Redis."""
        if not self._reachable or self._clock.monotonic() < self._complete_from:
            return False
        try:
            # A flush since the last renewal took the own lease too.
            return await self._lease.is_kept()
        except FAILURES as error:
            self._failed("locate", error)
            return False

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
            pending = self._sweep
        else:
            pending = [*self._unwritten, *self._next_slice()]
        keys = iter(pending)
        while batch := list(islice(keys, _BATCH)):
            owners = [owner for key in batch if (owner := self._local.get(key)) is not None]
            if owners:
                self._notify_listener(await self._enter(owners))
                # They were released while Redis wrote. The removal may have come before the entry.
                if gone := [owner for owner in owners if not self._is_local(owner)]:
                    await self._entries.remove(gone)

    def _next_slice(self) -> list[OwnerKey]:
        if not self._sweep:
            self._sweep = list(self._local)
        pending, self._sweep = self._sweep[:_SLICE], self._sweep[_SLICE:]
        return pending

    async def _write(self, writes: list["_Write"]) -> list[EntryResult | None]:
        """Write and remove the entries of one batch. None: removed, replaced meanwhile, or Redis is away.

        Entries are written first: an entry of this batch may be removed in it, too. Removing an older one
        does not touch its successor.
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
                # The dead owner is not returned, because callers compare its rank.
                results[index] = again if not again.won else EntryResult(again.owner, True, None)
        for entered in results:
            if self._local.get(entered.owner.key) is entered.owner:
                self._unwritten.discard(entered.owner.key)
        return results

    async def _dead(self, holders: list[Owner]) -> set[str]:
        """Return the connections of those owners that no living worker holds."""
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
        words = words_of(error)
        # Told again if it is another failure: first no answer, then LOADING, then MISCONF, for instance.
        if words != self._failure:
            self._failure = words
            _LOG.warning("redis_unreachable", setting="REDIS_URL", operation=operation, error=words)
        self._reachable = False
        self._republish = True
        self._lease.interrupt()
