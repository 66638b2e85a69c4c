"""SQL of DataTransfer: subscriptions, and the messages that were exchanged."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import ColumnElement

from app.data_transfer import tables
from app.data_transfer.records import (
    NewSubscription,
    NewTransfer,
    SubscriptionRecord,
    TransferFilter,
    TransferRecord,
)
from app.data_transfer.rules import fold_name
from app.database.newest import keeping_newest
from app.database.prepared import Row
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.schema import CHARGE_POINTS, charge_point_named, is_charge_point_of
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork, TenantRows
from app.errors import Conflict

_SUBSCRIPTIONS = tables.data_transfer_subscriptions
_SUBSCRIPTION_COLUMNS = columns_of(SubscriptionRecord, _SUBSCRIPTIONS)
_TRANSFERS = tables.data_transfers
_TRANSFER_COLUMNS = columns_of(TransferRecord, _TRANSFERS, identity=CHARGE_POINTS.c.identity)
_DEFAULT = text("default")
_UNIQUE_VIOLATION: Final = "23505"
_ID_KEPT: Final = 255

# Both change whenever a change is committed, in whatever order changes commit.
_FINGERPRINT: Final = select(func.count(), func.coalesce(func.sum(_SUBSCRIPTIONS.c.revision), 0)).select_from(
    _SUBSCRIPTIONS
)

_TEXTS: Final = (
    "direction", "vendor_id", "vendor_key", "message_id", "message_key", "data", "status", "answer_data",
    "answered_by", "reason", "detail",
)  # fmt: skip
_NUMBERS: Final = ("data_length", "duration_ms")

_ADD: Final = text(
    f"""
    insert into data_transfers (tenant_id, charge_point_id, at, {", ".join((*_TEXTS, *_NUMBERS))})
    select points.tenant_id, points.id, given.at,
        {", ".join(f"given.{name}" for name in (*_TEXTS, *_NUMBERS))}
    from unnest(:tenant_ids, :charge_point_ids, :at, {", ".join(f":{n}" for n in (*_TEXTS, *_NUMBERS))})
        with ordinality
        as given (tenant_id, charge_point_id, at, {", ".join((*_TEXTS, *_NUMBERS))}, place)
    join charge_points as points
        on points.tenant_id = given.tenant_id and points.id = given.charge_point_id
    order by given.place
    -- One that is being deleted is left out, and does not fail the rows of the others.
    for key share of points
    """  # noqa: S608 - names of columns of ours
).bindparams(
    bindparam("tenant_ids", type_=ARRAY(BigInteger)),
    bindparam("charge_point_ids", type_=ARRAY(BigInteger)),
    bindparam("at", type_=ARRAY(TIMESTAMP(timezone=True))),
    *(bindparam(name, type_=ARRAY(Text)) for name in _TEXTS),
    *(bindparam(name, type_=ARRAY(Integer)) for name in _NUMBERS),
)

_PRUNE: Final = keeping_newest(_TRANSFERS)

_EXPIRE: Final = text(
    """
    delete from data_transfers as old using (
        select tenant_id, id from data_transfers where at < :before
        order by at limit :limit for update skip locked
    ) as found
    where old.tenant_id = found.tenant_id and old.id = found.id
    """
).bindparams(bindparam("limit", type_=Integer))

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _TRANSFERS.c.id < bindparam("after"),
    "charge_point": _TRANSFERS.c.charge_point_id == charge_point_named(bindparam("charge_point")),
    "vendor": _TRANSFERS.c.vendor_key == bindparam("vendor"),
    "message": _TRANSFERS.c.message_key == bindparam("message"),
    "direction": _TRANSFERS.c.direction == bindparam("direction"),
    "begin": _TRANSFERS.c.at >= bindparam("begin"),
    "end": _TRANSFERS.c.at < bindparam("end"),
}


class SubscriptionStore(Repository):
    """The subscriptions of one tenant."""

    async def lock(self) -> None:
        """Let changes of the subscriptions of a tenant wait for each other."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('data_transfer_subscriptions'), :key)"),
            {"key": self.tenant_id % 2**31},
        )

    async def all(self) -> list[SubscriptionRecord]:
        """Return all subscriptions, by vendor and message."""
        statement = (
            select(*_SUBSCRIPTION_COLUMNS)
            .where(_SUBSCRIPTIONS.c.tenant_id == self.tenant_id)
            .order_by(_SUBSCRIPTIONS.c.vendor_key, _SUBSCRIPTIONS.c.message_key)
        )
        return [SubscriptionRecord(*row) for row in await self.connection.execute(statement)]

    async def get(self, subscription_id: UUID) -> SubscriptionRecord | None:
        """Return one subscription, None: there is none of this id."""
        statement = select(*_SUBSCRIPTION_COLUMNS).where(
            _SUBSCRIPTIONS.c.tenant_id == self.tenant_id, _SUBSCRIPTIONS.c.id == subscription_id
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else SubscriptionRecord(*row)

    async def add(self, new: NewSubscription, secret: bytes, now: datetime) -> SubscriptionRecord:
        """Store a new subscription.

        Raises:
            Conflict: there is one of the same vendor and message.
        """
        values = {**_columns_of(new), "tenant_id": self.tenant_id, "id": uuid4(), "secret": secret}
        statement = (
            postgresql.insert(_SUBSCRIPTIONS)
            .values(created_at=now, updated_at=now, **values)
            .on_conflict_do_nothing()
            .returning(*_SUBSCRIPTION_COLUMNS)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        if row is None:
            raise _taken()
        return SubscriptionRecord(*row)

    async def replace(
        self, subscription_id: UUID, new: NewSubscription, now: datetime
    ) -> SubscriptionRecord | None:
        """Replace what an operator sets. None: there is none of this id.

        Raises:
            Conflict: another one has the same vendor and message.
        """
        return await self._change(subscription_id, {**_columns_of(new), "updated_at": now})

    async def replace_secret(
        self, subscription_id: UUID, secret: bytes, previous_until: datetime, now: datetime
    ) -> SubscriptionRecord | None:
        """Store a new secret, and keep the one before it for a while. None: there is none of this id."""
        changes = {
            "secret": secret,
            "previous_secret": _SUBSCRIPTIONS.c.secret,
            "previous_secret_until": previous_until,
            "updated_at": now,
        }
        return await self._change(subscription_id, changes)

    async def delete(self, subscription_id: UUID) -> SubscriptionRecord | None:
        """Remove a subscription, and return it. None: there is none of this id."""
        statement = delete(_SUBSCRIPTIONS).where(
            _SUBSCRIPTIONS.c.tenant_id == self.tenant_id, _SUBSCRIPTIONS.c.id == subscription_id
        )
        row = (await self.connection.execute(statement.returning(*_SUBSCRIPTION_COLUMNS))).one_or_none()
        return None if row is None else SubscriptionRecord(*row)

    async def _change(self, subscription_id: UUID, changes: dict[str, Any]) -> SubscriptionRecord | None:
        statement = (
            update(_SUBSCRIPTIONS)
            .where(_SUBSCRIPTIONS.c.tenant_id == self.tenant_id, _SUBSCRIPTIONS.c.id == subscription_id)
            .values({**changes, "revision": _DEFAULT})
        )
        try:
            row = (await self.connection.execute(statement.returning(*_SUBSCRIPTION_COLUMNS))).one_or_none()
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION:
                raise _taken() from None
            raise
        return None if row is None else SubscriptionRecord(*row)


async def subscriptions_fingerprint(work: PlatformWork) -> tuple[int, int]:
    """Return two numbers of which one differs after each change of any subscription."""
    count, revisions = (await work.connection.execute(_FINGERPRINT)).one()
    return int(count), int(revisions)


async def all_subscriptions(work: PlatformWork) -> list[SubscriptionRecord]:
    """Return the subscriptions of all tenants."""
    return [SubscriptionRecord(*row) for row in await work.connection.execute(select(*_SUBSCRIPTION_COLUMNS))]


class TransferStore(Repository):
    """Writes messages of one tenant in a unit of work."""

    async def put_of_command(self, transfer: NewTransfer) -> None:
        """Store a message of ours. One that is stored gets the newer answer."""
        values = _row_of(transfer)
        statement = postgresql.insert(_TRANSFERS).values(values)
        answer = {name: values[name] for name in ("status", "answer_data", "reason", "detail")}
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "command_id"], set_=answer)
        )


@cache
def _page_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a page, the newest first. names: of its parameters."""
    wanted = [condition for name, condition in _CONDITIONS.items() if name in names]
    statement = (
        select(*_TRANSFER_COLUMNS)
        .select_from(_TRANSFERS.join(CHARGE_POINTS, is_charge_point_of(_TRANSFERS)))
        .where(_TRANSFERS.c.tenant_id == bindparam("tenant_id"), *wanted)
    )
    return Statement(statement.order_by(_TRANSFERS.c.id.desc()).limit(bindparam("limit", type_=Integer)))


class TransferReads:
    """Reads the messages of one tenant."""

    __slots__ = ("_rows",)

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows

    async def page(self, limit: int, after: int | None, filters: TransferFilter) -> Sequence[Row]:
        """Return messages, the newest first. after: id of the last one seen."""
        values: dict[str, Any] = given(limit=limit, after=after, **asdict(filters))
        for name in ("vendor", "message"):
            if name in values:
                values[name] = fold_name(values[name])
        statement = _page_statement(frozenset(values))
        return await self._rows.rows(statement, {"tenant_id": self._rows.tenant_id, **values})


async def add_transfers(work: PlatformWork, transfers: Sequence[NewTransfer]) -> None:
    """Add messages of any tenants. Those of charge points that do not exist are dropped."""
    rows = [_row_of(transfer) for transfer in transfers]
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in (*_TEXTS, *_NUMBERS, "at")}
    columns["tenant_ids"] = [row["tenant_id"] for row in rows]
    columns["charge_point_ids"] = [row["charge_point_id"] for row in rows]
    await work.connection.execute(_ADD, columns)


async def prune_transfers(work: PlatformWork, tenants: Sequence[int], kept: int) -> None:
    """Delete all but the newest messages of each of some tenants. kept: messages of a tenant."""
    await work.connection.execute(_PRUNE, {"tenants": list(tenants), "kept": kept})


async def expire_transfers(work: PlatformWork, before: datetime, limit: int) -> int:
    """Delete messages from before a time. Return how many."""
    return (await work.connection.execute(_EXPIRE, {"before": before, "limit": limit})).rowcount


def _columns_of(new: NewSubscription) -> dict[str, Any]:
    return {
        **asdict(new),
        "vendor_key": fold_name(new.vendor_id),
        "message_key": fold_name(new.message_id),
    }


def _row_of(transfer: NewTransfer) -> dict[str, Any]:
    row = asdict(transfer)
    # Charge points may send longer ones than the standard allows, which no index would hold.
    vendor_id = clean_text(transfer.vendor_id)[:_ID_KEPT]
    message_id = clean_optional(transfer.message_id and transfer.message_id[:_ID_KEPT])
    return {
        **row,
        "vendor_id": vendor_id,
        "vendor_key": fold_name(vendor_id),
        "message_id": message_id,
        "message_key": fold_name(message_id),
        "data": clean_optional(transfer.data),
        "answer_data": clean_optional(transfer.answer_data),
        "status": clean_optional(transfer.status),
        "detail": clean_optional(transfer.detail),
        "data_length": min(transfer.data_length, LARGEST_INT32),
        "duration_ms": min(transfer.duration_ms, LARGEST_INT32),
    }


def _taken() -> Conflict:
    return Conflict("There is a subscription of this vendor and message.", "vendor_id")
