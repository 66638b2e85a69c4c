"""The effect of commands that carry charging profiles, and the ledger of a charge point kept short."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.database.unit_of_work import TenantWork
from app.smart_charging.ledger_reading import compact_ledger
from app.types import Json


class ChargingProfileEffect:
    """Notes what a command has changed in a ledger, and drops the entries that it has made superfluous.

    The end of the command is itself the entry in the ledger.
    """

    triggers: ClassVar[Mapping[str, str | None]] = {
        "SetChargingProfile": None,
        "ClearChargingProfile": None,
        "RemoteStartTransaction": "chargingProfile",
    }

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Note the effect, and compact the ledger of the charge point."""
        if outcome.state == "accepted" and (effect := _effect_of(command)) is not None:
            await CommandEffectStore(work).record(command.id, effect)
        await compact_ledger(work, command.charge_point_id, at)


def _effect_of(command: CommandRecord) -> Json | None:
    """Return what an accepted command has done to the ledger; None: a remote start has its transaction."""
    if command.action == "ClearChargingProfile":
        return {"observed": "charging_profiles_cleared"}
    if command.action != "SetChargingProfile":
        return None
    profile_id = command.payload["csChargingProfiles"]["chargingProfileId"]
    return {
        "observed": "charging_profile_set",
        "connectorId": command.payload["connectorId"],
        "chargingProfileId": profile_id,
    }
