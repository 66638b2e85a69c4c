"""Decides what is sent when, what an attempt means, and when a webhook is given up."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from app.events.records import StoredEvent
from app.webhooks.records import (
    EVENT_DELETED,
    Attempted,
    DeliveryOutcome,
    DisabledReason,
    EventWebhookRecord,
    Waiting,
)

SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long a secret still signs after another one was made."""
WIDEST_WINDOW: Final = 4
"""Requests of one webhook that are under way at the same time, if it does not fail."""
_JITTER: Final = 0.2
_NOT_SENT_PAUSE: Final = timedelta(seconds=1)
_GONE: Final = 410
_DIGITS: Final = 9
_LONGEST_WISH_S: Final = 86_400.0
"""A receiver may ask for a year by mistake."""
_NO_CHARGE_POINT: Final = frozenset({""})
"""Events that tell of no charge point are in an order of their own."""


class SendingPlan(NamedTuple):
    """The deliveries to attempt now, and when the next one is to be attempted; None: none waits."""

    now: list[Waiting]
    next_at: datetime | None


def plan(waiting: Iterable[Waiting], under_way: Collection[int], now: datetime, room: int) -> SendingPlan:
    """Choose what is sent: of each charge point only the oldest event that is pending.

    Args:
        waiting: The pending deliveries, the oldest first.
        under_way: Positions of those that are being sent.
        now: The time of this decision.
        room: The most deliveries to choose.
    """
    chosen: list[Waiting] = []
    next_at: datetime | None = None
    held: set[str] = set()
    for one in waiting:
        keys = one.charge_points or _NO_CHARGE_POINT
        is_oldest = held.isdisjoint(keys)
        held |= keys
        if not is_oldest or one.position in under_way:
            continue
        if one.next_attempt_at > now:
            next_at = min(next_at or one.next_attempt_at, one.next_attempt_at)
        elif len(chosen) < room:
            chosen.append(one)
    return SendingPlan(chosen, next_at)


class Selection(NamedTuple):
    """The events that get a delivery, and what is left for later.

    position: all events up to it have one, but those of `behind`: charge points with too many pending
    deliveries, each with the position up to which its events have one.
    """

    events: list[StoredEvent]
    position: int
    behind: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shares:
    """The most pending deliveries of a webhook that each charge point may have.

    A receiver may fail for one charge point only. Its events must not take the room of all others.

    Attributes:
        pending: the number of pending deliveries of each charge point.
        limit: the most of one charge point.
        behind_limit: the most charge points that are behind.
    """

    pending: Mapping[str, int]
    limit: int
    behind_limit: int = 1000

    def select(self, events: Sequence[StoredEvent], position: int, behind: Mapping[str, int]) -> Selection:
        """Choose the events that get a delivery.

        A batch is in order with each of its charge points. So one with a charge point that is behind waits,
        and all behind it.

        Args:
            events: Those that follow, in their order.
            position: Up to which they are known.
            behind: Charge points whose events are passed over.
        """
        counts, left = Counter(self.pending), dict(behind)
        chosen: list[StoredEvent] = []
        for event in events:
            keys = charge_points_of(event)
            if len(keys) == 1:
                [key] = keys
                if key not in left and counts[key] >= self.limit:
                    if len(left) >= self.behind_limit:
                        return Selection(chosen, event.position - 1, left)
                    left[key] = event.position - 1
                if key in left:
                    continue
            elif not left.keys().isdisjoint(keys):
                return Selection(chosen, event.position - 1, left)
            counts.update(keys)
            chosen.append(event)
        return Selection(chosen, position, left)

    def to_catch_up(self, behind: Mapping[str, int]) -> dict[str, int]:
        """Return the charge points that may go on, with the number of events that each may get now."""
        rooms = {key: self.limit - self.pending.get(key, 0) for key in behind}
        return {key: room for key, room in rooms.items() if room > self.limit // 2}


def charge_points_of(event: StoredEvent) -> frozenset[str]:
    """Return the charge points that an event tells of."""
    if event.batch:
        return frozenset(one.charge_point for one in event.batch)
    return frozenset() if event.charge_point is None else frozenset({event.charge_point})


def outcome_of(
    waiting: Waiting, attempted: Attempted, delays_s: Sequence[float], chance: float
) -> DeliveryOutcome:
    """Return what an attempt makes of a delivery.

    Args:
        waiting: The delivery before the attempt.
        attempted: How the attempt ended.
        delays_s: Seconds from each attempt that failed to the next one. After the last one it is dead.
        chance: From 0 to 1; it spreads the attempts, so that they do not all come at once.
    """
    if not attempted.counts:
        return DeliveryOutcome("pending", waiting.attempts, attempted.at + _NOT_SENT_PAUSE)
    attempts = waiting.attempts + 1
    if attempted.is_delivered:
        return DeliveryOutcome("delivered", attempts, attempted.at)
    if attempts > len(delays_s) or attempted.reason == EVENT_DELETED:
        return DeliveryOutcome("dead", attempts, attempted.at)
    delay_s = delays_s[attempts - 1] * (1 - _JITTER + 2 * _JITTER * chance)
    delay_s = max(delay_s, wished_pause_s(attempted))
    return DeliveryOutcome("pending", attempts, attempted.at + timedelta(seconds=delay_s))


def retry_after_s(text: str, now: datetime) -> float | None:
    """Return the seconds that a header `Retry-After` means (RFC 9110 10.2.3); None: it is not valid.

    text: seconds, or a time as HTTP writes it.
    """
    if text.isascii() and text.isdecimal():
        return float(text[:_DIGITS]) if len(text) <= _DIGITS else float(10**_DIGITS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A time without a zone is in UTC, as all times of HTTP are.
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def wished_pause_s(attempted: Attempted) -> float:
    """Return the seconds for which a receiver wants to be left alone, up to a day."""
    return min(attempted.retry_after_s or 0.0, _LONGEST_WISH_S)


def next_window(window: int, attempted: Attempted) -> int:
    """Return how many requests of a webhook may be under way after an attempt: fewer if it fails."""
    if not attempted.counts:
        return window
    return min(window + 1, WIDEST_WINDOW) if attempted.is_delivered else max(window // 2, 1)


def failing_since(before: datetime | None, attempts: Iterable[Attempted]) -> datetime | None:
    """Return since when a webhook fails without a success. attempts: in the order of their ends."""
    for one in attempts:
        if one.is_delivered:
            before = None
        elif one.counts:
            before = before or one.at
    return before


def given_up(
    since: datetime | None, attempts: Iterable[Attempted], patience: timedelta
) -> DisabledReason | None:
    """Tell why a webhook is to be disabled, None: it is not. since: as `failing_since` returns it."""
    for one in attempts:
        if one.status_code == _GONE:
            return "gone"
        if one.counts and not one.is_delivered and since is not None and one.at - since >= patience:
            return "failing"
    return None


def signing_secrets_of(webhook: EventWebhookRecord, now: datetime) -> list[bytes]:
    """Return the stored secrets that sign now, the newest first."""
    until = webhook.previous_secret_until
    if webhook.previous_secret is None or until is None or until <= now:
        return [webhook.secret]
    return [webhook.secret, webhook.previous_secret]
