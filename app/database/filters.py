"""What a page of rows can be narrowed by. None: do not narrow. Times are aware UTC, `to_at` is exclusive."""

from dataclasses import dataclass
from datetime import datetime

from app.database.records import CommandState, Direction, RegistrationStatus


@dataclass(frozen=True, slots=True)
class ChargePointFilter:
    """identity_prefix: exact case."""

    identity_prefix: str | None = None
    registration_status: RegistrationStatus | None = None


@dataclass(frozen=True, slots=True)
class IdTagFilter:
    """prefix: of the tag, in any case."""

    prefix: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """open: True for running, False for stopped ones. from_at, to_at: bounds of started_at."""

    identity: str | None = None
    connector_id: int | None = None
    id_tag: str | None = None
    open: bool | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """identity: of the charge point."""

    identity: str | None = None
    action: str | None = None
    state: CommandState | None = None


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """action: finds the CALLs of that action; results carry no action."""

    direction: Direction | None = None
    action: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MeterValueFilter:
    """from_at, to_at: bounds of sampled_at."""

    connector_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
