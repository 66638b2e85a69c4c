"""SQL of the settings of tenants, and of what charge points report."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql

from app.database.repository import Repository, columns_of
from app.database.text import clean_json
from app.plug_and_charge import tables
from app.plug_and_charge.records import CertificateReport, SettingKind, StoredSetting
from app.types import Json

_SETTINGS = tables.plug_and_charge_settings
_COLUMNS = columns_of(StoredSetting, _SETTINGS)
_REPORTS = tables.plug_and_charge_reports
_REPORT_COLUMNS = columns_of(CertificateReport, _REPORTS)


class SettingStore(Repository):
    """The settings of one tenant."""

    async def get(self, kind: SettingKind, *, to_change: bool = False) -> StoredSetting | None:
        """Return a setting, None: it is not set. to_change: lock it."""
        statement = select(*_COLUMNS).where(_SETTINGS.c.tenant_id == self.tenant_id, _SETTINGS.c.kind == kind)
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else StoredSetting(*row)

    async def put(
        self, kind: SettingKind, settings: Json, secrets: bytes | None, now: datetime
    ) -> StoredSetting:
        """Store a setting in place of the one before it."""
        statement = postgresql.insert(_SETTINGS).values(
            tenant_id=self.tenant_id,
            kind=kind,
            settings=settings,
            secrets=secrets,
            created_at=now,
            updated_at=now,
        )
        changes = {"settings": settings, "secrets": secrets, "updated_at": now}
        stored = await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "kind"], set_=changes).returning(
                *_COLUMNS
            )
        )
        return StoredSetting(*stored.one())

    async def delete(self, kind: SettingKind) -> bool:
        """Remove a setting. False: it is not set."""
        statement = delete(_SETTINGS).where(_SETTINGS.c.tenant_id == self.tenant_id, _SETTINGS.c.kind == kind)
        return (
            await self.connection.execute(statement.returning(_SETTINGS.c.kind))
        ).one_or_none() is not None


class ReportStore(Repository):
    """The reports of charge points of one tenant about their certificates for ISO 15118."""

    async def get(self, charge_point_id: int) -> CertificateReport | None:
        """Return the last report of a charge point, None: it has made none."""
        statement = select(*_REPORT_COLUMNS).where(
            _REPORTS.c.tenant_id == self.tenant_id, _REPORTS.c.charge_point_id == charge_point_id
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else CertificateReport(*row)

    async def put(self, report: CertificateReport) -> None:
        """Store a report, unless a later one is stored."""
        values = {**asdict(report), "certificates": clean_json(report.certificates)}
        statement = postgresql.insert(_REPORTS).values(tenant_id=self.tenant_id, **values)
        changes = {name: value for name, value in values.items() if name != "charge_point_id"}
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id"],
                set_=changes,
                where=_REPORTS.c.reported_at <= report.reported_at,
            )
        )
