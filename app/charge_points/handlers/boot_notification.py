"""BootNotification (OCPP 1.6 4.2): who the charge point is, and whether it may work.

The registration is durable and decided by the operator; a reconnect without a boot keeps it (OCPP-J 5.4).
"""

from dataclasses import dataclass
from typing import Final

from app.charge_points.connection_batcher import ConnectionBatcher
from app.charge_points.records import BootFacts, Registration
from app.clock import Clock, utc_text
from app.connection import Connection
from app.ocpp import v16
from app.ocpp.v16 import RegistrationStatus

RETRY_INTERVAL_S: Final = 60
"""After Pending or Rejected a charge point comes again after this time: soon enough for a waiting person."""


@dataclass(frozen=True, slots=True)
class BootServices:
    """What this handler uses. heartbeat_interval_s: for charge points without an interval of their own."""

    connection_batcher: ConnectionBatcher
    clock: Clock
    heartbeat_interval_s: int


async def handle(
    services: BootServices, connection: Connection, request: v16.BootNotificationRequest
) -> v16.BootNotificationResponse:
    """Keep what the charge point says of itself and answer with its registration, as it stands now."""
    now = services.clock.now()
    facts = BootFacts(
        at=now,
        vendor=request["chargePointVendor"],
        model=request["chargePointModel"],
        serial_number=request.get("chargePointSerialNumber"),
        box_serial_number=request.get("chargeBoxSerialNumber"),
        firmware_version=request.get("firmwareVersion"),
        iccid=request.get("iccid"),
        imsi=request.get("imsi"),
        meter_type=request.get("meterType"),
        meter_serial_number=request.get("meterSerialNumber"),
    )
    known = await services.connection_batcher.record_boot(
        connection.tenant_id, connection.charge_point_id, facts
    )
    status = _registered(services.heartbeat_interval_s, connection, known)
    return {
        "status": status,
        "currentTime": utc_text(now),
        "interval": connection.heartbeat_interval_s if status == "Accepted" else RETRY_INTERVAL_S,
    }


def _registered(
    default_interval_s: int, connection: Connection, known: Registration | None
) -> RegistrationStatus:
    """Bring the connection up to date with its record; one that was deleted meanwhile is Rejected."""
    if known is None:
        connection.registration_status = "Rejected"
        return "Rejected"
    interval_s = known.heartbeat_interval_s
    connection.heartbeat_interval_s = default_interval_s if interval_s is None else interval_s
    connection.registration_status = known.status
    connection.accepted_before = connection.accepted_before or known.status == "Accepted"
    return known.status
