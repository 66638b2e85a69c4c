"""Charge points of one tenant: who they are, what they said at boot, how they log in."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import ColumnElement

from app.charge_points import tables
from app.charge_points.connector_store import OF_IDENTITY
from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.database.prepared import Prepared, Row
from app.database.repository import Repository, columns_of, like_prefix
from app.database.statements import Statement, given
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.ocpp.v16 import RegistrationStatus
from app.types import TenantId

_TABLE = tables.charge_points
_COLUMNS = columns_of(ChargePointRecord, _TABLE)
_CHANGEABLE = frozenset({"name", "registration_status", "no_credential", "heartbeat_interval_s"})


ONE: Final = Statement(
    select(*_COLUMNS).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"), _TABLE.c.identity == bindparam("identity")
    )
)
"""A charge point by its OCPP identity, compared exactly."""

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _TABLE.c.identity > bindparam("after"),
    "prefix": _TABLE.c.identity.like(bindparam("prefix")),
    "registration_status": _TABLE.c.registration_status == bindparam("registration_status"),
}


def page_values(limit: int, after: str | None, filters: ChargePointFilter) -> dict[str, Any]:
    """What narrows a page of charge points, by name."""
    prefix = filters.identity_prefix
    return given(
        limit=limit,
        after=after,
        prefix=None if prefix is None else like_prefix(prefix),
        registration_status=filters.registration_status,
    )


@cache
def page_statement(names: frozenset[str]) -> Statement:
    """A page of charge points in the order of their identity. names: of the values that narrow it."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == bindparam("tenant_id"), *conditions)
    return Statement(statement.order_by(_TABLE.c.identity).limit(bindparam("limit", type_=Integer)))


class ChargePointStore(Repository):
    """The charge points of one tenant. `charge_point_id` is the primary key, `identity` the OCPP name."""

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
        statement = insert(_TABLE).values(
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
            row = (await self.connection.execute(statement.returning(*_COLUMNS))).one()
        except IntegrityError as error:
            if "uq_charge_points" not in str(error):
                raise
            raise Conflict(f"The charge point {identity!r} exists already.", "identity") from None
        return ChargePointRecord(*row)

    async def get(self, identity: str, *, to_change: bool = False) -> ChargePointRecord | None:
        """Return a charge point by its OCPP identity, compared exactly.

        to_change: nobody else changes it until the end of this transaction.
        """
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.identity == identity
        )
        if to_change:
            statement = statement.with_for_update(key_share=True)
        row = (await self.connection.execute(statement)).one_or_none()
        return ChargePointRecord(*row) if row is not None else None

    async def page(
        self, limit: int, after: str | None = None, filters: ChargePointFilter | None = None
    ) -> list[ChargePointRecord]:
        """Return charge points in the order of their identity. after: identity of the last one seen."""
        values = page_values(limit, after, filters or ChargePointFilter())
        statement = page_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [ChargePointRecord(*row) for row in rows]

    async def update(self, identity: str, **changes: Any) -> ChargePointRecord | None:
        """Change name, registration_status, no_credential or heartbeat_interval_s; None: unknown."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"a charge point's {sorted(unknown)} cannot be changed")
        statement = self._update().where(_TABLE.c.identity == identity).values(**changes)
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one_or_none()
        return ChargePointRecord(*row) if row is not None else None

    async def delete(self, identity: str) -> bool:
        """Remove a charge point and its connectors, commands and configuration. False: there is none.

        Raises:
            Conflict: it has transactions, or billing messages that fit none.
        """
        owned = select(_TABLE.c.id).where(_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.identity == identity)
        statement = delete(_TABLE).where(_TABLE.c.id.in_(owned)).returning(_TABLE.c.id)
        try:
            async with self.connection.begin_nested():
                return (await self.connection.execute(statement)).one_or_none() is not None
        except IntegrityError:
            raise Conflict(f"The charge point {identity!r} has billing records; they are kept.") from None

    async def set_credential(self, charge_point_id: int, credential_hash: bytes | None) -> None:
        """Replace the credential at once; a pending one is dropped."""
        await self.connection.execute(
            self._update(charge_point_id).values(
                credential_hash=credential_hash, pending_credential_hash=None, pending_until=None
            )
        )

    async def set_pending_credential(
        self, charge_point_id: int, credential_hash: bytes, until: datetime
    ) -> None:
        """Let a second credential log in as well until a time: the charge point may have taken it or not."""
        await self.connection.execute(
            self._update(charge_point_id).values(pending_credential_hash=credential_hash, pending_until=until)
        )

    async def promote_pending(self, charge_point_id: int, credential_hash: bytes) -> bool:
        """Make this pending credential the only one. False: it is not the one that is pending."""
        statement = self._update(charge_point_id).where(_TABLE.c.pending_credential_hash == credential_hash)
        statement = statement.values(
            credential_hash=credential_hash, pending_credential_hash=None, pending_until=None
        )
        return (await self.connection.execute(statement.returning(_TABLE.c.id))).one_or_none() is not None

    async def drop_pending(self, charge_point_id: int, credential_hash: bytes) -> None:
        """Forget this pending credential, if it is the one: the charge point refused it."""
        statement = self._update(charge_point_id).where(_TABLE.c.pending_credential_hash == credential_hash)
        await self.connection.execute(statement.values(pending_credential_hash=None, pending_until=None))

    def _update(self, charge_point_id: int | None = None) -> Any:
        statement = update(_TABLE).where(_TABLE.c.tenant_id == self.tenant_id).values(updated_at=func.now())
        return statement if charge_point_id is None else statement.where(_TABLE.c.id == charge_point_id)


class ChargePointReads:
    """Reads the charge points of one tenant, each read one prepared statement."""

    __slots__ = ("_reads", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._reads = reads
        self._tenant_id = tenant_id

    async def get(self, identity: str) -> Row | None:
        """Return a charge point by its OCPP identity."""
        rows = await self._rows(ONE, identity=identity)
        return rows[0] if rows else None

    async def page(self, limit: int, after: str | None, filters: ChargePointFilter) -> Sequence[Row]:
        """Return a page of charge points. after: identity of the last one seen."""
        values = page_values(limit, after, filters)
        return await self._rows(page_statement(frozenset(values)), **values)

    async def connectors(self, identity: str) -> Sequence[Row] | None:
        """Return the connectors in the order of their number; None: there is no such charge point."""
        rows = await self._rows(OF_IDENTITY, identity=identity)
        if not rows:
            return None
        # A charge point without connectors is one row without a connector.
        return [row for row in rows if row["connector_id"] is not None]

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._reads.rows(statement, {"tenant_id": self._tenant_id, **values})


async def identities_of_tenant(work: PlatformWork, tenant_id: TenantId) -> list[str]:
    """Return the identities of all charge points of a tenant."""
    statement = select(_TABLE.c.identity).where(_TABLE.c.tenant_id == tenant_id)
    return list((await work.connection.execute(statement)).scalars())
