"""Sends the events of one webhook, as long as this worker has its lease.

Each step stores what attempts have become, gives new events a delivery, and sends what is next. After a kill
what was not stored is done again. So an event may be sent twice, and none is lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Final

from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.database.unit_of_work import TenantWork
from app.errors import EventsExpired, StoreUnavailable
from app.events.records import EventFilter, EventPage, StoredEvent
from app.events.schemas import event_text
from app.events.signals import Subscription
from app.logs import get_logger
from app.metrics import LIMITS_HIT, WEBHOOK_DEAD_LETTERS
from app.tasks import BackgroundTasks
from app.webhooks.records import (
    EVENT_DELETED,
    Attempted,
    DisabledReason,
    EventWebhookRecord,
    Finished,
    Leased,
    Waiting,
)
from app.webhooks.rules import (
    WIDEST_WINDOW,
    Selection,
    Shares,
    charge_points_of,
    failing_since,
    given_up,
    next_window,
    outcome_of,
    plan,
    wished_pause_s,
)
from app.webhooks.selection import filter_of, selected
from app.webhooks.sender import message_id_of
from app.webhooks.sending import Look, RunnerParts, Sending
from app.webhooks.store.deliveries import DeliveryStore
from app.webhooks.store.leases import LeasedWebhook

_LOG = get_logger(__name__)

KEPT: Final = 1000
"""Deliveries that have ended, of each state, that the log of a webhook keeps at least."""
_JITTER: Final = SystemRandom()
_PRUNE_EVERY: Final = 200
_PAGE: Final = 200
_GATHER_S: Final = 0.2
"""The shortest time between two looks for new events."""
_LOOK_S: Final = 5.0
"""The longest time between two looks, because signals may be lost."""
_NOTE_S: Final = 60.0
"""How often the position is stored if no event passes the filters."""
_CAUGHT_UP_AT_ONCE: Final = 10
"""Charge points that are behind and go on in one step."""
_RETRY_S: Final = 1.0
_DRAIN_S: Final = 2.0
_SERVER: Final = "server"
"""The actor of what no person did, in the audit."""


class LeaseLost(Exception):
    """Another worker sends this webhook now, or it was removed."""


class WebhookRunner:
    """Sends the events of one webhook."""

    def __init__(self, parts: RunnerParts, leased: Leased) -> None:
        self._parts = parts
        self._webhook = leased.webhook
        self._leased_until = parts.clock.monotonic() + leased.left_s
        self._changed: EventWebhookRecord | None = leased.webhook
        self._position = leased.webhook.position
        self._behind = dict(leased.webhook.behind)
        self._sending = Sending()
        self._look = Look()
        self._subscription = Subscription()
        self._requests = BackgroundTasks()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send from now on."""
        self._task = asyncio.create_task(self._run(), name="webhook")

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself."""
        return self._task is not None and self._task.done()

    def renew(self, leased: Leased, asked_at: float) -> None:
        """Take the webhook as it is now. asked_at: monotonic seconds at which its lease was renewed."""
        self._leased_until = asked_at + leased.left_s
        if leased.webhook.revision != self._webhook.revision:
            self._changed = leased.webhook
            self._subscription.tell(0)

    async def close(self) -> None:
        """Wait a little for requests under way, store what they have become, and stop."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            _LOG.error("webhook_runner_failed", webhook=str(self._webhook.id), exc_info=error)
        await self._requests.drain_within(_DRAIN_S)
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._store_finished()
        except (StoreUnavailable, LeaseLost):
            _LOG.warning("webhook_attempts_not_stored", webhook=str(self._webhook.id))

    async def _run(self) -> None:
        with self._parts.reader.subscribe(self._webhook.tenant_id) as subscription:
            self._subscription = subscription
            while True:
                try:
                    await self._step()
                except LeaseLost:
                    return
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_S)
                if not self._look.has_more:
                    await subscription.wait()

    async def _step(self) -> None:
        await self._store_finished()
        if self._changed is not None:
            if self._sending.under_way:
                return
            await self._load(self._changed)
        await self._catch_up()
        await self._give_deliveries()
        self._send()

    async def _load(self, webhook: EventWebhookRecord) -> None:
        async with self._parts.database.tenant(webhook.tenant_id) as work:
            pending = await DeliveryStore(work, webhook.id).pending()
        self._webhook, self._position, self._behind = webhook, webhook.position, dict(webhook.behind)
        self._sending.waiting = {one.position: one for one in pending}
        self._sending.window, self._sending.resume_at = WIDEST_WINDOW, None
        self._look = Look()
        if self._changed is webhook:
            self._changed = None

    # New events

    async def _give_deliveries(self) -> None:
        """Give the next events of the tenant a delivery, and pass over those that the filters keep out."""
        look, now = self._look, self._parts.clock.monotonic()
        room = self._parts.settings.webhook_pending_limit - len(self._sending.waiting)
        is_wanted = self._subscription.newest > self._position or now >= look.until
        if room <= 0:
            LIMITS_HIT.labels("webhook_pending").inc()
        if room <= 0 or not is_wanted:
            return
        if now < look.at:
            self._wake_in(look.at - now)
            return
        newest = await self._parts.reader.newest(self._webhook.tenant_id)
        look.at, look.until = now + _GATHER_S, now + _LOOK_S
        if newest <= self._position:
            return
        page = await self._page(self._position, min(room, _PAGE), filter_of(self._webhook))
        if page.has_more:
            look.at = look.until = now
        await self._add(
            page.events, lambda wanted: self._shares().select(wanted, page.position, self._behind)
        )
        if self._position < page.position:
            # A batch waits for a charge point that is behind. When that one has caught up, it sets the time.
            look.at = look.until = now + _LOOK_S
        else:
            look.has_more |= page.has_more

    async def _catch_up(self) -> None:
        """Give events of charge points that are behind a delivery, if enough earlier ones have ended."""
        self._look.has_more = False
        if not self._behind:
            return
        settings = self._parts.settings
        for key, share in list(self._shares().to_catch_up(self._behind).items())[:_CAUGHT_UP_AT_ONCE]:
            room = min(share, settings.webhook_pending_limit - len(self._sending.waiting))
            if room <= 0:
                return
            await self._catch_up_one(key, room)
            self._look.has_more = True

    async def _catch_up_one(self, key: str, room: int) -> None:
        filters = EventFilter(frozenset(self._webhook.event_types), frozenset({key}))
        page = await self._page(self._behind[key], room, filters)
        # A batch is never among the events that were passed over.
        events = [one for one in page.events if one.position <= self._position and not one.batch]
        behind = {name: place for name, place in self._behind.items() if name != key}
        if page.has_more and page.position < self._position:
            behind[key] = page.position
        else:
            # Those that wait for it may go on.
            self._look.at = self._look.until = self._parts.clock.monotonic()
        await self._add(events, lambda wanted: Selection(list(wanted), self._position, behind))

    def _shares(self) -> Shares:
        waiting = self._sending.waiting.values()
        pending = Counter(key for one in waiting for key in one.charge_points)
        return Shares(pending, self._parts.settings.webhook_pending_of_charge_point_limit)

    async def _page(self, after: int, limit: int, filters: EventFilter) -> EventPage:
        tenant_id = self._webhook.tenant_id
        try:
            return await self._parts.reader.read(tenant_id, after, limit, filters)
        except EventsExpired:
            _LOG.warning("webhook_events_expired", webhook=str(self._webhook.id), after=after)
            return await self._parts.reader.read(tenant_id, 0, limit, filters)

    async def _add(
        self, found: Sequence[StoredEvent], choose: Callable[[Sequence[StoredEvent]], Selection]
    ) -> None:
        """Give events a delivery. choose: says which of those that pass the labels, and what is left."""
        now, left = self._parts.clock.monotonic(), choose(())
        if not found and left.behind == self._behind and now < self._look.stored_at + _NOTE_S:
            self._position = left.position
            return
        async with self._parts.database.tenant(self._webhook.tenant_id) as work:
            wanted = await selected(work, self._webhook, found)
            chosen = choose(wanted)
            columns = {"position": chosen.position, "behind": chosen.behind}
            if not await self._leased(work).note(columns, same_revision=True):
                raise LeaseLost
            at = self._parts.clock.now()
            new = [Waiting(one.position, one.type, charge_points_of(one), 0, at) for one in chosen.events]
            await DeliveryStore(work, self._webhook.id).add(new)
        newly_behind = len(chosen.behind.keys() - self._behind.keys())
        LIMITS_HIT.labels("webhook_pending_of_charge_point").inc(newly_behind)
        self._position, self._behind, self._look.stored_at = chosen.position, chosen.behind, now
        self._sending.waiting |= {one.position: one for one in new}
        if len(self._sending.events) < _PAGE:
            self._sending.events |= {one.position: one for one in chosen.events}

    # Requests

    def _send(self) -> None:
        """Begin to send what is next."""
        sending, now = self._sending, self._parts.clock.now()
        if self._parts.clock.monotonic() >= self._leased_until:
            return
        if sending.resume_at is not None and now < sending.resume_at:
            self._wake_in((sending.resume_at - now).total_seconds())
            return
        room = sending.window - len(sending.under_way)
        chosen = plan(sending.waiting.values(), sending.under_way, now, room)
        for one in chosen.now:
            sending.under_way.add(one.position)
            self._requests.spawn(self._deliver(one), "webhook-delivery")
        if chosen.next_at is not None:
            self._wake_in((chosen.next_at - now).total_seconds())

    async def _deliver(self, one: Waiting) -> None:
        attempted = Attempted(self._parts.clock.now(), is_delivered=False, counts=False)
        try:
            async with self._parts.slots.of(self._webhook.tenant_id):
                if self._parts.clock.monotonic() < self._leased_until:
                    attempted = await self._attempt(one)
        except StoreUnavailable:
            attempted = replace(attempted, at=self._parts.clock.now())
        finally:
            delays_s = self._parts.settings.webhook_retry_delays_s
            # Chance, not a secret.
            outcome = outcome_of(one, attempted, delays_s, _JITTER.random())
            self._sending.finished.append(Finished(one.position, attempted, outcome))
            self._sending.window = next_window(self._sending.window, attempted)
            if (pause_s := wished_pause_s(attempted)) > 0:
                self._sending.resume_at = attempted.at + timedelta(seconds=pause_s)
            self._subscription.tell(0)

    async def _attempt(self, one: Waiting) -> Attempted:
        event = self._sending.events.get(one.position) or await self._event_of(one)
        if event is None:
            detail = "The event was deleted because of its age."
            return Attempted(self._parts.clock.now(), is_delivered=False, reason=EVENT_DELETED, detail=detail)
        message_id = message_id_of(self._webhook.id, one.position)
        return await self._parts.sender.send(self._webhook, message_id, event_text(event))

    async def _event_of(self, one: Waiting) -> StoredEvent | None:
        try:
            page = await self._parts.reader.read(self._webhook.tenant_id, one.position - 1, 1)
        except EventsExpired:
            return None
        if not page.events or page.events[0].position != one.position:
            return None
        [event] = page.events
        return EventFilter(charge_points=one.charge_points).narrowed(event) if event.batch else event

    async def _store_finished(self) -> None:
        """Store what attempts have become: in the order of their ends, before the next ones begin."""
        finished, sending = list(self._sending.finished), self._sending
        if not finished:
            return
        attempts = [one.attempted for one in finished]
        since = failing_since(self._webhook.failing_since, attempts)
        patience = timedelta(days=self._parts.settings.webhook_disable_after_days)
        reason = given_up(since, attempts, patience)
        async with self._parts.database.tenant(self._webhook.tenant_id) as work:
            columns: dict[str, Any] = {"failing_since": since}
            if reason is not None:
                columns |= {"state": "disabled", "disabled_reason": reason}
            if not await self._leased(work).note(columns):
                raise LeaseLost
            await self._finish(work, finished)
            if reason is not None:
                await self._tell_disabled(work, reason, since)
        self._webhook = replace(self._webhook, failing_since=since)
        self._forget(finished)
        sending.finished = sending.finished[len(finished) :]
        if reason is not None:
            raise LeaseLost

    async def _finish(self, work: TenantWork, finished: Sequence[Finished]) -> None:
        store, sending = DeliveryStore(work, self._webhook.id), self._sending
        await store.finish(finished)
        sending.unpruned += len(finished)
        if sending.unpruned >= _PRUNE_EVERY:
            sending.unpruned = 0
            await store.prune("delivered", KEPT)
            await store.prune("dead", KEPT)

    def _forget(self, finished: Sequence[Finished]) -> None:
        """Take stored attempts out of what is sent."""
        sending = self._sending
        for position, attempted, outcome in finished:
            sending.under_way.discard(position)
            if outcome.state == "pending":
                waiting = sending.waiting[position]
                sending.waiting[position] = replace(
                    waiting, attempts=outcome.attempts, next_attempt_at=outcome.next_attempt_at
                )
                continue
            waiting = sending.waiting.pop(position)
            sending.events.pop(position, None)
            if outcome.state == "dead":
                WEBHOOK_DEAD_LETTERS.inc()
                _LOG.warning(
                    "webhook_dead_letter",
                    webhook=str(self._webhook.id),
                    position=position,
                    type=waiting.type,
                    charge_points=sorted(waiting.charge_points)[:10],
                    reason=attempted.reason,
                )

    async def _tell_disabled(self, work: TenantWork, reason: DisabledReason, since: datetime | None) -> None:
        _LOG.warning("webhook_disabled", webhook=str(self._webhook.id), reason=reason)
        details = {"disabled_reason": reason, "failing_since": None if since is None else since.isoformat()}
        entry = NewAuditEntry(
            work.tenant_id,
            self._parts.clock.now(),
            _SERVER,
            "disable_webhook",
            f"/v1/webhooks/{self._webhook.id}",
            "",
            details,
        )
        await AuditStore(work).add(entry)

    def _leased(self, work: TenantWork) -> LeasedWebhook:
        return LeasedWebhook(work, self._parts.worker, self._webhook)

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(seconds, 0.001), self._subscription.tell, 0)
