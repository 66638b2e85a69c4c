"""Values of the audit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.types import Json

Act = Literal[
    "end_transaction",
    "attach_orphan_record",
    "settle_charging_profile",
    "set_authorization_webhook",
    "replace_authorization_webhook_secret",
    "delete_authorization_webhook",
    "create_quirk_profile",
    "change_quirk_profile",
    "delete_quirk_profile",
]
"""The acts that are audited."""


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """One act of a person. actor: who; subject: the path of what it changed; details: what was set."""

    tenant_id: int
    at: datetime
    actor: str
    act: Act
    subject: str
    reason: str
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntryRecord:
    """A stored entry."""

    id: int
    at: datetime
    actor: str
    act: Act
    subject: str
    reason: str
    details: Json
