"""SQL of the root certificates on charge points, and of those whose text is known."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.certificates import tables
from app.certificates.records import (
    DeletionState,
    InstalledRecord,
    InstalledReport,
    KnownCertificate,
)
from app.database.repository import Repository, columns_of
from app.database.text import clean_json

KNOWN_OF_TENANT: Final = 500
"""The most roots whose text is kept for a tenant. The one that was used longest ago is dropped first."""
INSTALLED_OF_CHARGE_POINT: Final = 200
"""The most roots that one charge point may report."""

_INSTALLED = tables.installed_certificates
_COLUMNS = columns_of(InstalledRecord, _INSTALLED)
_KNOWN = tables.known_certificates
_KNOWN_COLUMNS = columns_of(KnownCertificate, _KNOWN)
_REPORTS = tables.installed_certificate_reports
_REPORT_COLUMNS = columns_of(InstalledReport, _REPORTS)


class InstalledStore(Repository):
    """The root certificates on the charge points of one tenant."""

    async def of_charge_point(
        self, charge_point_id: int, *, to_change: bool = False
    ) -> list[InstalledRecord]:
        """Return the certificates of a charge point. to_change: lock them."""
        statement = select(*_COLUMNS).where(
            _INSTALLED.c.tenant_id == self.tenant_id, _INSTALLED.c.charge_point_id == charge_point_id
        )
        statement = statement.order_by(_INSTALLED.c.certificate_type, _INSTALLED.c.id)
        if to_change:
            statement = statement.with_for_update()
        return [InstalledRecord(*row) for row in await self.connection.execute(statement)]

    async def of_tenant(self, certificate_type: str) -> list[InstalledRecord]:
        """Return the certificates of one kind on all charge points."""
        statement = select(*_COLUMNS).where(
            _INSTALLED.c.tenant_id == self.tenant_id, _INSTALLED.c.certificate_type == certificate_type
        )
        return [InstalledRecord(*row) for row in await self.connection.execute(statement)]

    async def put(self, record: InstalledRecord) -> None:
        """Store what is known of a certificate on a charge point, unless something newer is stored."""
        values: dict[str, Any] = {**asdict(record), "hash_data": clean_json(record.hash_data)}
        statement = insert(_INSTALLED).values(tenant_id=self.tenant_id, **values)
        new = statement.excluded
        names = ("hash_data", "state", "at", "deletion", "fingerprint")
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id", "id"],
                set_={name: new[name] for name in names},
                where=_INSTALLED.c.at <= new.at,
            )
        )

    async def replace_reported(
        self, charge_point_id: int, certificate_type: str, kept: Sequence[str], at: datetime
    ) -> None:
        """Remove the certificates of one kind that a charge point does not report. kept: ids of the others.

        Refused installations stay, so that they can be seen.
        """
        await self.connection.execute(
            delete(_INSTALLED).where(
                _INSTALLED.c.tenant_id == self.tenant_id,
                _INSTALLED.c.charge_point_id == charge_point_id,
                _INSTALLED.c.certificate_type == certificate_type,
                _INSTALLED.c.state.in_(("reported", "accepted")),
                _INSTALLED.c.at <= at,
                _INSTALLED.c.id.not_in(kept),
            )
        )

    async def set_deletion(
        self, charge_point_id: int, certificate_id: str, deletion: DeletionState | None
    ) -> None:
        """Store the state of a deletion, None: there is none."""
        await self.connection.execute(
            update(_INSTALLED)
            .where(
                _INSTALLED.c.tenant_id == self.tenant_id,
                _INSTALLED.c.charge_point_id == charge_point_id,
                _INSTALLED.c.id == certificate_id,
            )
            .values(deletion=deletion)
        )

    async def remove(self, charge_point_id: int, certificate_id: str) -> None:
        """Forget a certificate of a charge point."""
        await self.connection.execute(
            delete(_INSTALLED).where(
                _INSTALLED.c.tenant_id == self.tenant_id,
                _INSTALLED.c.charge_point_id == charge_point_id,
                _INSTALLED.c.id == certificate_id,
            )
        )

    # Reports

    async def put_report(self, report: InstalledReport) -> bool:
        """Store that a charge point has listed its certificates of one kind. False: a newer list is known."""
        statement = insert(_REPORTS).values(tenant_id=self.tenant_id, **asdict(report))
        new = statement.excluded
        stored = await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id", "certificate_type"],
                set_={"reported_at": new.reported_at},
                where=_REPORTS.c.reported_at <= new.reported_at,
            ).returning(_REPORTS.c.reported_at)
        )
        return stored.one_or_none() is not None

    async def reports(
        self, charge_point_id: int | None = None, certificate_type: str | None = None
    ) -> list[InstalledReport]:
        """Return the last reports, of one charge point or of all."""
        statement = select(*_REPORT_COLUMNS).where(_REPORTS.c.tenant_id == self.tenant_id)
        if charge_point_id is not None:
            statement = statement.where(_REPORTS.c.charge_point_id == charge_point_id)
        if certificate_type is not None:
            statement = statement.where(_REPORTS.c.certificate_type == certificate_type)
        return [InstalledReport(*row) for row in await self.connection.execute(statement)]

    # Known texts

    async def put_known(self, known: KnownCertificate, at: datetime) -> None:
        """Keep the text of a root, and drop surplus ones."""
        statement = insert(_KNOWN).values(tenant_id=self.tenant_id, used_at=at, **asdict(known))
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "fingerprint"], set_={"used_at": at})
        )
        surplus = (
            select(_KNOWN.c.fingerprint)
            .where(_KNOWN.c.tenant_id == self.tenant_id)
            .order_by(_KNOWN.c.used_at.desc(), _KNOWN.c.fingerprint)
            .offset(KNOWN_OF_TENANT)
        )
        await self.connection.execute(
            delete(_KNOWN).where(
                _KNOWN.c.tenant_id == self.tenant_id, _KNOWN.c.fingerprint.in_(surplus.scalar_subquery())
            )
        )

    async def known(self) -> list[KnownCertificate]:
        """Return the roots of the tenant whose text is known."""
        statement = select(*_KNOWN_COLUMNS).where(_KNOWN.c.tenant_id == self.tenant_id)
        rows = await self.connection.execute(statement.order_by(_KNOWN.c.fingerprint))
        return [KnownCertificate(*row) for row in rows]
