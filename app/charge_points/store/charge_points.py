"""SQL of charge points and their credentials."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import ColumnElement

from app.charge_points import tables
from app.charge_points.records import (
    ChargePointFilter,
    ChargePointRecord,
    KnownLogin,
    LabelCount,
)
from app.charge_points.store.connectors import CONNECTORS_BY_IDENTITY
from app.database.prepared import Prepared, Row
from app.database.repository import Repository, columns_of, in_microseconds, like_prefix
from app.database.statements import Statement, given
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.ocpp.v16 import RegistrationStatus
from app.types import TenantId

_CHARGE_POINTS = tables.charge_points
_CONNECTORS = tables.connectors
_CHARGE_POINT_COLUMNS = columns_of(ChargePointRecord, _CHARGE_POINTS)
_READ_COLUMNS: Final = in_microseconds(_CHARGE_POINT_COLUMNS)
_ADDING: Final = 7_216_043
"""The class of the locks that are held while charge points of a tenant are added."""
_CHANGEABLE = frozenset({"name", "registration_status", "no_credential", "heartbeat_interval_s"}) | {
    "labels",
    "allow_weak_credential",
}


_BY_IDENTITY: Final = Statement(
    select(*_READ_COLUMNS).where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"),
        _CHARGE_POINTS.c.identity == bindparam("identity"),
    )
)
"""Selects a charge point by its OCPP identity, compared exactly."""

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _CHARGE_POINTS.c.identity > bindparam("after"),
    "prefix": _CHARGE_POINTS.c.identity.like(bindparam("prefix")),
    "registration_status": _CHARGE_POINTS.c.registration_status == bindparam("registration_status"),
    "search": or_(
        func.lower(_CHARGE_POINTS.c.identity).like(bindparam("search")),
        func.lower(_CHARGE_POINTS.c.name).like(bindparam("search")),
    ),
    # As text, because a unit of work and a prepared statement take JSON in different forms.
    "labels": _CHARGE_POINTS.c.labels.contains(cast(bindparam("labels", type_=Text), JSONB)),
    "label_keys": _CHARGE_POINTS.c.labels.has_all(bindparam("label_keys", type_=ARRAY(Text))),
    "vendor": _CHARGE_POINTS.c.vendor == bindparam("vendor"),
    "model": _CHARGE_POINTS.c.model == bindparam("model"),
    "firmware_version": _CHARGE_POINTS.c.firmware_version == bindparam("firmware_version"),
    "connector_status": exists().where(
        _CONNECTORS.c.tenant_id == _CHARGE_POINTS.c.tenant_id,
        _CONNECTORS.c.charge_point_id == _CHARGE_POINTS.c.id,
        _CONNECTORS.c.status == bindparam("connector_status"),
    ),
    "identities": _CHARGE_POINTS.c.identity == any_(bindparam("identities", type_=ARRAY(Text))),
}


_LABEL_KEYS: Final = text(
    """
    select distinct key from charge_points as point, jsonb_object_keys(point.labels) as key
    where point.tenant_id = :tenant_id and point.labels <> '{}' order by key limit :limit
    """
)

_LABELS: Final = text(
    """
    select label.key, label.value, count(*)
    from charge_points as point, jsonb_each_text(point.labels) as label
    where point.tenant_id = :tenant_id and point.labels <> '{}'
        and (label.key, label.value) > (cast(:key as text), cast(:value as text))
    group by label.key, label.value order by label.key, label.value limit :limit
    """
)


def _page_values(limit: int, after: str | None, filters: ChargePointFilter) -> dict[str, Any]:
    """Return the parameters of a page of charge points, by name."""
    prefix, search = filters.identity_prefix, filters.search
    pairs = {term.key: term.value for term in filters.labels if term.value is not None}
    keys = [term.key for term in filters.labels if term.value is None]
    return given(
        limit=limit,
        after=after,
        prefix=None if prefix is None else like_prefix(prefix),
        registration_status=filters.registration_status,
        search=None if search is None else like_prefix(search.lower()),
        labels=orjson.dumps(pairs).decode() if pairs else None,
        label_keys=keys or None,
        vendor=filters.vendor,
        model=filters.model,
        firmware_version=filters.firmware_version,
        connector_status=filters.connector_status,
        identities=None if filters.identities is None else list(filters.identities),
    )


@cache
def _ids_statement(names: frozenset[str]) -> Statement:
    """Return the statement of the primary keys of charge points. names: of its parameters."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    return Statement(
        select(_CHARGE_POINTS.c.id)
        .where(_CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"), *conditions)
        .order_by(_CHARGE_POINTS.c.id)
    )


@cache
def _page_statement(names: frozenset[str], *, is_read: bool = False) -> Statement:
    """Return the statement of a page, in the order of identities.

    names: of its parameters; is_read: times are microseconds.
    """
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    statement = select(*(_READ_COLUMNS if is_read else _CHARGE_POINT_COLUMNS)).where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"), *conditions
    )
    return Statement(statement.order_by(_CHARGE_POINTS.c.identity).limit(bindparam("limit", type_=Integer)))


class ChargePointStore(Repository):
    """The charge points of one tenant. `charge_point_id`: primary key; `identity`: the name in OCPP."""

    async def create(
        self,
        identity: str,
        *,
        name: str | None = None,
        registration_status: RegistrationStatus = "Accepted",
        credential_hash: bytes | None = None,
        no_credential: bool = False,
        labels: Mapping[str, str] | None = None,
        allow_weak_credential: bool = False,
    ) -> ChargePointRecord:
        """Create a charge point. credential_hash None and no_credential False: it cannot log in yet.

        Raises:
            Conflict: the tenant has one of this identity.
        """
        statement = insert(_CHARGE_POINTS).values(
            tenant_id=self.tenant_id,
            identity=identity,
            name=name,
            registration_status=registration_status,
            credential_hash=credential_hash,
            no_credential=no_credential,
            labels=dict(labels or {}),
            allow_weak_credential=allow_weak_credential,
            credential_set_at=None if credential_hash is None else func.now(),
            created_at=func.now(),
            updated_at=func.now(),
        )
        try:
            row = (await self.connection.execute(statement.returning(*_CHARGE_POINT_COLUMNS))).one()
        except IntegrityError as error:
            if "uq_charge_points" not in str(error):
                raise
            raise Conflict(f"The charge point {identity!r} exists already.", "identity") from None
        return ChargePointRecord(*row)

    async def get(self, identity: str, *, to_change: bool = False) -> ChargePointRecord | None:
        """Return a charge point by its OCPP identity, compared exactly.

        to_change: lock it until the end of this transaction.
        """
        statement = select(*_CHARGE_POINT_COLUMNS).where(
            _CHARGE_POINTS.c.tenant_id == self.tenant_id, _CHARGE_POINTS.c.identity == identity
        )
        if to_change:
            statement = statement.with_for_update(key_share=True)
        row = (await self.connection.execute(statement)).one_or_none()
        return ChargePointRecord(*row) if row is not None else None

    async def logins(self) -> dict[int, KnownLogin]:
        """Return all charge points of the tenant with their newest login, by primary key, in their order."""
        table = _CHARGE_POINTS.c
        statement = select(table.id, table.identity, table.security_profile).where(
            table.tenant_id == self.tenant_id
        )
        rows = await self.connection.execute(statement.order_by(table.identity))
        return {int(point): KnownLogin(str(identity), profile) for point, identity, profile in rows}

    async def page(
        self, limit: int, after: str | None = None, filters: ChargePointFilter | None = None
    ) -> list[ChargePointRecord]:
        """Return charge points in the order of their identity. after: identity of the last one seen."""
        values = _page_values(limit, after, filters or ChargePointFilter())
        statement = _page_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [ChargePointRecord(*row) for row in rows]

    async def ids(self, filters: ChargePointFilter) -> list[int]:
        """Return the primary keys of all charge points that a filter selects, in their order."""
        values = _page_values(0, None, filters)
        del values["limit"]
        statement = _ids_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [int(row.id) for row in rows]

    async def label_keys(self, limit: int) -> list[str]:
        """Return the keys of the labels in use, in their order."""
        rows = await self.connection.execute(_LABEL_KEYS, {"tenant_id": self.tenant_id, "limit": limit})
        return list(rows.scalars())

    async def labels(self, limit: int, after: tuple[str, str] | None = None) -> list[LabelCount]:
        """Return the labels in use, by key and value. after: the last one seen."""
        key, value = after or ("", "")
        rows = await self.connection.execute(
            _LABELS, {"tenant_id": self.tenant_id, "key": key, "value": value, "limit": limit}
        )
        return [LabelCount(*row) for row in rows]

    async def count_to_add(self) -> int:
        """Count all charge points, after others that add some have ended."""
        lock = select(func.pg_advisory_xact_lock(_ADDING, cast(self.tenant_id % 2**31, Integer)))
        await self.connection.execute(lock)
        counted = select(func.count()).where(_CHARGE_POINTS.c.tenant_id == self.tenant_id)
        return int((await self.connection.execute(counted)).scalar_one())

    async def find_many(self, identities: Sequence[str]) -> dict[str, ChargePointRecord]:
        """Return those charge points that exist, locked until the end of this transaction."""
        statement = select(*_CHARGE_POINT_COLUMNS).where(
            _CHARGE_POINTS.c.tenant_id == self.tenant_id,
            _CHARGE_POINTS.c.identity == any_(cast(list(identities), ARRAY(Text))),
        )
        # In one order everywhere, so that two imports cannot wait for each other.
        statement = statement.order_by(_CHARGE_POINTS.c.identity).with_for_update(key_share=True)
        rows = await self.connection.execute(statement)
        return {row.identity: ChargePointRecord(*row) for row in rows}

    async def put_many(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Store charge points with all that an operator sets, new ones and known ones; return their ids.

        Each has `identity`, the columns `_CHANGEABLE`, and `credential_hash`, which counts for a new one.
        """
        statement = postgresql_insert(_CHARGE_POINTS).values(
            tenant_id=self.tenant_id, created_at=func.now(), updated_at=func.now()
        )
        changes = {name: statement.excluded[name] for name in ("updated_at", *sorted(_CHANGEABLE))}
        upsert = statement.on_conflict_do_update(index_elements=["tenant_id", "identity"], set_=changes)
        if not rows:
            return []
        ordered = sorted(rows, key=itemgetter("identity"))
        stored = await self.connection.execute(upsert.returning(_CHARGE_POINTS.c.id), ordered)
        return list(stored.scalars())

    async def update(self, identity: str, **changes: Any) -> ChargePointRecord | None:
        """Change some of the columns `_CHANGEABLE`; None: not found."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"a charge point's {sorted(unknown)} cannot be changed")
        self.outbox.has_events |= "registration_status" in changes
        statement = self._update().where(_CHARGE_POINTS.c.identity == identity).values(**changes)
        row = (await self.connection.execute(statement.returning(*_CHARGE_POINT_COLUMNS))).one_or_none()
        return ChargePointRecord(*row) if row is not None else None

    async def delete(self, identity: str) -> bool:
        """Delete a charge point with its connectors, commands and configuration. False: it does not exist.

        Raises:
            Conflict: it has transactions or orphan records.
        """
        owned = select(_CHARGE_POINTS.c.id).where(
            _CHARGE_POINTS.c.tenant_id == self.tenant_id, _CHARGE_POINTS.c.identity == identity
        )
        statement = (
            delete(_CHARGE_POINTS).where(_CHARGE_POINTS.c.id.in_(owned)).returning(_CHARGE_POINTS.c.id)
        )
        try:
            async with self.connection.begin_nested():
                return (await self.connection.execute(statement)).one_or_none() is not None
        except IntegrityError:
            raise Conflict(f"The charge point {identity!r} has billing records; they are kept.") from None

    async def set_credential(self, charge_point_id: int, credential_hash: bytes | None) -> None:
        """Replace the credential at once, and drop a pending one."""
        await self.connection.execute(
            self._update(charge_point_id).values(
                credential_hash=credential_hash,
                pending_credential_hash=None,
                pending_until=None,
                credential_set_at=None if credential_hash is None else func.now(),
            )
        )

    async def set_minimum_profile(self, charge_point_id: int, profile: int) -> None:
        """Set the lowest security profile that a charge point may connect on, higher or lower."""
        await self.connection.execute(self._update(charge_point_id).values(minimum_security_profile=profile))

    async def set_pending_credential(
        self, charge_point_id: int, credential_hash: bytes, until: datetime
    ) -> None:
        """Allow a second credential until a time: the charge point may or may not have accepted it."""
        await self.connection.execute(
            self._update(charge_point_id).values(pending_credential_hash=credential_hash, pending_until=until)
        )

    async def promote_pending(self, charge_point_id: int, credential_hash: bytes) -> bool:
        """Make this pending credential the only one. False: another one is pending, or none."""
        statement = self._update(charge_point_id).where(
            _CHARGE_POINTS.c.pending_credential_hash == credential_hash
        )
        statement = statement.values(
            credential_hash=credential_hash,
            pending_credential_hash=None,
            pending_until=None,
            credential_set_at=func.now(),
        )
        return (
            await self.connection.execute(statement.returning(_CHARGE_POINTS.c.id))
        ).one_or_none() is not None

    async def drop_pending(self, charge_point_id: int, credential_hash: bytes) -> None:
        """Drop this credential if it is the pending one: the charge point refused it."""
        statement = self._update(charge_point_id).where(
            _CHARGE_POINTS.c.pending_credential_hash == credential_hash
        )
        await self.connection.execute(statement.values(pending_credential_hash=None, pending_until=None))

    def _update(self, charge_point_id: int | None = None) -> Any:
        statement = (
            update(_CHARGE_POINTS)
            .where(_CHARGE_POINTS.c.tenant_id == self.tenant_id)
            .values(updated_at=func.now())
        )
        return (
            statement if charge_point_id is None else statement.where(_CHARGE_POINTS.c.id == charge_point_id)
        )


class ChargePointReads:
    """Reads the charge points of one tenant; each read is one prepared statement.

    The times of a charge point are microseconds since 1970, see `in_microseconds`.
    """

    __slots__ = ("_run", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._run = reads.of(tenant_id)
        self._tenant_id = tenant_id

    async def get(self, identity: str) -> Row | None:
        """Return a charge point by its OCPP identity."""
        rows = await self._rows(_BY_IDENTITY, identity=identity)
        return rows[0] if rows else None

    async def page(self, limit: int, after: str | None, filters: ChargePointFilter) -> Sequence[Row]:
        """Return a page of charge points. after: identity of the last one seen."""
        values = _page_values(limit, after, filters)
        return await self._rows(_page_statement(frozenset(values), is_read=True), **values)

    async def connectors(self, identity: str) -> Sequence[Row] | None:
        """Return the connectors in the order of their number; None: the charge point does not exist."""
        rows = await self._rows(CONNECTORS_BY_IDENTITY, identity=identity)
        if not rows:
            return None
        # A charge point without connectors is one row without a connector.
        return [row for row in rows if row["connector_id"] is not None]

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._run(statement, {"tenant_id": self._tenant_id, **values})


async def identities_of_tenant(work: PlatformWork, tenant_id: TenantId) -> list[str]:
    """Return the identities of all charge points of a tenant."""
    statement = select(_CHARGE_POINTS.c.identity).where(_CHARGE_POINTS.c.tenant_id == tenant_id)
    return list((await work.connection.execute(statement)).scalars())


async def keep_charge_points(work: PlatformWork, tenant_id: TenantId, kept: Sequence[int]) -> None:
    """Delete all charge points of a tenant but some, of which only the identity and the software stay.

    None of them can log in any longer.
    """
    of_tenant = _CHARGE_POINTS.c.tenant_id == tenant_id
    is_kept = _CHARGE_POINTS.c.id == any_(cast(list(kept), ARRAY(BigInteger)))
    await work.connection.execute(delete(_CHARGE_POINTS).where(of_tenant, not_(is_kept)))
    await work.connection.execute(
        update(_CHARGE_POINTS)
        .where(of_tenant)
        .values(
            name=None,
            labels={},
            credential_hash=None,
            pending_credential_hash=None,
            pending_until=None,
            no_credential=False,
        )
    )
