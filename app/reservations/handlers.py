"""The effect of ReserveNow and CancelReservation, raw commands included: what becomes of the reservation."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Final

from app.clock import parse_time
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.database.repository import LARGEST_INT32
from app.database.unit_of_work import TenantWork
from app.reservations.records import NewReservation, ReservationRecord
from app.reservations.rules import KEY_PREFIX, REPLACED, Verdict, answered, cancelled, ended, verdict_of
from app.reservations.store import ReservationStore

_OBSERVED: Final = {
    "reserved": "reservation_made",
    "rejected": "reservation_refused",
    "unknown": "reservation_in_doubt",
}


class ReservationEffect:
    """Follows reservations through the answers of charge points."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ReserveNow": None, "CancelReservation": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store what has become of a reservation. at: when the outcome was known."""
        if command.action == "ReserveNow":
            await _reserve(work, command, outcome, at)
        else:
            await _cancel(work, command, outcome, at)


async def _reserve(work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
    store = ReservationStore(work)
    verdict = verdict_of(
        outcome.state,
        outcome.status,
        in_doubt=outcome.is_in_doubt,
        error=None if outcome.error is None else outcome.error.get("code"),
    )
    await store.in_question(command.charge_point_id)
    known = await _find(store, command)
    if known is None:
        known = await _record_raw(store, command)
        if known is None:
            return
    changed = replace(answered(known, verdict, at), command_id=command.id)
    await store.put(changed)
    if changed.state == known.state:
        # It was settled by something else, which has told its effect.
        return
    if changed.state == "reserved":
        # A ReserveNow with the same id replaces the reservation (5.13).
        for other in await store.open_of(command.charge_point_id, known.reservation_id):
            if other.id != known.id:
                await store.put(ended(other, "cancelled", REPLACED, at))
    effect = {"observed": _observed(verdict), "reservationId": known.reservation_id}
    await CommandEffectStore(work).record(command.id, effect)


async def _cancel(work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
    if outcome.state not in ("accepted", "rejected"):
        return
    store, number = ReservationStore(work), command.payload["reservationId"]
    if not 0 <= number <= LARGEST_INT32:
        return
    accepted = outcome.state == "accepted"
    await store.in_question(command.charge_point_id)
    for known in await store.open_of(command.charge_point_id, number):
        # A late answer says nothing about a reservation that was made after the request to cancel.
        if known.requested_at <= command.created_at:
            await store.put(cancelled(known, accepted=accepted, at=at))
    observed = "reservation_cancelled" if accepted else "reservation_not_found"
    await CommandEffectStore(work).record(command.id, {"observed": observed, "reservationId": number})


async def _find(store: ReservationStore, command: CommandRecord) -> ReservationRecord | None:
    """Return the reservation that a ReserveNow asks for; None: it is a raw command without a record yet."""
    key = command.idempotency_key or ""
    digits = key.removeprefix(KEY_PREFIX)
    if key.startswith(KEY_PREFIX) and digits.isdecimal() and len(digits) < 19:
        found = await store.locked(int(digits))
        same = found is not None and (
            (found.charge_point_id, found.reservation_id)
            == (command.charge_point_id, command.payload["reservationId"])
        )
        if same:
            return found
    return await store.by_command(command.id, command.charge_point_id)


async def _record_raw(store: ReservationStore, command: CommandRecord) -> ReservationRecord | None:
    """Record the reservation of a raw command; None: it cannot be one of the standard."""
    payload = command.payload
    expires_at = parse_time(payload["expiryDate"])
    numbers = (payload["reservationId"], payload["connectorId"])
    if expires_at is None or not all(0 <= number <= LARGEST_INT32 for number in numbers):
        return None
    return await store.create(
        NewReservation(
            charge_point_id=command.charge_point_id,
            reservation_id=payload["reservationId"],
            connector_id=payload["connectorId"],
            id_tag=payload["idTag"],
            parent_id_tag=payload.get("parentIdTag"),
            expires_at=expires_at,
            requested_at=command.sent_at or command.created_at,
            issued_by=command.issued_by,
            origin="command",
        )
    )


def _observed(verdict: Verdict) -> str:
    return _OBSERVED[verdict.state]
