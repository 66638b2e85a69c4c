"""The shapes of REST requests and answers about security events and alarms."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from app.audit.schemas import Reason
from app.clock import utc_text
from app.database.prepared import Row
from app.security.records import AlarmCounts, Source
from app.web.inputs import Input
from app.web.pagination import LIMIT_MAXIMUM
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields, optional_time


class SecurityEvent(Resource):
    """A security event of a charge point, or one that this server noticed (security whitepaper A04, 8)."""

    id: int
    source: Source = Field(
        description="charge_point: it reported the event. central_system: this server noticed it."
    )
    charge_point: str | None = Field(description="Identity; null: none is known.")
    type: str = Field(
        description="One of `securityEvents` of the protocol catalog, a type of the vendor, or one of ours: "
        "FailedLogin, LowerSecurityProfile, TlsFailure, CredentialChanged, SecurityProfileRaised, "
        "SecurityProfileMinimumChanged, QuotaReached."
    )
    critical: bool = Field(description="Whether the whitepaper calls the type critical.")
    occurred_at: Instant = Field(
        description="The reported time if it is plausible, else that of the arrival."
    )
    reported_timestamp: str | None = Field(description="The time as the charge point wrote it.")
    is_time_plausible: bool = Field(
        description="False: the reported time is unreadable, before 2015 or more than an hour ahead."
    )
    tech_info: str | None
    received_at: Instant
    last_received_at: Instant = Field(description="Arrival of the newest copy.")
    copies: int = Field(description="How often it arrived: a charge point repeats what was not confirmed.")

    example: ClassVar[Json] = {
        "id": 8123,
        "source": "charge_point",
        "charge_point": "RDAM-0123",
        "type": "TamperDetectionActivated",
        "critical": True,
        "occurred_at": EXAMPLE_TIME,
        "reported_timestamp": "2026-05-04T08:15:30Z",
        "is_time_plausible": True,
        "tech_info": "front cover",
        "received_at": EXAMPLE_TIME,
        "last_received_at": EXAMPLE_TIME,
        "copies": 1,
    }


class SecurityAlarm(Resource):
    """Critical events of one type of one charge point. It stays until it is acknowledged."""

    id: int
    charge_point: str
    type: str
    first_event_id: int
    last_event_id: int
    count: int = Field(description="Events since it was raised, up to 2147483647.")
    raised_at: Instant
    last_at: Instant = Field(description="Arrival of the newest event.")
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    reason: str | None = Field(description="Why, in the words of who acknowledged it.")

    example: ClassVar[Json] = {
        "id": 77,
        "charge_point": "RDAM-0123",
        "type": "TamperDetectionActivated",
        "first_event_id": 8123,
        "last_event_id": 8130,
        "count": 2,
        "raised_at": EXAMPLE_TIME,
        "last_at": EXAMPLE_TIME,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "reason": None,
    }


class SecurityAlarmCounts(BaseModel):
    """The alarms of the tenant that wait for their acknowledgement, whatever the filter."""

    model_config = ConfigDict(frozen=True)

    open: int
    charge_points: int
    oldest_raised_at: Instant | None


class SecurityAlarmPage(Resource):
    """A page of alarms."""

    items: list[SecurityAlarm] = Field(max_length=LIMIT_MAXIMUM)
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last page."
    )
    counts: SecurityAlarmCounts

    example: ClassVar[Json] = {
        "items": [SecurityAlarm.example],
        "next_cursor": None,
        "counts": {"open": 1, "charge_points": 1, "oldest_raised_at": EXAMPLE_TIME},
    }


class SecurityAlarmAcknowledgement(Input):
    """The reason of an acknowledgement."""

    reason: Annotated[Reason, Field(description="Why, for the audit.")]

    example: ClassVar[Json] = {"reason": "The cover was opened for maintenance."}


def event_fields(row: Row) -> Fields:
    """Return the members of a `SecurityEvent`."""
    return {
        "id": row["id"],
        "source": row["source"],
        "charge_point": row["identity"] or None,
        "type": row["type"],
        "critical": row["critical"],
        "occurred_at": utc_text(row["occurred_at"]),
        "reported_timestamp": row["reported_timestamp"],
        "is_time_plausible": row["is_time_plausible"],
        "tech_info": row["tech_info"],
        "received_at": utc_text(row["received_at"]),
        "last_received_at": utc_text(row["last_received_at"]),
        "copies": row["copies"],
    }


def alarm_fields(row: Row) -> Fields:
    """Return the members of a `SecurityAlarm`."""
    return {
        "id": row["id"],
        "charge_point": row["identity"],
        "type": row["type"],
        "first_event_id": row["first_event_id"],
        "last_event_id": row["last_event_id"],
        "count": row["count"],
        "raised_at": utc_text(row["raised_at"]),
        "last_at": utc_text(row["last_at"]),
        "acknowledged_at": optional_time(row["acknowledged_at"]),
        "acknowledged_by": row["acknowledged_by"],
        "reason": row["reason"],
    }


def count_fields(counts: AlarmCounts) -> Fields:
    """Return the members of `SecurityAlarmCounts`."""
    return {
        "open": counts.open,
        "charge_points": counts.charge_points,
        "oldest_raised_at": optional_time(counts.oldest_raised_at),
    }
