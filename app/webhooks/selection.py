"""Selects the events that a webhook gets."""

from collections.abc import Sequence

from app.database.unit_of_work import TenantWork
from app.events.records import EventFilter, StoredEvent
from app.webhooks.records import EventWebhookRecord
from app.webhooks.rules import charge_points_of
from app.webhooks.store.deliveries import with_labels


def filter_of(webhook: EventWebhookRecord) -> EventFilter:
    """Return the filter of a webhook without its labels."""
    return EventFilter(frozenset(webhook.event_types), frozenset(webhook.charge_points))


async def selected(
    work: TenantWork, webhook: EventWebhookRecord, events: Sequence[StoredEvent]
) -> list[StoredEvent]:
    """Return those of some events that a webhook gets: of a batch, the readings of its charge points."""
    narrowed = [found for event in events if (found := filter_of(webhook).narrowed(event)) is not None]
    if not webhook.labels or not narrowed:
        return narrowed
    identities = frozenset[str]().union(*map(charge_points_of, narrowed))
    named = await with_labels(work, sorted(identities), webhook.labels)
    if not named:
        return []
    by_label = EventFilter(charge_points=named)
    return [found for event in narrowed if (found := by_label.narrowed(event)) is not None]
