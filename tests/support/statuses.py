"""Stores the states of connectors as StatusNotification does."""

from app.charge_points.records import StatusRecorded, StatusReport
from app.charge_points.store import record_statuses
from app.database.prepared import Run
from app.types import ChargePointKey


async def record_status(
    run: Run, tenant_id: int, charge_point_id: int, report: StatusReport, connector_limit: int
) -> StatusRecorded:
    """Store one report in the caller's unit of work."""
    place = ChargePointKey(tenant_id, charge_point_id)
    [recorded] = await record_statuses(run, [(place, report)], connector_limit)
    return recorded
