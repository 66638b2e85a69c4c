"""Events of a charge point: its connections, boots, states and registration."""

from typing import ClassVar, Literal

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json


class ConnectionOpenedEvent(Payload):
    """A charge point logged in. A connection that was open before it is over, whatever else is told of it."""

    type = "connection.opened"

    epoch: int = Field(ge=1, description="Number of the connection; it grows with each login.")
    security_profile: int = Field(ge=0, le=3)
    connected_at: Instant

    example: ClassVar[Json] = {"epoch": 17, "security_profile": 2, "connected_at": EXAMPLE_TIME}


class ConnectionClosedEvent(Payload):
    """A connection ended. If its server was killed, nothing tells of it before the next login.

    If the database was away for a moment, the same end may be told twice.
    """

    type = "connection.closed"

    epoch: int = Field(ge=0, description="Number of the connection, as in connection.opened.")
    connected_at: Instant
    last_seen_at: Instant = Field(description="When its last frame arrived.")
    code: int = Field(description="WebSocket status code (RFC 6455 7.4); 1006: no closing handshake.")

    example: ClassVar[Json] = {
        "epoch": 17,
        "connected_at": EXAMPLE_TIME,
        "last_seen_at": EXAMPLE_TIME,
        "code": 1006,
    }


class ChargePointBootedEvent(Payload):
    """A BootNotification was stored (OCPP 1.6 4.2). A charge point sends one after it was asked to, too."""

    type = "charge_point.booted"

    vendor: str | None
    model: str | None
    serial_number: str | None
    box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    booted_at: Instant

    example: ClassVar[Json] = {
        "vendor": "Alfen BV",
        "model": "NG910-60023",
        "serial_number": None,
        "box_serial_number": None,
        "firmware_version": "6.6.0",
        "iccid": None,
        "imsi": None,
        "meter_type": None,
        "meter_serial_number": None,
        "booted_at": EXAMPLE_TIME,
    }


class ConnectorStatusChangedEvent(Payload):
    """A connector reported another state, or its first one on a new connection (OCPP 1.6 4.9).

    Connector 0 is the charge point itself.
    """

    type = "connector.status_changed"

    connector_id: int = Field(ge=0)
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: Instant
    received_at: Instant

    example: ClassVar[Json] = {
        "connector_id": 1,
        "status": "Charging",
        "error_code": "NoError",
        "info": None,
        "vendor_id": None,
        "vendor_error_code": None,
        "reported_at": EXAMPLE_TIME,
        "received_at": EXAMPLE_TIME,
    }


class RegistrationChangedEvent(Payload):
    """An operator changed whether a charge point may operate (OCPP 1.6 4.2)."""

    type = "charge_point.registration_changed"

    registration_status: Literal["Accepted", "Pending", "Rejected"]
    before: Literal["Accepted", "Pending", "Rejected"]

    example: ClassVar[Json] = {"registration_status": "Accepted", "before": "Pending"}
