"""StatusNotification (OCPP 1.6 4.9): the newest state of a connector. 0 is the charge point itself."""

from dataclasses import dataclass

from app.charge_points.records import StatusReport
from app.charge_points.status_batcher import StatusBatcher
from app.clock import Clock, parse_time
from app.connection import Connection, SessionsOver
from app.ocpp import v16
from app.shown_texts import shown_fault_text
from app.types import ChargePointKey


@dataclass(frozen=True, slots=True)
class StatusServices:
    """The dependencies of this handler."""

    statuses: StatusBatcher
    clock: Clock
    sessions_over: SessionsOver


async def handle(
    services: StatusServices, connection: Connection, request: v16.StatusNotificationRequest
) -> v16.StatusNotificationResponse:
    """Store the state; create an unknown connector, up to the limit."""
    received_at = services.clock.now()
    timestamp = request.get("timestamp")
    zone = connection.habits.time_zone
    reported_at = parse_time(timestamp, zone) if timestamp is not None else None
    if reported_at is not None:
        # For the operator to see. Stored times are never corrected by it.
        connection.clock_skew_s = (reported_at - received_at).total_seconds()
    report = StatusReport(
        connector_id=request["connectorId"],
        status=request["status"],
        error_code=shown_fault_text(request["errorCode"]),
        reported_at=reported_at or received_at,
        received_at=received_at,
        epoch=connection.epoch,
        info=_shown(request.get("info")),
        vendor_id=request.get("vendorId"),
        vendor_error_code=_shown(request.get("vendorErrorCode")),
    )
    place = ChargePointKey(connection.tenant_id, connection.charge_point_id)
    recorded = await services.statuses.record(place, report)
    if recorded.is_session_over and report.connector_id > 0:
        await services.sessions_over(connection, report.connector_id, "available")
    return {}


def _shown(text: str | None) -> str | None:
    return None if text is None else shown_fault_text(text)
