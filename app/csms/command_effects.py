"""What a command's answer changes in the record: the configuration view, and the credential of a charge
point.

Which transaction a remote start or stop led to is the ledger's business: it sees the transaction.
"""

from datetime import datetime, timedelta

from app.csms.command_outcome import Outcome
from app.csms.command_request import is_authorization_key, sets_authorization_key
from app.store.filters import CommandFilter
from app.store.records import OPEN_COMMAND_STATES, CommandRecord
from app.store.unit_of_work import TenantWork

PENDING_CREDENTIAL_LIFE = timedelta(hours=24)
"""How long both credentials log in when it is not known whether the charge point took the new one."""

_RECENT = 50
"""ChangeConfiguration commands searched for a newer change of the credential."""


async def apply_effects(work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
    """Carry out what follows from the outcome of a command. at: when it was known."""
    match command.action:
        case "ChangeConfiguration" if sets_authorization_key(command.action, command.payload):
            await _settle_credential(work, command, outcome)
        case "ChangeConfiguration" if outcome.status in ("Accepted", "RebootRequired"):
            key, value = command.payload["key"], command.payload["value"]
            await work.configuration.put(command.charge_point_id, key, value, None, at)
        case "GetConfiguration" if outcome.state == "accepted" and outcome.result is not None:
            for entry in outcome.result.get("configurationKey") or ():
                key, value, readonly = entry["key"], entry.get("value"), entry.get("readonly")
                await work.configuration.put(command.charge_point_id, key, value, readonly, at)
        case _:
            pass


async def changes_credential_already(work: TenantWork, command: CommandRecord) -> bool:
    """Tell whether another change of the credential is under way: there is one pending place only."""
    for state in OPEN_COMMAND_STATES:
        filters = CommandFilter(identity=command.identity, action="ChangeConfiguration", state=state)
        for other in await work.commands.page(_RECENT, filters=filters):
            if other.id != command.id and is_authorization_key(other.payload.get("key")):
                return True
    return False


async def _settle_credential(work: TenantWork, command: CommandRecord, outcome: Outcome) -> None:
    """Accepted: the new one counts from now on; refused or never sent: the old one (security whitepaper A01).

    RebootRequired and an unknown outcome leave both, until the first login with the new one or its end of
    life.
    """
    unsettled = outcome.status == "RebootRequired" or outcome.state in ("timed_out", "connection_lost")
    if unsettled or not await _is_newest_change(work, command):
        return
    if outcome.state == "accepted":
        await work.charge_points.promote_pending(command.charge_point_id)
    else:
        await work.charge_points.drop_pending(command.charge_point_id)


async def _is_newest_change(work: TenantWork, command: CommandRecord) -> bool:
    """A late answer to an earlier change must not decide on the credential of a later one."""
    filters = CommandFilter(identity=command.identity, action="ChangeConfiguration")
    for recent in await work.commands.page(_RECENT, filters=filters):
        if is_authorization_key(recent.payload.get("key")):
            return recent.id == command.id
    return False
