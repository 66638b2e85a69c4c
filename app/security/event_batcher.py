"""Stores the security events of charge points in batches: those that come at once share one commit."""

from dataclasses import replace
from typing import Final

from app.batcher import Batcher
from app.database.prepared import Prepared
from app.errors import NotFound
from app.security.records import NewSecurityEvent
from app.security.store import add_events

_BATCH: Final = 200
"""The most events of one statement, which takes PostgreSQL some milliseconds."""


class EventBatcher:
    """The events of the charge points of one worker."""

    def __init__(self, steps: Prepared) -> None:
        """Make a batcher. steps: the connections that run the statements."""
        self._steps = steps
        self._batcher: Batcher[NewSecurityEvent, bool | None] = Batcher(self._add, _BATCH)

    async def record(self, event: NewSecurityEvent) -> bool:
        """Store an event. Return after the fsynced commit: True if it is new, False if it is a copy.

        Raises:
            StoreUnavailable: the database is away or too slow. The event may or may not be stored.
            NotFound: the tenant was deleted.
        """
        is_new = await self._batcher.add(event)
        if is_new is None:
            raise NotFound("The tenant was deleted.")
        return is_new

    async def _add(self, events: list[NewSecurityEvent]) -> list[bool | None]:
        merged = merge_copies(events)
        results = await add_events(self._steps.rows, list(merged.values()))
        found = dict(zip(merged, results, strict=True))
        return [found[key_of(event)] for event in events]


def key_of(event: NewSecurityEvent) -> tuple[int | str, bytes]:
    """Return what copies of an event have in common."""
    return (event.tenant, event.digest)


def merge_copies(events: list[NewSecurityEvent]) -> dict[tuple[int | str, bytes], NewSecurityEvent]:
    """Join the copies of each event: a statement changes each row once."""
    merged: dict[tuple[int | str, bytes], NewSecurityEvent] = {}
    for event in events:
        known = merged.get(key_of(event))
        merged[key_of(event)] = event if known is None else replace(known, copies=known.copies + event.copies)
    return merged
