"""Ends reservations: by starts that have used them, by statuses, and by our clock.

It looks at committed transactions, so a crash or a retry of a start loses nothing, and no start is delayed.
Every worker sweeps. The rows of a charge point are locked while they change, and the database lets a
transaction use one reservation only.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.commands.store.effects import CommandEffectStore
from app.database.database import Database
from app.errors import StoreUnavailable
from app.logs import get_logger
from app.reservations.records import EndedReserveNow, PlaceKey, ReservationRecord
from app.reservations.rules import (
    LATE_EVERY,
    NOT_SENT,
    Verdict,
    after_starts,
    after_statuses,
    answered,
    checked_again,
    expired,
    verdict_of,
)
from app.reservations.store import ReservationStore, ReservationSweepStore
from app.settings import Settings
from app.tasks import PeriodicTask

_SWEEP_S: Final = 1.0
_BATCH: Final = 200
_FIRST: Final = PlaceKey(0, 0)
_COMMAND_ENDS: Final = timedelta(minutes=1)
"""After this time the effect of a command that has ended is not to come any more."""

_LOG = get_logger(__name__)


class ReservationSweeper:
    """The sweep of one worker."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._is_on = settings.reservation_sweep
        self._loop: PeriodicTask | None = None
        self._after_start = self._after_status = _FIRST

    def start(self) -> None:
        """Sweep every second in the background, unless it is switched off."""
        if self._is_on:
            self._loop = PeriodicTask(self._sweep_and_pause, "reservations")

    async def close(self) -> None:
        """Stop sweeping."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.stop()

    async def sweep(self) -> None:
        """End what is over: by starts before the expiry, because a start may have come just in time.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            store = ReservationSweepStore(work)
            started = await store.places_with_starts(_BATCH, self._after_start)
            reported = await store.places_with_statuses(_BATCH, self._after_status)
            lost = await store.ended_commands(now - _COMMAND_ENDS, _BATCH)
            late = await store.take_late(now, now + LATE_EVERY, _BATCH)
        # What a look does not settle must not keep its place before the others.
        self._after_start, self._after_status = _end_of(started), _end_of(reported)
        for ended in lost:
            await self._settle(ended)
        for place in dict.fromkeys([*started, *reported, *late]):
            await self.look_at(place)
        async with self._database.platform() as work:
            store = ReservationSweepStore(work)
            for tenant_id, reservation in await store.take_expired(now, _BATCH):
                await store.put_ended(tenant_id, expired(reservation, now))

    async def look_at(self, place: PlaceKey) -> None:
        """Change the reservations of one charge point by its starts and statuses."""
        now = self._clock.now()
        async with self._database.tenant(place.tenant_id) as work:
            store = ReservationStore(work)
            known = await store.in_question(place.charge_point_id)
            starts = await store.starts_of(place.charge_point_id, known)
            changed = after_starts(known, starts, now)
            by_id = {one.id: one for one in known} | {one.id: one for one in changed}
            statuses = await store.statuses_of(place.charge_point_id)
            by_status = after_statuses(list(by_id.values()), statuses, now)
            by_id |= {one.id: one for one in by_status}
            for one in known:
                after = by_id[one.id]
                if after == one and one.check_at is not None:
                    after = checked_again(one, now)
                if after != one:
                    await store.put(after)
        # Apart, because the end of a command locks its row before the reservation.
        await self._tell(place.tenant_id, [one for one in changed if one.state == "used"])

    async def _tell(self, tenant_id: int, used: Sequence[ReservationRecord]) -> None:
        for one in used:
            if one.command_id is None:
                continue
            effect = {
                "observed": "reservation_used",
                "reservationId": one.reservation_id,
                "transactionId": one.transaction_id,
            }
            async with self._database.tenant(tenant_id) as work:
                await CommandEffectStore(work).record(one.command_id, effect)

    async def _settle(self, lost: EndedReserveNow) -> None:
        """Settle a reservation whose command has ended without an effect, or was never recorded."""
        now = self._clock.now()
        if lost.state is None:
            verdict = Verdict("rejected", None, NOT_SENT)
        else:
            verdict = verdict_of(lost.state, lost.status)
        async with self._database.tenant(lost.tenant_id) as work:
            store = ReservationStore(work)
            known = await store.locked(lost.id)
            if known is not None and known.state == "requested":
                settled = answered(known, verdict, now)
                await store.put(replace(settled, command_id=lost.command_id or known.command_id))

    async def _sweep_and_pause(self) -> float:
        try:
            await self.sweep()
        except StoreUnavailable:
            _LOG.warning("reservations_not_swept")
        return _SWEEP_S


def _end_of(places: Sequence[PlaceKey]) -> PlaceKey:
    """Return after which place the next sweep goes on: from the first one again, if these are the last."""
    return places[-1] if len(places) == _BATCH else _FIRST
