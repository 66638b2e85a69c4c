"""Guards of commands: capabilities refuse what would do harm, however it was asked for."""

from collections.abc import Awaitable, Callable, Sequence

from app.types import Json, TenantId

CommandGuard = Callable[[TenantId, str, Json, Sequence[str]], Awaitable[None]]
"""Refuses an action with a payload for some charge points by raising Conflict."""


class CommandGuards:
    """The guards of one worker. A command that waits is looked at when it is issued, not when it is sent."""

    def __init__(self) -> None:
        self._guards: list[CommandGuard] = []

    def add(self, guard: CommandGuard) -> None:
        """Ask a guard from now on."""
        self._guards.append(guard)

    async def check(self, tenant_id: TenantId, action: str, payload: Json, identities: Sequence[str]) -> None:
        """Ask all guards about a command for some charge points.

        Raises:
            Conflict: one refuses it.
        """
        for guard in self._guards:
            await guard(tenant_id, action, payload, identities)
