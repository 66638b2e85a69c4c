"""The effect of commands about configuration: the view of what a charge point says of its keys."""

from datetime import datetime

from app.commands.records import CommandRecord
from app.commands.rules import Outcome, sets_authorization_key
from app.configuration.store import ConfigurationStore
from app.database.unit_of_work import TenantWork
from app.types import Json


class ConfigurationEffect:
    """Keeps the values that a charge point has accepted or reported."""

    def applies_to(self, action: str, payload: Json) -> bool:
        """Tell whether a command reads or changes keys. The AuthorizationKey is not part of the view."""
        if action == "ChangeConfiguration":
            return not sets_authorization_key(action, payload)
        return action == "GetConfiguration"

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Put what was accepted or reported into the view. at: when it was known."""
        store, point = ConfigurationStore(work), command.charge_point_id
        if command.action == "ChangeConfiguration":
            if outcome.status in ("Accepted", "RebootRequired"):
                await store.put(point, command.payload["key"], command.payload["value"], None, at)
        elif outcome.state == "accepted" and outcome.result is not None:
            for entry in outcome.result.get("configurationKey") or ():
                await store.put(point, entry["key"], entry.get("value"), entry.get("readonly"), at)
