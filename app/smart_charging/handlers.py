"""The effect of commands that carry charging profiles: the ledger of a charge point is kept short."""

from datetime import datetime

from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.smart_charging.ledger_reading import carries_charging_profile, compact_ledger
from app.types import Json


class ChargingProfileEffect:
    """Leaves out of the ledger what the end of a command has made superfluous.

    The end of the command is itself the entry in the ledger.
    """

    def applies_to(self, action: str, payload: Json) -> bool:
        """Tell whether a command may change the charging profiles of a charge point."""
        return carries_charging_profile(action, payload)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Compact the ledger of the charge point."""
        await compact_ledger(work, command.charge_point_id, at)
