"""Id tags as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

IdTagStatus = Literal["Accepted", "Blocked", "Expired", "Invalid"]
UnknownTagPolicy = Literal["refuse", "accept", "free_charging"]
"""Which tags may charge that are not stored: none, each one that is not empty, also an empty one."""


class IdTagKey(NamedTuple):
    """The key of an id tag. id_tag_key: the tag as `rules.fold_id_tag` returns it."""

    tenant_id: int
    id_tag_key: str


@dataclass(frozen=True, slots=True)
class IdTagRecord:
    """One id tag.

    id_tag_key: the folded form, unique; max_active_transactions None: no limit; charge_point_ids: where it
    may charge, None: everywhere; parent_status and parent_expires_at: of its group, if that is a stored tag
    too; charge_points: the identities of `charge_point_ids`, if an operator asks;
    max_active_transactions_of_group: of the group that has this tag's name, None: no limit of its own;
    group_limit: the limit of the group that the tag is in, when it is judged; is_group: whether other tags
    are in the group that has this tag's name, when it is judged.
    """

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
    charge_point_ids: tuple[int, ...] | None = None
    parent_status: IdTagStatus | None = None
    parent_expires_at: datetime | None = None
    charge_points: tuple[str, ...] | None = None
    max_active_transactions_of_group: int | None = None
    group_limit: int | None = None
    is_group: bool = False


class TagLimits(NamedTuple):
    """How many transactions may run at once. None: no limit.

    of_tag: on the tag; group: the key of its group, None: it has none; of_group: on all tags of the group.
    """

    of_tag: int | None = None
    group: IdTagKey | None = None
    of_group: int | None = None


class Active(NamedTuple):
    """How many transactions run already: on the tag, and on its group."""

    on_tag: int = 0
    in_group: int = 0


class Presented(NamedTuple):
    """A tag at a charge point. id_tag_key: the folded form; unknown_id_tags: the policy that holds there."""

    charge_point_id: int
    id_tag_key: str
    unknown_id_tags: UnknownTagPolicy


@dataclass(frozen=True, slots=True)
class AuthorizationPolicyRecord:
    """The decisions of a tenant on all its tags.

    max_active_transactions, max_active_transactions_of_group: of a stored tag, and of a group, without a
    limit of its own; None: no limit.
    """

    unknown_id_tags: UnknownTagPolicy = "refuse"
    max_active_transactions: int | None = None
    max_active_transactions_of_group: int | None = None


@dataclass(frozen=True, slots=True)
class ChargePointPolicyRecord:
    """The policy at one charge point. own None: as the tenant decides; unknown_id_tags: what holds."""

    own: UnknownTagPolicy | None
    unknown_id_tags: UnknownTagPolicy


@dataclass(frozen=True, slots=True)
class NewIdTag:
    """A new id tag as an operator describes it; the fields are those of `IdTagRecord`.

    charge_points: the identities of those where it may charge; None: everywhere.
    """

    id_tag: str
    status: IdTagStatus = "Accepted"
    expires_at: datetime | None = None
    parent_id_tag: str | None = None
    max_active_transactions: int | None = None
    note: str | None = None
    charge_points: tuple[str, ...] | None = None
    max_active_transactions_of_group: int | None = None


class ImportCounts(NamedTuple):
    """The result of an import: how many tags were new, and how many were known."""

    created: int
    changed: int


@dataclass(frozen=True, slots=True)
class IdTagFilter:
    """prefix: of the tag, in any case."""

    prefix: str | None = None
    status: str | None = None
