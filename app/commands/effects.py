"""What a command's answer changes in the record: the configuration view, the credential of a charge point,
and which of its charging profiles still count.

Which transaction a remote start or stop led to is the ledger's business: it sees the transaction.
"""

from datetime import datetime, timedelta

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.commands.records import OPEN_COMMAND_STATES, CommandFilter, CommandRecord
from app.commands.request import is_authorization_key, sets_authorization_key
from app.commands.rules import Outcome
from app.commands.store.commands import CommandStore
from app.configuration.store import ConfigurationStore
from app.database.unit_of_work import TenantWork
from app.smart_charging.ledger_reading import carries_charging_profile, compact_ledger

PENDING_CREDENTIAL_LIFE = timedelta(hours=24)
"""How long both credentials log in when it is not known whether the charge point took the new one."""

MAY_HAVE_EFFECTS = frozenset(
    {
        "ChangeConfiguration",
        "ClearChargingProfile",
        "GetConfiguration",
        "RemoteStartTransaction",
        "SetChargingProfile",
    }
)
"""Actions of commands that may have some: whoever looks at what is under way must find them sent."""

_RECENT = 50
"""Open ChangeConfiguration commands searched for another change of the credential."""


async def apply_effects(work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
    """Carry out what follows from the outcome of a command. at: when it was known.

    Whatever has effects here, `HAS_EFFECTS` of the store picks: all other commands end without a unit of
    work.
    """
    match command.action:
        case "ChangeConfiguration" if sets_authorization_key(command.action, command.payload):
            await _settle_credential(work, command, outcome)
        case "ChangeConfiguration" if outcome.status in ("Accepted", "RebootRequired"):
            key, value = command.payload["key"], command.payload["value"]
            await ConfigurationStore(work).put(command.charge_point_id, key, value, None, at)
        case "GetConfiguration" if outcome.state == "accepted" and outcome.result is not None:
            for entry in outcome.result.get("configurationKey") or ():
                key, value, readonly = entry["key"], entry.get("value"), entry.get("readonly")
                await ConfigurationStore(work).put(command.charge_point_id, key, value, readonly, at)
        case action if carries_charging_profile(action, command.payload):
            # The end of the command is the entry in the ledger; what it made superfluous is left out.
            await compact_ledger(work, command.charge_point_id, at)
        case _:
            pass


async def changes_credential_already(work: TenantWork, command: CommandRecord) -> bool:
    """Tell whether another change of the credential is under way."""
    for state in OPEN_COMMAND_STATES:
        filters = CommandFilter(identity=command.identity, action="ChangeConfiguration", state=state)
        for other in await CommandStore(work).page(_RECENT, filters=filters):
            if other.id != command.id and is_authorization_key(other.payload.get("key")):
                return True
    return False


def live_pending(charge_point: ChargePointRecord, at: datetime) -> bytes | None:
    """Return the credential that the charge point may have taken, while it may log in with it."""
    if charge_point.pending_until is None or charge_point.pending_until <= at:
        return None
    return charge_point.pending_credential_hash


async def _settle_credential(work: TenantWork, command: CommandRecord, outcome: Outcome) -> None:
    """Accepted: the new one counts from now on; refused or never sent: the old one (security whitepaper A01).

    RebootRequired and an unknown outcome leave both, until the first login with the new one or its end of
    life; so does a refusal while the charge point may have taken the same key from another command. An answer
    decides on the key of its own command only.
    """
    unsettled = outcome.status == "RebootRequired" or outcome.state in ("timed_out", "connection_lost")
    key = command.credential_hash
    if unsettled or key is None:
        return
    if outcome.state == "accepted":
        await ChargePointStore(work).promote_pending(command.charge_point_id, key)
        return
    # Nobody may send the same key again between the question and the answer to it.
    await ChargePointStore(work).get(command.identity, to_change=True)
    if not await CommandStore(work).another_may_have_set(command):
        await ChargePointStore(work).drop_pending(command.charge_point_id, key)
