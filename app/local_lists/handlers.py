"""The effect of commands about local authorization lists: what the charge point has after them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from app.clock import utc_text
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.database.unit_of_work import TenantWork
from app.local_lists.records import ISSUER, Answer, Believed, ListStateRecord
from app.local_lists.rules import after_answer, after_report, retry_after, update_of
from app.local_lists.store import ListStateStore
from app.types import Json

_UNABLE: Final = frozenset({"NotSupported", "NotImplemented"})
_NOT_SENT: Final = frozenset({"offline", "expired", "cancelled"})
_NOT_SENT_AGAIN: Final = timedelta(minutes=10)
_ANSWERS: Final[Mapping[str | None, Answer]] = {
    "Accepted": "Accepted",
    "Failed": "Failed",
    "VersionMismatch": "VersionMismatch",
    "NotSupported": "NotSupported",
}


class LocalListEffect:
    """Follows the list of a charge point through the ends of commands, those of operators included."""

    triggers: ClassVar[Mapping[str, str | None]] = {
        "SendLocalList": None,
        "GetLocalListVersion": None,
        "GetConfiguration": "key",
    }

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store what the charge point has now. at: when the outcome was known."""
        store = ListStateStore(work)
        if command.action == "GetConfiguration":
            if command.issued_by == ISSUER:
                known = await store.locked(command.charge_point_id)
                await store.put(replace(known, check_at=at), known)
            return
        state = await store.locked(command.charge_point_id)
        if command.action == "SendLocalList":
            changed, effect = _after_update(state, command, outcome, at)
        else:
            changed, effect = _after_version(state, command, outcome, at)
        if changed is None:
            return
        flight = state.in_flight
        if flight is not None and flight.key == command.idempotency_key:
            changed = replace(changed, in_flight=None)
        await store.put(replace(changed, check_at=_next_check(state, changed, outcome, at)), state)
        if effect is not None:
            await CommandEffectStore(work).record(command.id, effect)


def _after_update(
    state: ListStateRecord, command: CommandRecord, outcome: Outcome, at: datetime
) -> tuple[ListStateRecord | None, Json | None]:
    """Return the state after a SendLocalList, and the effect of the command. None: nothing changes."""
    update, answer, believed = update_of(command.payload), _answer(outcome), state.believed
    if not outcome.is_end_of(command):
        # A late answer settles the doubt that its loss has left, and nothing else.
        if believed.doubt != update:
            return None, None
        believed = replace(believed, doubt=None, verify=False)
    believed = after_answer(believed, update, answer)
    if answer == "not_sent":
        return replace(state, believed=believed), None
    sent = {
        "update_type": "Full" if update.is_full else "Differential",
        "version": update.version,
        "entries": len(update.entries),
        "status": None if answer == "lost" else (outcome.status or answer),
        "command_id": str(command.id),
        "at": utc_text(at),
    }
    changed = replace(state, believed=believed, status_at=at, last_sent=sent)
    observed = {"Accepted": "local_list_updated", "lost": "local_list_in_doubt"}.get(
        answer, "local_list_not_updated"
    )
    version = update.version if answer in ("Accepted", "lost") else state.believed.version
    return changed, {"observed": observed, "listVersion": version}


def _after_version(
    state: ListStateRecord, command: CommandRecord, outcome: Outcome, at: datetime
) -> tuple[ListStateRecord | None, Json | None]:
    """Return the state after a GetLocalListVersion, and the effect of the command. None: nothing changes."""
    if not outcome.is_end_of(command):
        # What it reports may be older than what was sent since.
        return None, None
    believed = state.believed
    version = (outcome.result or {}).get("listVersion")
    if outcome.state == "accepted" and isinstance(version, int):
        reported = replace(state, reported_version=version, reported_at=at)
        effect = {"observed": "local_list_version", "listVersion": version}
        return replace(reported, believed=after_report(believed, version)), effect
    if _is_unable(outcome):
        return replace(state, believed=replace(believed, supported=False), status_at=at), None
    if outcome.state in _NOT_SENT:
        return state, None
    status = "no_answer" if outcome.is_in_doubt else "refused"
    failed = replace(believed, failures=believed.failures + 1, status=status)
    return replace(state, believed=failed, status_at=at), None


def _next_check(
    before: ListStateRecord, after: ListStateRecord, outcome: Outcome, at: datetime
) -> datetime | None:
    if outcome.state in _NOT_SENT:
        return at + _NOT_SENT_AGAIN
    if not after.believed.supported:
        return None
    if _has_failed(before.believed, after.believed):
        return at + retry_after(after.believed.failures)
    return at


def _has_failed(before: Believed, after: Believed) -> bool:
    return after.failures > before.failures


def _answer(outcome: Outcome) -> Answer:
    if outcome.state in _NOT_SENT:
        return "not_sent"
    if outcome.is_in_doubt:
        return "lost"
    if _is_unable(outcome):
        return "NotSupported"
    return _ANSWERS.get(outcome.status, "refused")


def _is_unable(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.get("code") in _UNABLE
