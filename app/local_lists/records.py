"""Values about local authorization lists. A field has the name of its column."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.charge_points.records import ChargePointFilter
from app.types import Json

Entries = Mapping[str, Json]
"""The entries of a list, as AuthorizationData (OCPP 1.6 7.1), by the folded idTag."""

Answer = Literal["Accepted", "Failed", "VersionMismatch", "NotSupported", "lost", "not_sent", "refused"]
"""The end of a SendLocalList. lost: the charge point may have done it; refused: a CALLERROR."""

ListState = Literal["in_sync", "pending", "drifted", "failed", "unsupported", "off", "unmanaged"]
"""The state of the list of a charge point, compared with the one that it should have."""

LARGEST_VERSION: Final = 2**31 - 1
"""Versions of lists are 32-bit integers here, as charge points keep them."""
ISSUER: Final = "local-list-sync"
"""The issuer of the commands that keep lists in step."""


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """One SendLocalList. entries: as AuthorizationData; without `idTagInfo` the entry is deleted."""

    version: int
    is_full: bool
    entries: tuple[Json, ...]

    @property
    def payload(self) -> Json:
        """The request of SendLocalList."""
        kind = "Full" if self.is_full else "Differential"
        return {
            "listVersion": self.version,
            "localAuthorizationList": list(self.entries),
            "updateType": kind,
        }


@dataclass(frozen=True, slots=True)
class Believed:
    """The list of a charge point, as far as its answers tell.

    version, entries: None: unknown; highest_version: of all that were sent or reported; doubt: an update
    whose answer was lost; verify: ask for the version before anything is sent; drifted: it has changed
    without us; failures: in a row; status: the charge point's own word about the last update.
    """

    version: int | None = None
    entries: Entries | None = None
    highest_version: int = 0
    doubt: ListUpdate | None = None
    verify: bool = True
    supported: bool = True
    drifted: bool = False
    failures: int = 0
    status: str | None = None


@dataclass(frozen=True, slots=True)
class ListLimits:
    """The limits of a charge point: entries of one message, and of its list (None: unknown)."""

    per_message: int
    list_length: int | None = None


@dataclass(frozen=True, slots=True)
class LocalListRecord:
    """A named list: which tags, and for which charge points (selector None: for none)."""

    name: str
    note: str | None
    enabled: bool
    all_id_tags: bool
    groups: tuple[str, ...]
    id_tags: tuple[str, ...]
    selector: Json | None
    created_at: datetime
    updated_at: datetime

    @property
    def filters(self) -> ChargePointFilter | None:
        """The meaning of its selector; None: no charge point."""
        return None if self.selector is None else ChargePointFilter.of(self.selector)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A command of ours that has not ended. key: its idempotency key; until: when it has ended at last."""

    key: str
    update: ListUpdate | None
    until: datetime


@dataclass(frozen=True, slots=True)
class ListStateRecord:
    """The knowledge of one charge point. sync False: an operator has switched its synchronization off."""

    charge_point_id: int
    believed: Believed
    sync: bool = True
    status_at: datetime | None = None
    reported_version: int | None = None
    reported_at: datetime | None = None
    last_sent: Json | None = None
    in_flight: InFlight | None = None
    limits_asked_at: datetime | None = None
    check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DesiredList:
    """The entries that a charge point should have. left_out: tags that no command can carry."""

    name: str
    entries: Entries
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that differs. missing: the charge point lacks it; extra: it has it too much."""

    id_tag: str
    kind: Literal["missing", "extra", "changed"]


@dataclass(frozen=True, slots=True)
class NewLocalList:
    """A list as an operator describes it. selector: for which charge points; None: for none."""

    name: str
    note: str | None = None
    enabled: bool = True
    all_id_tags: bool = False
    groups: tuple[str, ...] = ()
    id_tags: tuple[str, ...] = ()
    selector: Json | None = None


@dataclass(frozen=True, slots=True)
class ListOverview:
    """The list of a charge point, compared with the one that it should have."""

    list_name: str | None
    state: ListState
    sync: bool
    desired_version: int | None
    desired_entries: int | None
    differences: tuple[Difference, ...]
    left_out: tuple[str, ...]
    reason: str | None
    known: ListStateRecord


@dataclass(frozen=True, slots=True)
class DueListCheck:
    """A charge point whose list has to be looked at. check_at: its next check, unless something wakes it."""

    tenant_id: int
    charge_point_id: int
    identity: str
    check_at: datetime
