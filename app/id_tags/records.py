"""Id tags as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

IdTagStatus = Literal["Accepted", "Blocked", "Expired", "Invalid"]


class IdTagKey(NamedTuple):
    """The key of an id tag. id_tag_key: the tag as `rules.fold_id_tag` returns it."""

    tenant_id: int
    id_tag_key: str


@dataclass(frozen=True, slots=True)
class IdTagRecord:
    """One id tag. id_tag_key: the folded form, unique; max_active_transactions None: no limit."""

    tenant_id: int
    id_tag: str
    id_tag_key: str
    status: IdTagStatus
    expires_at: datetime | None
    parent_id_tag: str | None
    max_active_transactions: int | None
    note: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewIdTag:
    """A new id tag as an operator describes it; the fields are those of `IdTagRecord`."""

    id_tag: str
    status: IdTagStatus = "Accepted"
    expires_at: datetime | None = None
    parent_id_tag: str | None = None
    max_active_transactions: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class IdTagFilter:
    """prefix: of the tag, in any case."""

    prefix: str | None = None
    status: str | None = None
