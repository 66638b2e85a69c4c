"""Knows who does something in a request, so that the audit has each act, and has it once.

The caller of a request that changes something is noted when it is recognized. An entry of the audit that is
written in the same request counts for it; otherwise one is written when the request is answered.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from app.types import TenantId


@dataclass(slots=True)
class Acting:
    """The caller of a request that changes something.

    Attributes:
        tenant_id: Whose audit tells of it. None: the platform, of whose acts the log tells.
        actor: `key:` and a prefix, or `user:` and a name.
        is_audited: Whether the audit has an entry already.
    """

    tenant_id: TenantId | None
    actor: str
    is_audited: bool = False


_ACTING: Final[ContextVar[Acting | None]] = ContextVar("acting", default=None)


def begin_act(tenant_id: TenantId | None, actor: str) -> None:
    """Note the caller of this request. tenant_id: as in `Acting`."""
    _ACTING.set(Acting(tenant_id, actor))


def note_audited() -> None:
    """Note that the audit has an entry about this request, or needs none because nothing has changed."""
    acting = _ACTING.get()
    if acting is not None:
        acting.is_audited = True


def unaudited() -> Acting | None:
    """Return the caller of this request, if the audit has no entry about it."""
    acting = _ACTING.get()
    return None if acting is None or acting.is_audited else acting


def end_act() -> None:
    """Forget the caller: this task goes on with something else."""
    _ACTING.set(None)
