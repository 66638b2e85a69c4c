"""The effect of commands about configuration: it stores what a charge point reports or accepts."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.commands.records import CommandRecord
from app.commands.rules import Outcome, sets_authorization_key
from app.commands.store.effects import CommandEffectStore
from app.configuration.records import RECONCILER_ISSUER
from app.configuration.rules import after_answer, is_answer_about
from app.configuration.store import ConfigurationStore, KeyStateStore, ReportedKey
from app.database.unit_of_work import TenantWork


class ConfigurationEffect:
    """Keeps the values that a charge point has accepted or reported, and how far desired ones have come."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ChangeConfiguration": None, "GetConfiguration": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the values that the charge point has accepted or reported. at: when the outcome was known."""
        if command.action == "ChangeConfiguration":
            # A new AuthorizationKey is a credential, not part of the view.
            if not sets_authorization_key(command.action, command.payload):
                await self._changed(work, command, outcome, at)
        elif outcome.state == "accepted" and outcome.result is not None:
            await self._read(work, command, outcome, at)

    async def _changed(
        self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime
    ) -> None:
        point, key, value = command.charge_point_id, command.payload["key"], command.payload["value"]
        if outcome.status in ("Accepted", "RebootRequired"):
            await ConfigurationStore(work).put(
                point, key, value, None, at, "ChangeConfiguration", command.issued_by
            )
            effect = {"observed": "configuration_changed", "key": key}
            await CommandEffectStore(work).record(command.id, effect)
        state = (await KeyStateStore(work).of_charge_point(point, to_change=True)).get(key.lower())
        is_own = command.issued_by == RECONCILER_ISSUER
        if state is not None and is_answer_about(state, key, value, is_own=is_own):
            status = outcome.status if outcome.state in ("accepted", "rejected") else None
            await KeyStateStore(work).put(point, [after_answer(state, status, at)])

    async def _read(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        point, result = command.charge_point_id, outcome.result or {}
        reported = [
            ReportedKey(entry["key"], entry.get("value"), entry.get("readonly"))
            for entry in result.get("configurationKey") or ()
        ]
        await ConfigurationStore(work).put_many(point, reported, at, "GetConfiguration", command.issued_by)
        effect = {"observed": "configuration_reported", "keys": len(reported)}
        await CommandEffectStore(work).record(command.id, effect)
        asked = command.payload.get("key") or None
        keys = None if asked is None else [key.lower() for key in asked]
        await KeyStateStore(work).note_read(point, keys, at)
