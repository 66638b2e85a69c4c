"""Events of what is suspicious or faulty: security events, refused logins, deviations from the standard."""

from typing import ClassVar

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json


class SecurityEventRecordedEvent(Payload):
    """A security event was recorded: of a charge point, or of this server. A copy of it tells nothing."""

    type = "security_event.recorded"

    id: int = Field(description="As in `/v1/security-events`.")
    source: str = Field(description="`charge_point`: it reported the event. `central_system`: this server.")
    identity: str | None = Field(description="Of the charge point, if it is known, also after its deletion.")
    event_type: str = Field(description="As `type` of the resource.")
    critical: bool = Field(description="Whether the whitepaper calls the type critical.")
    occurred_at: Instant
    is_time_plausible: bool
    tech_info: str | None
    received_at: Instant

    example: ClassVar[Json] = {
        "id": 8123,
        "source": "charge_point",
        "identity": "RDAM-0123",
        "event_type": "TamperDetectionActivated",
        "critical": True,
        "occurred_at": EXAMPLE_TIME,
        "is_time_plausible": True,
        "tech_info": "front cover",
        "received_at": EXAMPLE_TIME,
    }


class LoginRefusedEvent(Payload):
    """A login was refused. Refusals that are alike tell when they were 1, 2, 4, 8 and so on.

    They are alike if identity, reason and address are the same. So a charge point that tries without end
    does not fill the stream.
    """

    type = "login.refused"

    identity: str | None = Field(description="As the request named it. null: it named none.")
    reason: str = Field(description="As in `/v1/login-attempts`, which has the advice.")
    detail: str | None = Field(description="What is known besides the reason.")
    remote: str = Field(description="Address of the client.")
    count: int = Field(ge=1, description="How often it was refused so far.")
    first_at: Instant
    last_at: Instant

    example: ClassVar[Json] = {
        "identity": "rdam-0123",
        "reason": "identity_case",
        "detail": "The charge point is RDAM-0123.",
        "remote": "198.51.100.7",
        "count": 2,
        "first_at": EXAMPLE_TIME,
        "last_at": EXAMPLE_TIME,
    }


class DeviationFirstSeenEvent(Payload):
    """A charge point deviated from the standard in a way that was not seen of it before."""

    type = "deviation.first_seen"

    code: str = Field(description="As in `/v1/deviations/{code}`.")
    vendor: str | None
    model: str | None
    firmware_version: str | None
    first_at: Instant
    action: str | None = Field(description="Of the message in which it was seen.")
    message_id: str | None
    pointer: str | None = Field(description="JSON pointer to the place in the payload.")

    example: ClassVar[Json] = {
        "code": "timestamp_without_zone",
        "vendor": "Alfen BV",
        "model": "NG910-60023",
        "firmware_version": "6.6.0",
        "first_at": EXAMPLE_TIME,
        "action": "StartTransaction",
        "message_id": "1042",
        "pointer": "/timestamp",
    }
