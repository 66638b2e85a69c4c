"""Reads the profile ledger of a charge point from its commands and transactions.

Every command counts: one posted as raw OCPP, a remote start with a profile, one that was answered late, one
that the reaper ended. Commands are rows of one table, so the ledger needs no rows of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from app.charge_points.records import ChargePointRecord
from app.commands.rules import OPEN_COMMAND_STATES, UNREADABLE_ANSWER
from app.configuration.store import ConfigurationStore
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, NotFound
from app.ocpp import Protocol
from app.quirks.records import Device
from app.quirks.service import current_habits
from app.smart_charging.profile_ledger import (
    IN_DOUBT,
    Installed,
    LedgerView,
    ProfileEvent,
    Verdict,
    fold_ledger,
)
from app.smart_charging.records import ConnectorTransaction, ProfileCommandRecord
from app.smart_charging.rules.abilities import abilities_of
from app.smart_charging.rules.installation import KnownState
from app.smart_charging.store import ProfileCommandStore
from app.types import Json

SETTLED: Final = "settled_by_operator"
"""The reason of a refusal that an operator has stated, because the charge point left a doubt."""
_UNABLE = frozenset({"NotSupported", "NotImplemented"})
_STATUSES: dict[str, Verdict] = {
    "Accepted": "accepted",
    "Rejected": "rejected",
    "NotSupported": "not_supported",
    "Unknown": "unknown",
}


async def load_ledger(work: TenantWork, charge_point_id: int) -> LedgerView:
    """Return what is, or may be, on a charge point now."""
    commands = await ProfileCommandStore(work).for_charge_point(charge_point_id)
    since = min((_moment(command) for command in commands if _has_transaction(command)), default=None)
    transactions = await ProfileCommandStore(work).transactions(charge_point_id, since)
    keys = await ConfigurationStore(work).for_charge_point(charge_point_id)
    profiles = next((key.value for key in keys if key.key.lower() == "supportedfeatureprofiles"), None)
    unable = profiles is not None and "smartcharging" not in profiles.lower()
    events = read_events(commands, transactions, smart_charging=not unable)
    running = {row.connector_id: row for row in transactions}
    still = tuple(row for row in running.values() if row.stopped_received_at is None)
    return LedgerView(fold_ledger(events), still)


async def load_known_state(
    work: TenantWork, charge_point: ChargePointRecord, protocol: Protocol
) -> KnownState:
    """Return the ledger of a charge point and its abilities: reported ones, and those of its quirk profiles.

    protocol: the version of OCPP that it speaks.
    """
    view = await load_ledger(work, charge_point.id)
    keys = await ConfigurationStore(work).for_charge_point(charge_point.id)
    device = Device(charge_point.vendor, charge_point.model, charge_point.firmware_version)
    return KnownState(protocol, view, abilities_of(keys, await current_habits(work, device)))


async def compact_ledger(work: TenantWork, charge_point_id: int, at: datetime) -> None:
    """Mark the commands that no longer matter to the ledger, so that it stays fast to read."""
    superseded = (await load_ledger(work, charge_point_id)).ledger.superseded
    if superseded:
        await ProfileCommandStore(work).supersede(superseded, at)


def require_doubt(commands: Iterable[ProfileCommandRecord], command_id: UUID) -> None:
    """Check that a command may have been carried out or not, for all that its charge point has said.

    commands: those that matter to the ledger of the charge point.

    Raises:
        NotFound: it is not among them.
        Conflict: it has not ended, or its answer leaves no doubt.
    """
    command = next((command for command in commands if command.id == command_id), None)
    if command is None:
        raise NotFound(
            "The charge point has no such command whose charging profile still counts.", "/command_id"
        )
    if command.state in OPEN_COMMAND_STATES:
        raise Conflict("The command has not ended: the charge point may still answer.")
    if _verdict_of_answer(command)[0] not in IN_DOUBT:
        raise Conflict("The charge point has answered the command, which leaves no doubt.")


def read_events(
    commands: Iterable[ProfileCommandRecord],
    transactions: Sequence[ConnectorTransaction],
    *,
    smart_charging: bool = True,
) -> list[ProfileEvent]:
    """Return the events of commands, in the same order.

    transactions: in the order of their start. smart_charging: False if the charge point says that it lacks
    the feature profile SmartCharging; it then ignores the profile of a remote start (OCPP 1.6 5.11).
    """
    return [_event(command, transactions, smart_charging) for command in commands]


def _event(
    command: ProfileCommandRecord, transactions: Sequence[ConnectorTransaction], smart_charging: bool
) -> ProfileEvent:
    verdict, reason = _verdict(command)
    payload, at = command.payload, _moment(command)
    match command.action:
        case "ClearChargingProfile":
            return ProfileEvent(command.id, at, verdict, clears=payload, reason=reason)
        case "SetChargingProfile":
            return ProfileEvent(command.id, at, verdict, _set(command, transactions), reason=reason)
        case _:
            if verdict == "accepted" and not smart_charging:
                verdict = "not_supported"
            return ProfileEvent(command.id, at, verdict, _remote(command, transactions), reason=reason)


def _moment(command: ProfileCommandRecord) -> datetime:
    return command.sent_at or command.created_at


def _has_transaction(command: ProfileCommandRecord) -> bool:
    """Say whether the profile of a command holds for one transaction only, which may have ended since."""
    if command.action == "SetChargingProfile":
        return bool(command.payload["csChargingProfiles"]["chargingProfilePurpose"] == "TxProfile")
    return command.action == "RemoteStartTransaction"


def _verdict(command: ProfileCommandRecord) -> tuple[Verdict, str | None]:
    verdict, reason = _verdict_of_answer(command)
    if verdict in IN_DOUBT and command.carried_out is not None:
        return ("accepted" if command.carried_out else "rejected"), SETTLED
    return verdict, reason


def _verdict_of_answer(command: ProfileCommandRecord) -> tuple[Verdict, str | None]:
    """Return what the charge point said of a command, and the code of its CALLERROR."""
    ending: Json = {"state": command.state, "result": command.result, "error": command.error}
    if command.late_result is not None:
        ending = command.late_result
    result, error = ending.get("result"), ending.get("error")
    reason = cast(Json, error).get("code") if error is not None else None
    match ending.get("state"):
        case "accepted" | "rejected":
            return _answered(str((result or {}).get("status"))), None
        case "call_error" if result is None and reason != UNREADABLE_ANSWER:
            return ("not_supported" if reason in _UNABLE else "rejected"), reason
        case _:
            # Not answered yet, never answered, or answered in a way that cannot be read.
            return "unconfirmed", reason


def _answered(status: str) -> Verdict:
    """Return what a status means. It is unknown what a status outside the standard means."""
    return _STATUSES.get(status, "unconfirmed")


def _set(command: ProfileCommandRecord, transactions: Sequence[ConnectorTransaction]) -> Installed:
    connector_id, profile = command.payload["connectorId"], command.payload["csChargingProfiles"]
    if profile["chargingProfilePurpose"] != "TxProfile":
        return Installed(command.id, connector_id, profile)
    named = profile.get("transactionId")
    if named is not None:
        ended = all(row.id != named or _has_ended(row, transactions) for row in transactions)
        return Installed(command.id, connector_id, profile, ended=ended)
    meant = _meant(connector_id, _moment(command), transactions)
    return _bound(command, connector_id, profile, meant, transactions)


def _remote(command: ProfileCommandRecord, transactions: Sequence[ConnectorTransaction]) -> Installed:
    profile, connector_id = command.payload["chargingProfile"], command.payload.get("connectorId")
    started = next((row for row in transactions if row.remote_start_command_id == command.id), None)
    if started is None and command.effect is not None:
        # No transaction followed, or it ended long ago.
        return Installed(command.id, connector_id, profile, ended=True)
    return _bound(command, connector_id, profile, started, transactions)


def _bound(
    command: ProfileCommandRecord,
    connector_id: int | None,
    profile: Json,
    transaction: ConnectorTransaction | None,
    transactions: Sequence[ConnectorTransaction],
) -> Installed:
    if transaction is None:
        return Installed(command.id, connector_id, profile, waiting=True)
    profile = {**profile, "transactionId": transaction.id}
    ended = _has_ended(transaction, transactions)
    return Installed(command.id, transaction.connector_id, profile, ended=ended)


def _meant(
    connector_id: int, at: datetime, transactions: Sequence[ConnectorTransaction]
) -> ConnectorTransaction | None:
    """Return the transaction that ran on a connector at a time, else the first one after it."""
    here = [row for row in transactions if row.connector_id == connector_id]
    running = [row for row in here if row.started_received_at <= at and not _had_stopped(row, at)]
    later = [row for row in here if row.started_received_at > at]
    return running[-1] if running else later[0] if later else None


def _had_stopped(transaction: ConnectorTransaction, at: datetime) -> bool:
    return transaction.stopped_received_at is not None and transaction.stopped_received_at <= at


def _has_ended(transaction: ConnectorTransaction, transactions: Sequence[ConnectorTransaction]) -> bool:
    """Say whether a transaction is over: it was stopped, or a later one began on its connector."""
    newest = [row for row in transactions if row.connector_id == transaction.connector_id][-1]
    return transaction.stopped_received_at is not None or newest.id != transaction.id
