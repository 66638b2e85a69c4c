"""The effect of commands about configuration: it stores the keys that a charge point reports or accepts."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.commands.records import CommandRecord
from app.commands.rules import Outcome, sets_authorization_key
from app.configuration.store import ConfigurationStore
from app.database.unit_of_work import TenantWork


class ConfigurationEffect:
    """Keeps the values that a charge point has accepted or reported."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ChangeConfiguration": None, "GetConfiguration": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the values that the charge point has accepted or reported. at: when the outcome was known."""
        store, point = ConfigurationStore(work), command.charge_point_id
        if command.action == "ChangeConfiguration":
            # A new AuthorizationKey is a credential, not part of the view.
            is_secret = sets_authorization_key(command.action, command.payload)
            if outcome.status in ("Accepted", "RebootRequired") and not is_secret:
                await store.put(point, command.payload["key"], command.payload["value"], None, at)
        elif outcome.state == "accepted" and outcome.result is not None:
            for entry in outcome.result.get("configurationKey") or ():
                await store.put(point, entry["key"], entry.get("value"), entry.get("readonly"), at)
