"""The newest state of each connector, as StatusNotification reports it (OCPP 1.6 4.9)."""

from sqlalchemy import bindparam, select, text

from app.charge_points import tables
from app.charge_points.records import ConnectorRecord, StatusReport
from app.clock import PLAUSIBLE_FROM
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.statements import Statement
from app.database.text import clean_optional, clean_text

_TABLE = tables.connectors
_COLUMNS = columns_of(ConnectorRecord, _TABLE)

_RECORD = text(
    """
    insert into connectors as known (tenant_id, charge_point_id, connector_id, status, error_code, info,
        vendor_id, vendor_error_code, reported_at, received_at, effective_at)
    select :tenant_id, :charge_point_id, :connector_id, :status, :error_code, :info,
        :vendor_id, :vendor_error_code, :reported_at, :received_at, :effective_at
    where exists (select from connectors
                  where charge_point_id = :charge_point_id and connector_id = :connector_id)
       or (select count(*) from connectors where charge_point_id = :charge_point_id) < :connector_limit
    on conflict (charge_point_id, connector_id) do update set
        status = excluded.status, error_code = excluded.error_code, info = excluded.info,
        vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
        reported_at = excluded.reported_at, received_at = excluded.received_at,
        effective_at = excluded.effective_at
    where excluded.effective_at >= known.effective_at and known.tenant_id = excluded.tenant_id
    returning connector_id
    """
).bindparams(
    bindparam("charge_point_id", type_=_TABLE.c.charge_point_id.type),
    *(bindparam(column.name, type_=column.type) for column in _TABLE.c if column.name != "charge_point_id"),
)

_CHARGE_POINTS = tables.charge_points
OF_IDENTITY = Statement(
    select(*_COLUMNS)
    .select_from(_CHARGE_POINTS.outerjoin(_TABLE, _TABLE.c.charge_point_id == _CHARGE_POINTS.c.id))
    .where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"),
        _CHARGE_POINTS.c.identity == bindparam("identity"),
    )
    .order_by(_TABLE.c.connector_id)
)
"""The connectors of a charge point in the order of their number; one row of nulls when it has none."""


class ConnectorStore(Repository):
    """The connectors of one tenant's charge points."""

    async def for_charge_point(self, charge_point_id: int) -> list[ConnectorRecord]:
        """Return the connectors in the order of their number."""
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.charge_point_id == charge_point_id
        )
        rows = await self.connection.execute(statement.order_by(_TABLE.c.connector_id))
        return [ConnectorRecord(*row) for row in rows]

    async def record_status(self, charge_point_id: int, report: StatusReport, connector_limit: int) -> bool:
        """Keep a report if it is not older than the known one; an unknown connector is created.

        A time from the future counts as the time of arrival, else a charge point whose clock was once wrong
        would hide all its later reports.

        Args:
            connector_limit: How many connectors the charge point may have.

        Returns:
            Whether the report was kept: it is not older, and the limit of connectors is not reached.
        """
        if not 0 <= report.connector_id <= LARGEST_INT32:
            return False
        plausible = PLAUSIBLE_FROM <= report.reported_at <= report.received_at
        values = {
            "tenant_id": self.tenant_id,
            "charge_point_id": charge_point_id,
            "connector_id": report.connector_id,
            "status": clean_text(report.status),
            "error_code": clean_text(report.error_code),
            "info": clean_optional(report.info),
            "vendor_id": clean_optional(report.vendor_id),
            "vendor_error_code": clean_optional(report.vendor_error_code),
            "reported_at": report.reported_at,
            "received_at": report.received_at,
            "effective_at": report.reported_at if plausible else report.received_at,
            # Connector 0 is the charge point itself and does not count.
            "connector_limit": connector_limit + 1,
        }
        return (await self.connection.execute(_RECORD, values)).one_or_none() is not None
