"""Commands to charge points: a resource with a state machine, not a blocking call."""

from uuid import UUID

from app.clock import Clock
from app.csms.connection import Connection
from app.ids import TenantId
from app.live.command_bus import CommandBus
from app.live.presence import Presence
from app.ocpp import Resolve
from app.settings import Settings
from app.store.database import Database
from app.store.records import CommandRecord


class Commands:
    """Issues commands, and records what becomes of them."""

    def __init__(
        self, database: Database, presence: Presence, bus: CommandBus, clock: Clock, settings: Settings
    ) -> None:
        raise NotImplementedError

    async def issue(
        self,
        tenant_id: TenantId,
        identity: str,
        action: str,
        payload_text: str,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        issued_by: str,
    ) -> CommandRecord:
        """Validate, record and route a command; return its record: `queued`, `sent` by now, or `offline`.

        Raises:
            NotFound: no such charge point, or `action` is no action of the central system.
            InvalidInput: the payload (pointers begin at its root) or `timeout_s` breaks a rule.
            Conflict: the registration forbids it, or the idempotency key was used for another request.
            TooManyRequests: too many commands wait for this charge point.
            Unavailable: code `bus_unavailable`; the owner cannot be reached or is not known. Nothing was
            recorded.
        """
        raise NotImplementedError

    async def wait(self, tenant_id: TenantId, command_id: UUID, seconds: float) -> CommandRecord:
        """Return the command once it is terminal, or as it is after `seconds`.

        Raises:
            NotFound: no such command.
        """
        raise NotImplementedError

    async def cancel(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        """Take back a command that was not sent yet; return its record in state `cancelled`.

        Raises:
            NotFound: no such command.
            Conflict: it was sent, or has ended.
            Unavailable: the worker that holds it cannot be reached.
        """
        raise NotImplementedError

    async def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket (the core's `CallSent`)."""
        raise NotImplementedError

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended (the core's `Resolve`), with its effects; then tell who waits."""
        raise NotImplementedError

    async def run(self) -> None:
        """Reap every few seconds until cancelled."""
        raise NotImplementedError

    async def reap(self) -> None:
        """End the commands of dead workers and overdue ones; note remote starts that had no effect."""
        raise NotImplementedError
