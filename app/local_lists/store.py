"""SQL of local authorization lists: the named lists of a tenant, and what its charge points have of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.clock import parse_time, utc_text
from app.database.repository import Repository, columns_of
from app.database.text import clean_json, clean_optional, clean_text
from app.database.unit_of_work import PlatformWork
from app.local_lists import tables
from app.local_lists.records import (
    Believed,
    DueListCheck,
    InFlight,
    ListStateRecord,
    ListUpdate,
    LocalListRecord,
)
from app.types import ChargePointKey, Json

_LISTS: Final = tables.local_lists
_LIST_COLUMNS: Final = columns_of(LocalListRecord, _LISTS)
_STATES: Final = tables.local_list_states
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1

_WAKE: Final = text(
    """
    insert into local_list_states as state (tenant_id, charge_point_id, check_at)
    select point.tenant_id, point.id, cast(:at as timestamptz)
    from charge_points as point
    where point.tenant_id = :tenant_id and point.id = any(cast(:points as bigint[]))
    -- In one order everywhere, so that two of them cannot wait for each other.
    order by point.tenant_id, point.id
    -- What comes before stays: changes that never stop must not put it off for ever.
    on conflict (tenant_id, charge_point_id) do update set check_at = least(state.check_at, excluded.check_at)
    """
)
# A deleted charge point needs no row, nor one of a tenant without lists.
_WAKE_LOGINS: Final = text(
    """
    insert into local_list_states as state (tenant_id, charge_point_id, check_at)
    select point.tenant_id, point.id, cast(:at as timestamptz)
    from unnest(cast(:tenants as bigint[]), cast(:points as bigint[])) as new (tenant_id, id)
    join charge_points as point on point.tenant_id = new.tenant_id and point.id = new.id
    where exists (
        select from local_lists as list
        where list.tenant_id = point.tenant_id and list.enabled and list.selector is not null
    )
    order by point.tenant_id, point.id
    on conflict (tenant_id, charge_point_id)
        do update set check_at = least(state.check_at, excluded.check_at), verify = true
    """
)
# The tags of a tenant look the same as long as none was added, changed, deleted, or has expired.
_SCAN: Final = text(
    """
    with due as (
        select tenant_id, name from local_lists
        where enabled and scan_at <= :now
        order by scan_at limit :limit
        for update skip locked
    ), seen as (
        select tenant.tenant_id, concat_ws(' ', count(tag.id_tag_key), max(tag.updated_at),
            count(*) filter (where tag.expires_at <= :now)) as tags
        from (select distinct tenant_id from due) as tenant
        left join id_tags as tag on tag.tenant_id = tenant.tenant_id
        group by tenant.tenant_id
    ), scanned as (
        update local_lists as list set scan_at = :again_at, tags_seen = seen.tags
        from due join seen on seen.tenant_id = due.tenant_id
        where list.tenant_id = due.tenant_id and list.name = due.name
        returning list.tenant_id, list.name, seen.tags
    )
    select scanned.tenant_id, scanned.name
    from scanned join local_lists as before
        on before.tenant_id = scanned.tenant_id and before.name = scanned.name
    where before.tags_seen is distinct from scanned.tags
    """
)
_TAKE: Final = text(
    """
    with due as (
        select tenant_id, charge_point_id from local_list_states
        where check_at <= :now
        order by check_at limit :limit
        for update skip locked
    )
    update local_list_states as taken set check_at = :again_at
    from due join charge_points as point
        on point.tenant_id = due.tenant_id and point.id = due.charge_point_id
    where taken.tenant_id = due.tenant_id and taken.charge_point_id = due.charge_point_id
    returning taken.tenant_id, taken.charge_point_id, point.identity, taken.check_at
    """
)


class LocalListStore(Repository):
    """The named lists of one tenant."""

    async def all(self) -> list[LocalListRecord]:
        """Return all lists by name. There are few."""
        statement = select(*_LIST_COLUMNS).where(_LISTS.c.tenant_id == self.tenant_id)
        rows = await self.connection.execute(statement.order_by(_LISTS.c.name))
        return [LocalListRecord(*row) for row in rows]

    async def lock_tenant(self) -> None:
        """Let new lists of this tenant come one after the other, so that their limit holds."""
        key = func.hashtextextended("local_lists", self.tenant_id)
        await self.connection.execute(select(func.pg_advisory_xact_lock(key)))

    async def get(self, name: str, *, to_change: bool = False) -> LocalListRecord | None:
        """Return one list. to_change: lock it until the end of the transaction."""
        statement = select(*_LIST_COLUMNS).where(*self._is(name))
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else LocalListRecord(*row)

    async def create(self, record: LocalListRecord) -> bool:
        """Store a new list. False: the tenant has one of this name."""
        statement = insert(_LISTS).values(
            tenant_id=self.tenant_id, scan_at=record.created_at, **_list_values(record)
        )
        statement = statement.on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        return (await self.connection.execute(statement.returning(_LISTS.c.name))).one_or_none() is not None

    async def replace(self, record: LocalListRecord) -> None:
        """Store a list in the place of that of its name."""
        await self.connection.execute(
            update(_LISTS).where(*self._is(record.name)).values(**_list_values(record))
        )

    async def delete(self, name: str) -> bool:
        """Delete a list. False: there is none of this name."""
        statement = delete(_LISTS).where(*self._is(name)).returning(_LISTS.c.name)
        return (await self.connection.execute(statement)).one_or_none() is not None

    async def wake(self, charge_point_ids: Sequence[int], at: datetime) -> None:
        """Let charge points be looked at. at: when."""
        values = {"tenant_id": self.tenant_id, "points": list(charge_point_ids), "at": at}
        await self.connection.execute(_WAKE, values)

    async def select_any(self) -> bool:
        """Tell whether an enabled list is meant for any charge point."""
        statement = select(_LISTS.c.name).where(
            _LISTS.c.tenant_id == self.tenant_id, _LISTS.c.enabled, _LISTS.c.selector.is_not(None)
        )
        return (await self.connection.execute(statement.limit(1))).one_or_none() is not None

    def _is(self, name: str) -> tuple[Any, ...]:
        return (_LISTS.c.tenant_id == self.tenant_id, _LISTS.c.name == name)


class ListStateStore(Repository):
    """The lists that the charge points of one tenant have."""

    async def get(self, charge_point_id: int, *, to_change: bool = False) -> ListStateRecord | None:
        """Return what is known of a charge point. to_change: lock it until the end of the transaction."""
        statement = select(*_STATES.c).where(*self._is(charge_point_id))
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _state(row)

    async def locked(self, charge_point_id: int) -> ListStateRecord:
        """Return what is known of a charge point, locked; make the row if there is none."""
        statement = insert(_STATES).values(tenant_id=self.tenant_id, charge_point_id=charge_point_id)
        await self.connection.execute(
            statement.on_conflict_do_nothing(index_elements=["tenant_id", "charge_point_id"])
        )
        found = await self.get(charge_point_id, to_change=True)
        return found or ListStateRecord(charge_point_id, Believed())

    async def put(self, record: ListStateRecord, before: ListStateRecord | None = None) -> None:
        """Store what is known of a charge point, whose row exists.

        before: as it was read; a list that is the same is not written again, because it may be large.
        """
        believed, flight = record.believed, record.in_flight
        values = {
            "sync": record.sync,
            "supported": believed.supported,
            "version": believed.version,
            "entries": None if believed.entries is None else clean_json(dict(believed.entries)),
            "highest_version": believed.highest_version,
            "doubt": _update_json(believed.doubt),
            "verify": believed.verify,
            "drifted": believed.drifted,
            "failures": believed.failures,
            "status": believed.status,
            "status_at": record.status_at,
            "reported_version": _in_column(record.reported_version),
            "reported_at": record.reported_at,
            "last_sent": record.last_sent,
            "in_flight": None
            if flight is None
            else {"key": flight.key, "update": _update_json(flight.update), "until": utc_text(flight.until)},
            "limits_asked_at": record.limits_asked_at,
            "check_at": record.check_at,
        }
        if before is not None and before.believed.entries is believed.entries:
            del values["entries"]
        await self.connection.execute(
            update(_STATES).where(*self._is(record.charge_point_id)).values(**values)
        )
        self.outbox.has_events = True

    def _is(self, charge_point_id: int) -> tuple[Any, ...]:
        return (_STATES.c.tenant_id == self.tenant_id, _STATES.c.charge_point_id == charge_point_id)


class ListSweepStore:
    """The lists of all tenants, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def wake_logins(self, points: Sequence[ChargePointKey], at: datetime) -> None:
        """Let charge points that have logged in be asked for their version. at: when."""
        tenants, ids = [list(column) for column in zip(*points, strict=True)]
        await self.connection.execute(_WAKE_LOGINS, {"tenants": tenants, "points": ids, "at": at})

    async def scan(self, now: datetime, again_at: datetime, limit: int) -> list[tuple[int, str]]:
        """Return the lists, as (tenant_id, name), whose tenant's tags have changed since the last look.

        Each list is locked, so that two workers never get the same one.
        """
        values = {"now": now, "again_at": again_at, "limit": limit}
        return [(row.tenant_id, row.name) for row in await self.connection.execute(_SCAN, values)]

    async def take(self, now: datetime, again_at: datetime, limit: int) -> list[DueListCheck]:
        """Return charge points whose time has come, and set their next check to `again_at`.

        Each row is locked, so that two workers never get the same one.
        """
        rows = await self.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
        return [DueListCheck(*row) for row in rows]


def _list_values(record: LocalListRecord) -> dict[str, Any]:
    return {
        **asdict(record),
        "name": clean_text(record.name),
        "note": clean_optional(record.note),
        "groups": list(record.groups),
        "id_tags": list(record.id_tags),
    }


def _state(row: Mapping[Any, Any]) -> ListStateRecord:
    believed = Believed(
        version=row["version"],
        entries=row["entries"],
        highest_version=row["highest_version"],
        doubt=_update(row["doubt"]),
        verify=row["verify"],
        supported=row["supported"],
        drifted=row["drifted"],
        failures=row["failures"],
        status=row["status"],
    )
    return ListStateRecord(
        charge_point_id=row["charge_point_id"],
        believed=believed,
        sync=row["sync"],
        status_at=row["status_at"],
        reported_version=row["reported_version"],
        reported_at=row["reported_at"],
        last_sent=row["last_sent"],
        in_flight=_in_flight(row["in_flight"]),
        limits_asked_at=row["limits_asked_at"],
        check_at=row["check_at"],
    )


def _in_flight(stored: Json | None) -> InFlight | None:
    until = None if stored is None else parse_time(stored["until"])
    if stored is None or until is None:
        return None
    return InFlight(stored["key"], _update(stored["update"]), until)


def _update(stored: Json | None) -> ListUpdate | None:
    if stored is None:
        return None
    return ListUpdate(stored["version"], stored["is_full"], tuple(stored["entries"]))


def _update_json(change: ListUpdate | None) -> Json | None:
    if change is None:
        return None
    entries = clean_json(list(change.entries))
    return {"version": change.version, "is_full": change.is_full, "entries": entries}


def _in_column(version: int | None) -> int | None:
    return None if version is None else max(_SMALLEST, min(version, _LARGEST))
