"""Values of smart charging: frozen, with the names of the columns."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.commands.records import CommandState
from app.types import Json

CALENDAR_PROFILES = 16
"""The chargingProfileIds that a calendar takes: with gaps between its limits it needs several profiles."""


@dataclass(frozen=True, slots=True)
class ChargingProfileRecord:
    """One stored charging profile, in one of its two forms. id: its chargingProfileId.

    charging_profile: OCPP 1.6 7.8 with the names of OCPP, without chargingProfileId and transactionId.
    calendar: rules in local time, which are compiled to such profiles.
    """

    tenant_id: int
    id: int
    description: str
    charging_profile: Json | None
    calendar: Json | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProfileContent:
    """The content of a profile to store: a charging profile or a calendar; the other one is None."""

    description: str
    charging_profile: Json | None = None
    calendar: Json | None = None


@dataclass(frozen=True, slots=True)
class NewInstallation:
    """A request to have a stored profile on a charge point. Other fields: InstallationRecord."""

    charging_profile_id: int
    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    conversion: Json | None
    requested_at: datetime
    refresh_at: datetime | None


@dataclass(frozen=True, slots=True)
class InstallationRecord:
    """A stored profile that should be on a charge point.

    conversion: how to change the unit of its limits; None: leave it. refresh_at: when to check it; None: once
    something changes.
    """

    tenant_id: int
    charging_profile_id: int
    charge_point_id: int
    identity: str
    connector_id: int
    transaction_id: int | None
    conversion: Json | None
    requested_at: datetime
    refresh_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileCommandRecord:
    """A command that may have changed the charging profiles of a charge point, and what became of it.

    carried_out: what an operator says of a command in doubt; None: nothing.
    """

    id: UUID
    action: str
    payload: Json
    state: CommandState
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    result: Json | None
    error: Json | None
    late_result: Json | None
    effect: Json | None
    carried_out: bool | None = None


@dataclass(frozen=True, slots=True)
class ConnectorTransaction:
    """When a transaction ran on its connector. A TxProfile holds as long as its transaction runs."""

    id: int
    connector_id: int
    started_at: datetime
    started_received_at: datetime
    stopped_received_at: datetime | None
    remote_start_command_id: UUID | None
