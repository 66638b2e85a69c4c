"""The sessions of this worker, by charge point. Newest authenticated connection wins; the socket's holder is the owner.

`Registry.admit` is the whole of a take-over, here and on other workers; `Registry.leave` its reverse.
"""

from typing import Protocol

import structlog

from app.clock import Clock
from app.csms.connection import Connection
from app.errors import Unavailable
from app.ids import CommandId, TenantId
from app.live.command_bus import CommandBus
from app.live.envelopes import EvictEnvelope
from app.live.presence import Owner, Presence

_EVICTION_LIFE_S = 60.0
"""A session that has not been told after this long is found by the presence's own check."""

log = structlog.get_logger(__name__)


class LiveSession(Protocol):
    """What registry and inbox need of a session. No method awaits: a slow socket must not hold others up."""

    @property
    def connection(self) -> Connection:
        """The connection this session serves."""

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL or queue it in the link; what becomes of it goes to `Commands.sent` and `Commands.resolved`.

        Raises:
            ValueError: the payload breaks the definition; nothing was queued.
        """

    def withdraw(self, command_id: CommandId) -> bool:
        """Take a CALL out of the link's queue. False: it was sent, or is not known."""

    def evict(self, reason: str) -> None:
        """Close the socket, for a newer session has its place."""


class Registry:
    """The sessions of this worker."""

    def __init__(self, presence: Presence, bus: CommandBus, clock: Clock) -> None:
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._sessions: dict[tuple[TenantId, str], LiveSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def sessions(self) -> list[LiveSession]:
        """Return the sessions of this moment."""
        return list(self._sessions.values())

    def get(self, tenant_id: TenantId, identity: str) -> LiveSession | None:
        """Return the session of a charge point, if this worker holds its newest one."""
        return self._sessions.get((tenant_id, identity))

    async def admit(self, session: LiveSession) -> bool:
        """Make an authenticated session the owner of its charge point, closing older ones wherever they are.

        False: a newer session was faster; this one has been evicted already. Never fails for want of Redis.
        """
        raise NotImplementedError

    async def leave(self, session: LiveSession) -> None:
        """Forget a session whose socket is closed. Does nothing when a newer one has its place."""
        raise NotImplementedError
