"""The effect of commands that carry charging profiles: the ledger of a charge point is kept short."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.smart_charging.ledger_reading import compact_ledger


class ChargingProfileEffect:
    """Drops the entries of a ledger that the end of a command has made superfluous.

    The end of the command is itself the entry in the ledger.
    """

    triggers: ClassVar[Mapping[str, str | None]] = {
        "SetChargingProfile": None,
        "ClearChargingProfile": None,
        "RemoteStartTransaction": "chargingProfile",
    }

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Compact the ledger of the charge point."""
        await compact_ledger(work, command.charge_point_id, at)
