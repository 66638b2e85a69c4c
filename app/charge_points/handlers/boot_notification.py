"""BootNotification (OCPP 1.6 4.2): the facts of a charge point, and whether it may operate.

The operator decides on the registration, and it is stored. A reconnect without a boot keeps it (OCPP-J 5.4).
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import BootFacts, Registration
from app.clock import Clock, utc_text
from app.connection import Connection, SessionsOver
from app.ocpp import v16
from app.ocpp.v16 import RegistrationStatus
from app.quirks.records import Device
from app.quirks.service import QuirkReader

RETRY_INTERVAL_S: Final = 60
"""Seconds until a Pending or Rejected charge point asks again: short enough for a person who waits."""

RETRY_SPREAD_S: Final = 30
"""Seconds over which a fleet is spread that asks again."""


@dataclass(frozen=True, slots=True)
class BootServices:
    """The dependencies of this handler. heartbeat_interval_s: for charge points that have none set."""

    login_batcher: LoginBatcher
    clock: Clock
    heartbeat_interval_s: int
    sessions_over: SessionsOver
    quirks: QuirkReader


async def handle(
    services: BootServices, connection: Connection, request: v16.BootNotificationRequest
) -> v16.BootNotificationResponse:
    """Store the facts of the charge point, and answer with its current registration."""
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
    # A second one on this connection was triggered: nothing has restarted.
    is_first = not connection.booted
    connection.booted = True
    is_recorded = False
    try:
        known = await services.login_batcher.record_boot(
            connection.tenant_id, connection.charge_point_id, facts
        )
        if is_first:
            await services.sessions_over(connection, None, "boot")
        is_recorded = True
    finally:
        # If the boot could not be recorded, it comes again.
        connection.booted = is_recorded or not is_first
    device = Device(facts.vendor, facts.model, facts.firmware_version)
    connection.habits = await services.quirks.habits(connection.tenant_id, device)
    connection.is_identified = bool(facts.vendor and facts.model)
    connection.firmware_version = facts.firmware_version
    status = _registered(services.heartbeat_interval_s, connection, known)
    if status == "Accepted":
        interval_s = connection.heartbeat_interval_s
    else:
        interval_s = retry_interval_s(connection.identity)
    return {"status": status, "currentTime": utc_text(now), "interval": interval_s}


def retry_interval_s(identity: str) -> int:
    """Return the seconds until a charge point asks again that is not accepted.

    After an outage a whole fleet boots in the same second. With the same interval all would come back in the
    same second each time, so it differs by identity.
    """
    return RETRY_INTERVAL_S + crc32(identity.encode()) % (RETRY_SPREAD_S + 1)


def _registered(
    default_interval_s: int, connection: Connection, known: Registration | None
) -> RegistrationStatus:
    """Copy the registration to the connection, and return it; a deleted charge point is Rejected."""
    if known is None:
        connection.registration_status = "Rejected"
        return "Rejected"
    interval_s = known.heartbeat_interval_s
    connection.heartbeat_interval_s = default_interval_s if interval_s is None else interval_s
    connection.registration_status = known.status
    connection.accepted_before = connection.accepted_before or known.status == "Accepted"
    return known.status
