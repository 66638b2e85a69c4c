"""SQL of security events and alarms. A copy of an event is counted on its row, and raises no second alarm."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, bindparam, func, select, text, update
from sqlalchemy.sql.expression import ColumnElement

from app.database.newest import newest_page
from app.database.prepared import Row, Run
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork, TenantRows
from app.security import tables
from app.security.records import (
    AlarmCounts,
    NewSecurityEvent,
    SecurityAlarmFilter,
    SecurityAlarmRecord,
    SecurityEventFilter,
    SecurityEventRecord,
)

EVENTS_OF_CHARGE_POINT: Final = 5_000
"""The most critical events of a charge point, and the most others. The oldest are dropped first: a charge
point may send new ones without end."""
OWN_EVENTS_OF_TENANT: Final = 10_000
"""The most events of our own log of a tenant. The oldest are dropped first: anybody can cause them."""

_EVENTS = tables.security_events
_EVENT_COLUMNS = columns_of(SecurityEventRecord, _EVENTS)
_ALARMS = tables.security_alarms
_ALARM_COLUMNS = columns_of(SecurityAlarmRecord, _ALARMS)

# Rows in the order of their keys, so that two workers do not wait for each other in a circle.
_ADD: Final = Statement(
    text(
        f"""
        with given as (
            select tenants.id as tenant_id, new.*
            from unnest(
                cast(:tenants as bigint[]), cast(:slugs as text[]), cast(:source as text[]),
                cast(:charge_point_id as bigint[]), cast(:identity as text[]), cast(:type as text[]),
                cast(:critical as boolean[]), cast(:reported_timestamp as text[]),
                cast(:occurred_at as timestamptz[]), cast(:is_time_plausible as boolean[]),
                cast(:tech_info as text[]), cast(:received_at as timestamptz[]),
                cast(:digest as bytea[]), cast(:copies as int[])
            ) with ordinality as new (asked, slug, source, charge_point_id, identity, type, critical,
                reported_timestamp, occurred_at, is_time_plausible, tech_info, received_at, digest,
                copies, place)
            join tenants
                on tenants.id = coalesce(new.asked, (select id from tenants where slug = new.slug))
            order by tenants.id, new.digest
            -- A tenant that is being deleted is left out, and does not fail the rows of the others.
            for key share of tenants
        ), stored as (
            insert into security_events as known (tenant_id, source, charge_point_id, identity, type,
                critical, reported_timestamp, occurred_at, is_time_plausible, tech_info, received_at,
                last_received_at, copies, digest)
            select tenant_id, source, charge_point_id, identity, type, critical, reported_timestamp,
                occurred_at, is_time_plausible, tech_info, received_at, received_at, copies, digest
            from given
            on conflict (tenant_id, digest) do update set
                copies = least(known.copies::bigint + excluded.copies, {LARGEST_INT32}),
                last_received_at = greatest(known.last_received_at, excluded.received_at)
            returning known.tenant_id, known.id, known.identity, known.type, known.critical,
                known.received_at, known.digest, known.xmax = 0 as is_new
        ), raised as (
            insert into security_alarms as waiting (tenant_id, identity, type, first_event_id, last_event_id,
                count, raised_at, last_at)
            select tenant_id, identity, type, min(id), max(id), count(*), min(received_at), max(received_at)
            from stored where is_new and critical
            group by tenant_id, identity, type order by tenant_id, identity, type
            on conflict (tenant_id, identity, type) where acknowledged_at is null do update set
                last_event_id = greatest(waiting.last_event_id, excluded.last_event_id),
                count = least(waiting.count::bigint + excluded.count, {LARGEST_INT32}),
                last_at = greatest(waiting.last_at, excluded.last_at)
        )
        select given.place, stored.id, stored.is_new, stored.critical
        from given join stored using (tenant_id, digest)
        """  # noqa: S608 - a number of ours
    ),
    writes_events=True,
)

_PRUNE_OWN: Final = text(
    """
    delete from security_events as old
    using unnest(cast(:tenants as bigint[])) as asked (tenant_id),
        lateral (
            select id from security_events where tenant_id = asked.tenant_id and source = 'central_system'
            order by id desc offset :kept limit 1
        ) as oldest
    where old.tenant_id = asked.tenant_id and old.id <= oldest.id and old.source = 'central_system'
    """
)

# Critical events and others are counted apart, so that a flood of others drops no critical one. An event that
# an open alarm begins or ends with is kept with it.
_PRUNE_CHARGE_POINT: Final = text(
    """
    delete from security_events as old
    using (values (true), (false)) as kind (critical),
        lateral (
            select id from security_events
            where tenant_id = :tenant_id and identity = :identity and source = 'charge_point'
                and critical = kind.critical
            order by id desc offset :kept limit 1
        ) as newest
    where old.tenant_id = :tenant_id and old.identity = :identity and old.source = 'charge_point'
        and old.critical = kind.critical and old.id <= newest.id and not exists (
            select from security_alarms as alarm
            where alarm.tenant_id = old.tenant_id and alarm.identity = old.identity
                and alarm.type = old.type and alarm.acknowledged_at is null
                and old.id in (alarm.first_event_id, alarm.last_event_id)
        )
    """
)

# An event that an open alarm begins or ends with is kept with it.
_EXPIRE: Final = text(
    """
    with expired as (
        select tenant_id, id from security_events as event
        where received_at < :before and not exists (
            select from security_alarms as alarm
            where alarm.tenant_id = event.tenant_id and alarm.identity = event.identity
                and alarm.type = event.type and alarm.acknowledged_at is null
                and event.id in (alarm.first_event_id, alarm.last_event_id)
        )
        order by received_at limit :limit for update skip locked
    )
    delete from security_events as event using expired
    where event.tenant_id = expired.tenant_id and event.id = expired.id
    """
)

_EVENT_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _EVENTS.c.id < bindparam("after"),
    "identity": _EVENTS.c.identity == bindparam("identity"),
    "type": _EVENTS.c.type == bindparam("type"),
    # Two conditions, so that the planner can use the index of critical events.
    "only_critical": _EVENTS.c.critical.is_(True),
    "not_critical": _EVENTS.c.critical.is_(False),
    "source": _EVENTS.c.source == bindparam("source"),
    "since": _EVENTS.c.occurred_at >= bindparam("since"),
    "until": _EVENTS.c.occurred_at < bindparam("until"),
    "id": _EVENTS.c.id == bindparam("id"),
}
_ALARM_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _ALARMS.c.id < bindparam("after"),
    "identity": _ALARMS.c.identity == bindparam("identity"),
    "type": _ALARMS.c.type == bindparam("type"),
    "acknowledged": _ALARMS.c.acknowledged_at.is_not(None),
    "open": _ALARMS.c.acknowledged_at.is_(None),
    "id": _ALARMS.c.id == bindparam("id"),
}

_COUNT_ALARMS: Final = Statement(
    text(
        """
        select count(*) as open, count(distinct identity) as charge_points, min(raised_at) as oldest_raised_at
        from security_alarms where tenant_id = :tenant_id and acknowledged_at is null
        """
    )
)


@cache
def _events_page(names: frozenset[str]) -> Statement:
    return newest_page(_EVENTS, _EVENT_COLUMNS, _EVENT_CONDITIONS, names)


@cache
def _alarms_page(names: frozenset[str]) -> Statement:
    return newest_page(_ALARMS, _ALARM_COLUMNS, _ALARM_CONDITIONS, names)


async def add_events(run: Run, events: Sequence[NewSecurityEvent]) -> list[bool | None]:
    """Store events with the alarms that they raise. No two may have the same tenant and digest.

    Returns:
        For each event whether it is a new one, and not a copy; None: its tenant does not exist, so that it is
        not stored.
    """
    rows = await run(_ADD, _columns_of(events))
    found: dict[int, bool] = {row["place"]: row["is_new"] for row in rows}
    return [found.get(place) for place in range(1, len(events) + 1)]


def _columns_of(events: Sequence[NewSecurityEvent]) -> dict[str, list[Any]]:
    return {
        "tenants": [event.tenant if isinstance(event.tenant, int) else None for event in events],
        "slugs": [clean_text(event.tenant) if isinstance(event.tenant, str) else None for event in events],
        "source": [event.source for event in events],
        "charge_point_id": [event.charge_point_id for event in events],
        "identity": [clean_text(event.identity) for event in events],
        "type": [clean_text(event.type) for event in events],
        "critical": [event.critical for event in events],
        "reported_timestamp": [clean_optional(event.reported_timestamp) for event in events],
        "occurred_at": [event.occurred_at for event in events],
        "is_time_plausible": [event.is_time_plausible for event in events],
        "tech_info": [clean_optional(event.tech_info) for event in events],
        "received_at": [event.received_at for event in events],
        "digest": [event.digest for event in events],
        "copies": [event.copies for event in events],
    }


class SecurityReads:
    """Reads the events and alarms of one tenant."""

    __slots__ = ("_rows",)

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows

    async def events(self, limit: int, after: int | None, filters: SecurityEventFilter) -> Sequence[Row]:
        """Return events, the newest first. after: id of the last one seen."""
        values = given(limit=limit, after=after, **{**asdict(filters), "critical": None})
        names = set(values)
        if filters.critical is not None:
            names.add("only_critical" if filters.critical else "not_critical")
        return await self._run(_events_page(frozenset(names)), values)

    async def event(self, event_id: int) -> Row | None:
        """Return one event."""
        rows = await self._run(_events_page(frozenset({"id"})), {"id": event_id, "limit": 1})
        return rows[0] if rows else None

    async def alarms(self, limit: int, after: int | None, filters: SecurityAlarmFilter) -> Sequence[Row]:
        """Return alarms, the newest first. after: id of the last one seen."""
        values = given(limit=limit, after=after, identity=filters.identity, type=filters.type)
        names = set(values)
        if filters.acknowledged is not None:
            names.add("acknowledged" if filters.acknowledged else "open")
        return await self._run(_alarms_page(frozenset(names)), values)

    async def alarm(self, alarm_id: int) -> Row | None:
        """Return one alarm."""
        rows = await self._run(_alarms_page(frozenset({"id"})), {"id": alarm_id, "limit": 1})
        return rows[0] if rows else None

    async def counts(self) -> AlarmCounts:
        """Count the alarms that wait for their acknowledgement."""
        (row,) = await self._run(_COUNT_ALARMS, {})
        return AlarmCounts(*row.values())

    async def _run(self, statement: Statement, values: dict[str, Any]) -> Sequence[Row]:
        return await self._rows.rows(statement, {"tenant_id": self._rows.tenant_id, **values})


class SecurityAlarmStore(Repository):
    """The alarms of one tenant."""

    async def get(self, alarm_id: int, *, to_change: bool = False) -> SecurityAlarmRecord | None:
        """Return an alarm. to_change: lock it until the end of this transaction."""
        statement = select(*_ALARM_COLUMNS).where(
            _ALARMS.c.tenant_id == self.tenant_id, _ALARMS.c.id == alarm_id
        )
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else SecurityAlarmRecord(*row)

    async def acknowledge(self, alarm_id: int, at: datetime, actor: str, reason: str) -> SecurityAlarmRecord:
        """Record who has acknowledged an alarm, and why."""
        statement = (
            update(_ALARMS)
            .where(_ALARMS.c.tenant_id == self.tenant_id, _ALARMS.c.id == alarm_id)
            .values(acknowledged_at=at, acknowledged_by=actor, reason=clean_text(reason))
            .returning(*_ALARM_COLUMNS)
        )
        return SecurityAlarmRecord(*(await self.connection.execute(statement)).one())


async def prune_own_events(work: PlatformWork, tenants: Sequence[int]) -> None:
    """Drop what some tenants have too much of in our own log."""
    await work.connection.execute(_PRUNE_OWN, {"tenants": list(tenants), "kept": OWN_EVENTS_OF_TENANT})


async def prune_events_of_charge_point(work: PlatformWork, tenant_id: int, identity: str) -> int:
    """Drop what a charge point has too much of. Return how many events."""
    values = {"tenant_id": tenant_id, "identity": identity, "kept": EVENTS_OF_CHARGE_POINT}
    return (await work.connection.execute(_PRUNE_CHARGE_POINT, values)).rowcount


async def tenants_with_own_events(work: PlatformWork) -> list[int]:
    """Return the tenants that have more events of our own log than are kept."""
    statement = (
        select(_EVENTS.c.tenant_id)
        .where(_EVENTS.c.source == "central_system")
        .group_by(_EVENTS.c.tenant_id)
        .having(func.count() > OWN_EVENTS_OF_TENANT)
    )
    return list((await work.connection.execute(statement)).scalars())


async def expire_events(work: PlatformWork, before: datetime, limit: int) -> int:
    """Delete events that arrived before a time, unless an alarm waits for them. Return how many."""
    statement = _EXPIRE.bindparams(bindparam("limit", type_=Integer))
    return (await work.connection.execute(statement, {"before": before, "limit": limit})).rowcount
