"""Values about accesses that end. A field has the name of its column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.types import TenantId


@dataclass(frozen=True, slots=True)
class AccessChange:
    """One access that has ended, or a tenant that is let in again.

    Attributes:
        kind: `key`: an API key was revoked or deleted, or its tenant has changed what its keys may do;
            `charge_point`: connections of a charge point end; `tenant`: the tenant is kept out, or let in.
        tenant_id: None: the platform.
        charge_point_id, identity, epoch: of the newest connection that ends.
        is_out: whether the tenant is kept out from now on.
    """

    id: int
    kind: Literal["key", "charge_point", "tenant"]
    tenant_id: TenantId | None
    charge_point_id: int | None
    identity: str | None
    epoch: int | None
    is_out: bool | None


class NewChanges(NamedTuple):
    """The changes since a reading. next_xid: where the next reading begins; it may repeat some."""

    changes: Sequence[AccessChange]
    next_xid: int
