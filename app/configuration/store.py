"""SQL of configuration: what charge points have, what they should have, and their reviews."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.configuration import tables
from app.configuration.records import (
    ConfigurationRecord,
    ConfigurationReview,
    ConfigurationSource,
    KeyState,
    StoredTemplate,
)
from app.database.repository import Repository, columns_of
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork
from app.metrics import LIMITS_HIT

_TABLE = tables.configuration
_COLUMNS = columns_of(ConfigurationRecord, _TABLE)
_TEMPLATES = tables.configuration_templates
_TEMPLATE_COLUMNS = columns_of(StoredTemplate, _TEMPLATES)
_DESIRED = tables.desired_configuration
_STATES = tables.configuration_states
_STATE_COLUMNS = columns_of(KeyState, _STATES)
_REVIEWS = tables.configuration_reviews


KEYS_LIMIT: Final = 2000
"""The most keys of one charge point: a charge point names as many as it likes."""

# In one order everywhere, so that two answers of a charge point cannot wait for each other.
_PUT_KEYS: Final = text(
    """
    insert into configuration as known
        (tenant_id, charge_point_id, key, value, readonly, reported_at, source, issued_by)
    select cast(:tenant_id as bigint), cast(:charge_point_id as bigint), new.key, new.value, new.readonly,
        cast(:at as timestamptz), cast(:source as text), cast(:issued_by as text)
    from unnest(cast(:keys as text[]), cast(:values as text[]), cast(:readonly as boolean[]))
        as new (key, value, readonly)
    order by new.key
    on conflict (tenant_id, charge_point_id, key) do update set
        value = excluded.value, readonly = coalesce(excluded.readonly, known.readonly),
        reported_at = excluded.reported_at, source = excluded.source, issued_by = excluded.issued_by
    where known.reported_at <= excluded.reported_at
    """
)


class ReportedKey(NamedTuple):
    """A key as a charge point names it. readonly None: it does not say."""

    key: str
    value: str | None
    readonly: bool | None = None


class ConfigurationStore(Repository):
    """The configuration keys of one tenant's charge points. A key keeps the case that it was reported in."""

    async def put(
        self,
        charge_point_id: int,
        key: str,
        value: str | None,
        readonly: bool | None,
        at: datetime,
        source: ConfigurationSource | None = None,
        issued_by: str | None = None,
    ) -> None:
        """Store the value of one key, unless a newer one is stored. readonly None: keep the stored one."""
        await self.put_many(charge_point_id, [ReportedKey(key, value, readonly)], at, source, issued_by)

    async def put_many(
        self,
        charge_point_id: int,
        reported: Iterable[ReportedKey],
        at: datetime,
        source: ConfigurationSource | None = None,
        issued_by: str | None = None,
    ) -> None:
        """Store the values of keys, of a key that is there twice the last one, as `put` does.

        Beyond `KEYS_LIMIT` keys of a charge point no new one is stored.
        """
        keys = {clean_text(key.key): key for key in reported}
        known = {record.key for record in await self.for_charge_point(charge_point_id)}
        new, room = keys.keys() - known, max(0, KEYS_LIMIT - len(known))
        if len(new) > room:
            LIMITS_HIT.labels("configuration_keys").inc()
            # In the order in which they were reported.
            for key in [key for key in keys if key in new][room:]:
                del keys[key]
        values = {
            "tenant_id": self.tenant_id,
            "charge_point_id": charge_point_id,
            "keys": list(keys),
            "values": [clean_optional(key.value) for key in keys.values()],
            "readonly": [key.readonly for key in keys.values()],
            "at": at,
            "source": source,
            "issued_by": issued_by,
        }
        await self.connection.execute(_PUT_KEYS, values)

    async def for_charge_point(self, charge_point_id: int) -> list[ConfigurationRecord]:
        """Return the known keys in the order of their names."""
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.charge_point_id == charge_point_id
        )
        rows = await self.connection.execute(statement.order_by(_TABLE.c.key))
        return [ConfigurationRecord(*row) for row in rows]

    async def values_of(self, key: str) -> dict[int, str]:
        """Return the known values of one key, by charge point. Upper and lower case are the same."""
        statement = select(_TABLE.c.charge_point_id, _TABLE.c.value).where(
            _TABLE.c.tenant_id == self.tenant_id,
            func.lower(_TABLE.c.key) == key.lower(),
            _TABLE.c.value.is_not(None),
        )
        return {int(point): str(value) for point, value in await self.connection.execute(statement)}


class DesiredStore(Repository):
    """The desired configuration of one tenant's charge points."""

    async def templates(self) -> list[StoredTemplate]:
        """Return all templates in the order of their names."""
        statement = select(*_TEMPLATE_COLUMNS).where(_TEMPLATES.c.tenant_id == self.tenant_id)
        rows = await self.connection.execute(statement.order_by(_TEMPLATES.c.name))
        return [StoredTemplate(*row) for row in rows]

    async def template(self, name: str) -> StoredTemplate | None:
        """Return a template."""
        statement = select(*_TEMPLATE_COLUMNS).where(
            _TEMPLATES.c.tenant_id == self.tenant_id, _TEMPLATES.c.name == name
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else StoredTemplate(*row)

    async def lock(self) -> None:
        """Let one change of templates happen after the other, so that their number stays within its limit."""
        await self.connection.execute(_LOCK_TEMPLATES, {"tenant_id": self.tenant_id})

    async def put_template(
        self, name: str, priority: int, selector: Mapping[str, Any], keys: Mapping[str, str]
    ) -> None:
        """Store a template in place of one with its name."""
        values = {"priority": priority, "selector": dict(selector), "keys": dict(keys)}
        statement = insert(_TEMPLATES).values(
            tenant_id=self.tenant_id, name=name, created_at=func.now(), updated_at=func.now(), **values
        )
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "name"], set_={**values, "updated_at": func.now()}
            )
        )

    async def delete_template(self, name: str) -> bool:
        """Delete a template. False: there is none."""
        statement = delete(_TEMPLATES).where(
            _TEMPLATES.c.tenant_id == self.tenant_id, _TEMPLATES.c.name == name
        )
        found = await self.connection.execute(statement.returning(_TEMPLATES.c.name))
        return found.one_or_none() is not None

    async def own_keys(self, charge_point_id: int) -> dict[str, str]:
        """Return the keys that one charge point should have by itself."""
        statement = select(_DESIRED.c["keys"]).where(
            _DESIRED.c.tenant_id == self.tenant_id, _DESIRED.c.charge_point_id == charge_point_id
        )
        return dict((await self.connection.execute(statement)).scalar_one_or_none() or {})

    async def put_own_keys(self, charge_point_id: int, keys: Mapping[str, str]) -> None:
        """Store the keys that one charge point should have by itself."""
        here = (_DESIRED.c.tenant_id == self.tenant_id, _DESIRED.c.charge_point_id == charge_point_id)
        if not keys:
            await self.connection.execute(delete(_DESIRED).where(*here))
            return
        values = {"keys": dict(keys), "updated_at": func.now()}
        statement = insert(_DESIRED).values(
            tenant_id=self.tenant_id, charge_point_id=charge_point_id, **values
        )
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "charge_point_id"], set_=values)
        )


class KeyStateStore(Repository):
    """How far the desired keys of one tenant's charge points have come."""

    async def of_charge_point(self, charge_point_id: int, *, to_change: bool = False) -> dict[str, KeyState]:
        """Return the states, by key in lower case. to_change: lock them until this transaction ends."""
        statement = select(*_STATE_COLUMNS).where(*self._of(charge_point_id)).order_by(_STATES.c.folded_key)
        if to_change:
            statement = statement.with_for_update()
        rows = await self.connection.execute(statement)
        return {row.folded_key: KeyState(*row) for row in rows}

    async def put(self, charge_point_id: int, states: Collection[KeyState]) -> None:
        """Store some states."""
        place = {"tenant_id": self.tenant_id, "charge_point_id": charge_point_id}
        rows = [{**place, **asdict(state)} for state in states]
        if rows:
            statement = insert(_STATES)
            changes = {name: statement.excluded[name] for name in _STATE_NAMES}
            keys = ["tenant_id", "charge_point_id", "folded_key"]
            await self.connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=changes), rows
            )

    async def drop(self, charge_point_id: int, folded_keys: Collection[str]) -> None:
        """Forget some states."""
        if folded_keys:
            statement = delete(_STATES).where(*self._of(charge_point_id))
            await self.connection.execute(statement.where(_STATES.c.folded_key.in_(folded_keys)))

    async def note_read(
        self, charge_point_id: int, folded_keys: Collection[str] | None, at: datetime
    ) -> None:
        """Note which keys an answer to GetConfiguration is about; None: all of them."""
        statement = update(_STATES).where(*self._of(charge_point_id))
        if folded_keys is not None:
            statement = statement.where(_STATES.c.folded_key.in_(folded_keys))
        await self.connection.execute(statement.values(read_at=at))

    def _of(self, charge_point_id: int) -> tuple[Any, ...]:
        return (_STATES.c.tenant_id == self.tenant_id, _STATES.c.charge_point_id == charge_point_id)


_STATE_NAMES: Final = ("value", "state", "attempts", "next_at", "since", "read_at")

_LOCK_TEMPLATES: Final = text("select 1 from tenants where id = :tenant_id for no key update")

# Only where something is desired, or was: most tenants have no desired configuration.
_REVIEW_SOON: Final = """
    insert into configuration_reviews as review (tenant_id, charge_point_id, due_at)
    select point.tenant_id, point.id, cast(:due_at as timestamptz) from charge_points as point
    where {condition} and (
        exists (select from configuration_templates where tenant_id = point.tenant_id)
        or exists (select from desired_configuration
                   where tenant_id = point.tenant_id and charge_point_id = point.id)
        or exists (select from configuration_states
                   where tenant_id = point.tenant_id and charge_point_id = point.id)
    )
    order by point.tenant_id, point.id
    on conflict (tenant_id, charge_point_id) do update
    set due_at = least(review.due_at, greatest(excluded.due_at, review.not_before))
"""
_REVIEW_TENANT: Final = text(_REVIEW_SOON.format(condition="point.tenant_id = :tenant_id"))
_REVIEW_SOME: Final = text(
    _REVIEW_SOON.format(condition="point.tenant_id = :tenant_id and point.id = any(:charge_point_ids)")
).bindparams(bindparam("charge_point_ids", type_=ARRAY(BigInteger)))
_REVIEW_LOGINS: Final = text(
    _REVIEW_SOON.format(
        condition="(point.tenant_id, point.id) in (select * from unnest(:tenant_ids, :charge_point_ids))"
    )
).bindparams(
    bindparam("tenant_ids", type_=ARRAY(BigInteger)), bindparam("charge_point_ids", type_=ARRAY(BigInteger))
)


class TenantReviewStore(Repository):
    """The pending reviews of one tenant's charge points."""

    async def soon(self, due_at: datetime, charge_point_ids: Sequence[int] | None = None) -> None:
        """Have charge points reviewed, unless nothing is desired. charge_point_ids None: all of them."""
        values: dict[str, Any] = {"tenant_id": self.tenant_id, "due_at": due_at}
        if charge_point_ids is None:
            await self.connection.execute(_REVIEW_TENANT, values)
        else:
            values["charge_point_ids"] = list(charge_point_ids)
            await self.connection.execute(_REVIEW_SOME, values)


_TAKE: Final = text(
    """
    with pending as (
        select tenant_id, charge_point_id from configuration_reviews
        where due_at <= :now and (leased_until is null or leased_until <= :now)
        order by due_at limit :limit for update skip locked
    )
    update configuration_reviews as taken set due_at = :until, leased_until = :until
    from pending join charge_points as point
        on point.tenant_id = pending.tenant_id and point.id = pending.charge_point_id
    where taken.tenant_id = pending.tenant_id and taken.charge_point_id = pending.charge_point_id
    returning taken.tenant_id, taken.charge_point_id, point.identity, taken.leased_until, taken.failures
    """
)

# A login or a new template during the review has set an earlier time, which stays.
_FINISH: Final = text(
    """
    update configuration_reviews
    set due_at = case when due_at = :leased_until then cast(:due_at as timestamptz)
            else greatest(due_at, cast(:not_before as timestamptz)) end,
        leased_until = null, failures = :failures, not_before = cast(:not_before as timestamptz)
    where tenant_id = :tenant_id and charge_point_id = :charge_point_id and leased_until = :leased_until
    """
)

_REMOVE: Final = text(
    """
    delete from configuration_reviews
    where tenant_id = :tenant_id and charge_point_id = :charge_point_id and leased_until = :leased_until
        and due_at = :leased_until
    """
)


class ReviewStore:
    """The pending reviews of all tenants, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def take(self, now: datetime, until: datetime, limit: int) -> list[ConfigurationReview]:
        """Return charge points that have to be reviewed now, each for one worker alone until `until`."""
        rows = await self.connection.execute(_TAKE, {"now": now, "until": until, "limit": limit})
        return [ConfigurationReview(*row) for row in rows]

    async def finish(
        self, review: ConfigurationReview, due_at: datetime, failures: int, not_before: datetime | None
    ) -> None:
        """Set the time of the next review. not_before: none is earlier, whatever happens."""
        values = {**_place(review), "due_at": due_at, "failures": failures, "not_before": not_before}
        await self.connection.execute(_FINISH, values)

    async def remove(self, review: ConfigurationReview) -> None:
        """Drop a review: nothing is desired of the charge point."""
        await self.connection.execute(_REMOVE, _place(review))

    async def note_logins(self, logins: Collection[tuple[int, int]], due_at: datetime) -> None:
        """Have charge points reviewed that have logged in. logins: tenant_id and charge_point_id of each."""
        if logins:
            tenant_ids, charge_point_ids = zip(*sorted(logins), strict=True)
            values = {
                "tenant_ids": list(tenant_ids),
                "charge_point_ids": list(charge_point_ids),
                "due_at": due_at,
            }
            await self.connection.execute(_REVIEW_LOGINS, values)


def _place(review: ConfigurationReview) -> dict[str, Any]:
    return {
        "tenant_id": review.tenant_id,
        "charge_point_id": review.charge_point_id,
        "leased_until": review.leased_until,
    }
