"""SQL of the certificates of charge points."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.expression import ColumnElement

from app.certificates import tables
from app.certificates.records import CertificateRecord, CertificateState, NewCertificate
from app.database.repository import Repository, columns_of
from app.database.unit_of_work import PlatformWork

_CERTIFICATES = tables.charge_point_certificates
_COLUMNS = columns_of(CertificateRecord, _CERTIFICATES)

_TAKE_RENEWALS: Final = text(
    """
    with pending as (
        select tenant_id, id from charge_point_certificates
        where renew_at <= :now
        order by renew_at
        limit :limit
        for update skip locked
    )
    update charge_point_certificates as taken set renew_at = :again_at
    from pending
    where taken.tenant_id = pending.tenant_id and taken.id = pending.id
    returning taken.*
    """
)


class CertificateFilter(NamedTuple):
    """The filters of a listing of certificates. expired_at: the time that `expired` refers to."""

    expired_at: datetime
    identity: str | None = None
    state: str | None = None


class CertificateStore(Repository):
    """The certificates of the charge points of one tenant."""

    async def add(self, new: NewCertificate, at: datetime) -> int:
        """Store an issued certificate; return its id. One that is stored already keeps its state."""
        values = {**asdict(new), "state": "issued", "renewal_attempts": 0, "created_at": at}
        statement = insert(_CERTIFICATES).values(tenant_id=self.tenant_id, **values)
        stored = await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "fingerprint"],
                set_={"chain": statement.excluded.chain},
            ).returning(_CERTIFICATES.c.id)
        )
        return int(stored.scalar_one())

    async def get(self, certificate_id: int) -> CertificateRecord | None:
        """Return a certificate by its id."""
        return await self._one(_CERTIFICATES.c.id == certificate_id)

    async def by_fingerprint(self, fingerprint: str) -> CertificateRecord | None:
        """Return a certificate by its SHA-256."""
        return await self._one(_CERTIFICATES.c.fingerprint == fingerprint)

    async def by_serial(self, serial: str) -> list[CertificateRecord]:
        """Return the certificates of a serial number: several if two authorities have used the same."""
        statement = select(*_COLUMNS).where(
            _CERTIFICATES.c.tenant_id == self.tenant_id, _CERTIFICATES.c.serial == serial
        )
        return [CertificateRecord(*row) for row in await self.connection.execute(statement.with_for_update())]

    async def page(
        self, limit: int, after: int | None, filters: CertificateFilter
    ) -> list[CertificateRecord]:
        """Return certificates, the newest first. after: id of the last one seen."""
        statement = select(*_COLUMNS).where(_CERTIFICATES.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_CERTIFICATES.c.id < after)
        if filters.identity is not None:
            statement = statement.where(_CERTIFICATES.c.identity == filters.identity)
        has_ended = and_(_CERTIFICATES.c.not_after <= filters.expired_at, _CERTIFICATES.c.state != "revoked")
        if filters.state == "expired":
            statement = statement.where(has_ended)
        elif filters.state is not None:
            statement = statement.where(
                _CERTIFICATES.c.state == filters.state,
                or_(_CERTIFICATES.c.state == "revoked", _CERTIFICATES.c.not_after > filters.expired_at),
            )
        rows = await self.connection.execute(statement.order_by(_CERTIFICATES.c.id.desc()).limit(limit))
        return [CertificateRecord(*row) for row in rows]

    async def accepted(self, identity: str | None = None) -> list[CertificateRecord]:
        """Return the certificates that charge points have accepted, the newest first.

        identity: of one charge point, None: of all.
        """
        statement = select(*_COLUMNS).where(
            _CERTIFICATES.c.tenant_id == self.tenant_id, _CERTIFICATES.c.state == "accepted"
        )
        if identity is not None:
            statement = statement.where(_CERTIFICATES.c.identity == identity)
        statement = statement.order_by(_CERTIFICATES.c.id.desc())
        return [CertificateRecord(*row) for row in await self.connection.execute(statement)]

    async def revoked_by(self, issuer_name_hash: str) -> list[CertificateRecord]:
        """Return the revoked certificates of an issuer."""
        statement = select(*_COLUMNS).where(
            _CERTIFICATES.c.tenant_id == self.tenant_id,
            _CERTIFICATES.c.state == "revoked",
            _CERTIFICATES.c.issuer_name_hash == issuer_name_hash,
        )
        return [CertificateRecord(*row) for row in await self.connection.execute(statement)]

    async def set_state(
        self, certificate_id: int, state: CertificateState, renew_at: datetime | None = None
    ) -> None:
        """Set the state of a certificate, unless it is revoked."""
        await self.connection.execute(
            update(_CERTIFICATES)
            .where(
                _CERTIFICATES.c.tenant_id == self.tenant_id,
                _CERTIFICATES.c.id == certificate_id,
                _CERTIFICATES.c.state != "revoked",
            )
            .values(state=state, renew_at=renew_at)
        )

    async def renew_no_other(self, identity: str, certificate_id: int) -> None:
        """Renew only one certificate of a charge point."""
        await self.connection.execute(
            update(_CERTIFICATES)
            .where(
                _CERTIFICATES.c.tenant_id == self.tenant_id,
                _CERTIFICATES.c.identity == identity,
                _CERTIFICATES.c.id != certificate_id,
            )
            .values(renew_at=None)
        )

    async def renew_later(self, certificate_id: int, at: datetime | None, attempts: int) -> None:
        """Set when a charge point is asked again, None: not any more."""
        await self.connection.execute(
            update(_CERTIFICATES)
            .where(_CERTIFICATES.c.tenant_id == self.tenant_id, _CERTIFICATES.c.id == certificate_id)
            .values(renew_at=at, renewal_attempts=attempts)
        )

    async def revoke(self, certificate_id: int, at: datetime, reason: str) -> CertificateRecord:
        """Revoke a certificate."""
        statement = (
            update(_CERTIFICATES)
            .where(_CERTIFICATES.c.tenant_id == self.tenant_id, _CERTIFICATES.c.id == certificate_id)
            .values(state="revoked", revoked_at=at, revocation_reason=reason, renew_at=None)
        )
        return CertificateRecord(*(await self.connection.execute(statement.returning(*_COLUMNS))).one())

    async def _one(self, condition: ColumnElement[bool]) -> CertificateRecord | None:
        statement = select(*_COLUMNS).where(_CERTIFICATES.c.tenant_id == self.tenant_id, condition)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else CertificateRecord(*row)


async def take_renewals(
    work: PlatformWork, now: datetime, again_at: datetime, limit: int
) -> list[CertificateRecord]:
    """Return certificates of all tenants that end soon. Two workers never get the same one."""
    values: dict[str, Any] = {"now": now, "again_at": again_at, "limit": limit}
    rows = await work.connection.execute(_TAKE_RENEWALS, values)
    return [CertificateRecord(**row) for row in rows.mappings()]
