"""Values about security events and alarms. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Source = Literal["charge_point", "central_system"]
"""The side that noticed an event: the charge point reported it, or this server did."""


class OwnEvent(StrEnum):
    """The types of the events that this server notes itself. The names are ours, not the whitepaper's."""

    FAILED_LOGIN = "FailedLogin"
    """A login with a wrong credential."""
    LOWER_SECURITY_PROFILE = "LowerSecurityProfile"
    """A login with a right credential on a security profile below the minimum (whitepaper A05.FR.09)."""
    TLS_FAILURE = "TlsFailure"
    """A TLS handshake that failed, or a client certificate that was refused."""
    CREDENTIAL_CHANGED = "CredentialChanged"
    """A charge point has a new AuthorizationKey."""
    SECURITY_PROFILE_RAISED = "SecurityProfileRaised"
    """A charge point logged in on a higher security profile, so that the lower one is refused from now on."""
    QUOTA_REACHED = "QuotaReached"
    """The tenant has reached one of its limits, which slows it down."""
    SECURITY_PROFILE_MINIMUM_CHANGED = "SecurityProfileMinimumChanged"
    """An administrator has set the minimum."""


@dataclass(frozen=True, slots=True)
class NewSecurityEvent:
    """One event to store.

    tenant: primary key, or slug for what is noticed before a login; charge_point_id: None if there is none;
    identity: "" if none is known; reported_timestamp: as the charge point wrote it, None for events of ours;
    occurred_at: that time if it is plausible, else that of the arrival; digest: equal for copies of an event.
    """

    tenant: int | str
    source: Source
    charge_point_id: int | None
    identity: str
    type: str
    critical: bool
    reported_timestamp: str | None
    occurred_at: datetime
    is_time_plausible: bool
    tech_info: str | None
    received_at: datetime
    digest: bytes
    copies: int = 1


@dataclass(frozen=True, slots=True)
class SecurityEventRecord:
    """One stored event. copies: how often it arrived; last_received_at: of the newest copy."""

    id: int
    source: Source
    identity: str
    type: str
    critical: bool
    reported_timestamp: str | None
    occurred_at: datetime
    is_time_plausible: bool
    tech_info: str | None
    received_at: datetime
    last_received_at: datetime
    copies: int


@dataclass(frozen=True, slots=True)
class SecurityEventFilter:
    """Narrows a list of events. since, until: of `occurred_at`, the second one excluded."""

    identity: str | None = None
    type: str | None = None
    critical: bool | None = None
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecurityAlarmRecord:
    """Critical events of one type of one charge point, until they are acknowledged.

    first_event_id, last_event_id: the events; count: how many there were.
    """

    id: int
    identity: str
    type: str
    first_event_id: int
    last_event_id: int
    count: int
    raised_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class SecurityAlarmFilter:
    """Narrows a list of alarms."""

    identity: str | None = None
    type: str | None = None
    acknowledged: bool | None = None


@dataclass(frozen=True, slots=True)
class AlarmCounts:
    """How many alarms wait for their acknowledgement, and for how many charge points."""

    open: int
    charge_points: int
    oldest_raised_at: datetime | None
