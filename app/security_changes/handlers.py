"""The effect of commands that belong to a change: their outcome is the next state of the change."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.security_changes.rules import change_of, state_after
from app.security_changes.store import SecurityChangeStore


class SecurityChangeEffect:
    """Records what a charge point has answered. Its next login proves the change (`sweeper`)."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ChangeConfiguration": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Set the state of the change that the command belongs to. A late answer counts, too."""
        change_id = change_of(command.idempotency_key)
        if change_id is None:
            return
        store = SecurityChangeStore(work)
        change = await store.get(change_id, to_change=True)
        if change is None or change.charge_point_id != command.charge_point_id:
            return
        state, detail = state_after(outcome)
        await store.advance(change_id, state, detail, at, command_id=command.id)
