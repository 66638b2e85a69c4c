"""Smart charging as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.commands.records import CommandState
from app.types import Json


@dataclass(frozen=True, slots=True)
class ChargingProfileRecord:
    """One stored charging profile, in one of its two forms. id: the chargingProfileId on the wire.

    charging_profile: OCPP 1.6 7.8 with its wire names, without chargingProfileId and transactionId;
    calendar: rules of local time that are compiled to such profiles.
    """

    tenant_id: int
    id: int
    description: str
    charging_profile: Json | None
    calendar: Json | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class InstallationRecord:
    """A stored profile that should be on a charge point. conversion: how to change its unit, None: not at
    all.

    refresh_at: when it must be looked at, None: not before something changes.
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
    """A command that may have changed the charging profiles of a charge point, and what became of it."""

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


@dataclass(frozen=True, slots=True)
class ConnectorTransaction:
    """When a transaction ran on its connector: what a TxProfile lives and dies with."""

    id: int
    connector_id: int
    started_at: datetime
    started_received_at: datetime
    stopped_received_at: datetime | None
    remote_start_command_id: UUID | None
