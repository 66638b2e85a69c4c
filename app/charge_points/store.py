"""SQL of charge points, their credentials and their connectors."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

import asyncpg
from sqlalchemy import Integer, and_, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import ColumnElement

from app.charge_points import tables
from app.charge_points.records import (
    ChargePointFilter,
    ChargePointRecord,
    ConnectorRecord,
    StatusRecorded,
    StatusReport,
)
from app.database.prepared import Prepared, Row, Run
from app.database.repository import LARGEST_INT32, Repository, columns_of, like_prefix
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict, NotFound
from app.ocpp.v16 import RegistrationStatus
from app.types import ChargePointKey, TenantId

_CHARGE_POINTS = tables.charge_points
_CHARGE_POINT_COLUMNS = columns_of(ChargePointRecord, _CHARGE_POINTS)
_CONNECTORS = tables.connectors
_CONNECTOR_COLUMNS = columns_of(ConnectorRecord, _CONNECTORS)
_CHANGEABLE = frozenset({"name", "registration_status", "no_credential", "heartbeat_interval_s"})


_BY_IDENTITY: Final = Statement(
    select(*_CHARGE_POINT_COLUMNS).where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"),
        _CHARGE_POINTS.c.identity == bindparam("identity"),
    )
)
"""Selects a charge point by its OCPP identity, compared exactly."""

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _CHARGE_POINTS.c.identity > bindparam("after"),
    "prefix": _CHARGE_POINTS.c.identity.like(bindparam("prefix")),
    "registration_status": _CHARGE_POINTS.c.registration_status == bindparam("registration_status"),
}


# The ledger is asked in the same statement: most connectors become Available with no transaction open.
# Rows are locked in one order, so that the batches of two workers never wait for each other in a circle.
_RECORD_STATUSES: Final = Statement(
    text(
        """
        insert into connectors as known (tenant_id, charge_point_id, connector_id, status, error_code, info,
            vendor_id, vendor_error_code, reported_at, received_at, epoch)
        select * from unnest(
            cast(:tenant_id as bigint[]), cast(:charge_point_id as bigint[]), cast(:connector_id as int[]),
            cast(:status as text[]), cast(:error_code as text[]), cast(:info as text[]),
            cast(:vendor_id as text[]), cast(:vendor_error_code as text[]),
            cast(:reported_at as timestamptz[]), cast(:received_at as timestamptz[]), cast(:epoch as bigint[])
        ) as new (tenant_id, charge_point_id, connector_id, status, error_code, info, vendor_id,
            vendor_error_code, reported_at, received_at, epoch)
        where exists (select from connectors
                      where tenant_id = new.tenant_id and charge_point_id = new.charge_point_id
                          and connector_id = new.connector_id)
           or (select count(*) from connectors
               where tenant_id = new.tenant_id and charge_point_id = new.charge_point_id)
               < cast(:connector_limit as bigint)
        order by tenant_id, charge_point_id, connector_id
        on conflict (tenant_id, charge_point_id, connector_id) do update set
            status = excluded.status, error_code = excluded.error_code, info = excluded.info,
            vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
            reported_at = excluded.reported_at, received_at = excluded.received_at,
            epoch = excluded.epoch
        where excluded.epoch >= known.epoch
        returning known.tenant_id, known.charge_point_id, known.connector_id,
            known.status = 'Available' and exists (
                select from transactions
                where tenant_id = known.tenant_id and charge_point_id = known.charge_point_id
                    and connector_id = known.connector_id
                    and stopped_received_at is null and presumed_ended_at is null
            ) as is_session_over
        """
    )
)

_OF_CHARGE_POINT: Final = and_(
    _CONNECTORS.c.tenant_id == _CHARGE_POINTS.c.tenant_id,
    _CONNECTORS.c.charge_point_id == _CHARGE_POINTS.c.id,
)

_CONNECTORS_BY_IDENTITY: Final = Statement(
    select(*_CONNECTOR_COLUMNS)
    .select_from(_CHARGE_POINTS.outerjoin(_CONNECTORS, _OF_CHARGE_POINT))
    .where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"),
        _CHARGE_POINTS.c.identity == bindparam("identity"),
    )
    .order_by(_CONNECTORS.c.connector_id)
)
"""Selects the connectors of a charge point, by number. A charge point without any gives one row of nulls."""


def _page_values(limit: int, after: str | None, filters: ChargePointFilter) -> dict[str, Any]:
    """Return the parameters of a page of charge points, by name."""
    prefix = filters.identity_prefix
    return given(
        limit=limit,
        after=after,
        prefix=None if prefix is None else like_prefix(prefix),
        registration_status=filters.registration_status,
    )


@cache
def _page_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a page, in the order of identities. names: of its parameters."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    statement = select(*_CHARGE_POINT_COLUMNS).where(
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

    async def page(
        self, limit: int, after: str | None = None, filters: ChargePointFilter | None = None
    ) -> list[ChargePointRecord]:
        """Return charge points in the order of their identity. after: identity of the last one seen."""
        values = _page_values(limit, after, filters or ChargePointFilter())
        statement = _page_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [ChargePointRecord(*row) for row in rows]

    async def update(self, identity: str, **changes: Any) -> ChargePointRecord | None:
        """Change name, registration_status, no_credential or heartbeat_interval_s; None: not found."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"a charge point's {sorted(unknown)} cannot be changed")
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
                credential_hash=credential_hash, pending_credential_hash=None, pending_until=None
            )
        )

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
            credential_hash=credential_hash, pending_credential_hash=None, pending_until=None
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


class ConnectorStore(Repository):
    """The connectors of one tenant's charge points."""

    async def for_charge_point(self, charge_point_id: int) -> list[ConnectorRecord]:
        """Return the connectors in the order of their number."""
        statement = select(*_CONNECTOR_COLUMNS).where(
            _CONNECTORS.c.tenant_id == self.tenant_id, _CONNECTORS.c.charge_point_id == charge_point_id
        )
        rows = await self.connection.execute(statement.order_by(_CONNECTORS.c.connector_id))
        return [ConnectorRecord(*row) for row in rows]


_STATUS_NAMES: Final = (
    "tenant_id",
    "charge_point_id",
    "connector_id",
    "status",
    "error_code",
    "info",
    "vendor_id",
    "vendor_error_code",
    "reported_at",
    "received_at",
    "epoch",
)


async def record_statuses(
    run: Run, reports: Sequence[tuple[ChargePointKey, StatusReport]], connector_limit: int
) -> list[StatusRecorded]:
    """Store reports unless the stored ones are newer; create connectors that are unknown.

    Args:
        reports: Of any charge points, but of each connector one.
        connector_limit: The most connectors that a charge point may have.

    Raises:
        NotFound: a charge point was deleted. Nothing is stored.
    """
    storable = [item for item in reports if 0 <= item[1].connector_id <= LARGEST_INT32]
    stored = {}
    if storable:
        values = dict(zip(_STATUS_NAMES, zip(*map(_status_row, storable), strict=True), strict=True))
        # Connector 0 is the charge point itself and does not count.
        try:
            rows = await run(_RECORD_STATUSES, {**values, "connector_limit": connector_limit + 1})
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("The charge point was deleted.") from None
        stored = {
            (row["tenant_id"], row["charge_point_id"], row["connector_id"]): row["is_session_over"]
            for row in rows
        }
    return [
        StatusRecorded(True, stored[key])
        if (key := (*place, report.connector_id)) in stored
        else StatusRecorded(False, report.status == "Available")
        for place, report in reports
    ]


def _status_row(item: tuple[ChargePointKey, StatusReport]) -> tuple[Any, ...]:
    """Return the columns of `_STATUS_NAMES`."""
    place, report = item
    return (
        *place,
        report.connector_id,
        clean_text(report.status),
        clean_text(report.error_code),
        clean_optional(report.info),
        clean_optional(report.vendor_id),
        clean_optional(report.vendor_error_code),
        report.reported_at,
        report.received_at,
        report.epoch,
    )


class ChargePointReads:
    """Reads the charge points of one tenant; each read is one prepared statement."""

    __slots__ = ("_reads", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._reads = reads
        self._tenant_id = tenant_id

    async def get(self, identity: str) -> Row | None:
        """Return a charge point by its OCPP identity."""
        rows = await self._rows(_BY_IDENTITY, identity=identity)
        return rows[0] if rows else None

    async def page(self, limit: int, after: str | None, filters: ChargePointFilter) -> Sequence[Row]:
        """Return a page of charge points. after: identity of the last one seen."""
        values = _page_values(limit, after, filters)
        return await self._rows(_page_statement(frozenset(values)), **values)

    async def connectors(self, identity: str) -> Sequence[Row] | None:
        """Return the connectors in the order of their number; None: the charge point does not exist."""
        rows = await self._rows(_CONNECTORS_BY_IDENTITY, identity=identity)
        if not rows:
            return None
        # A charge point without connectors is one row without a connector.
        return [row for row in rows if row["connector_id"] is not None]

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._reads.rows(statement, {"tenant_id": self._tenant_id, **values})


async def identities_of_tenant(work: PlatformWork, tenant_id: TenantId) -> list[str]:
    """Return the identities of all charge points of a tenant."""
    statement = select(_CHARGE_POINTS.c.identity).where(_CHARGE_POINTS.c.tenant_id == tenant_id)
    return list((await work.connection.execute(statement)).scalars())
