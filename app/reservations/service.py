"""Use cases of reservations: make, change, cancel and list them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.charge_points.records import ChargePointRecord
from app.charge_points.service import existing_charge_point
from app.clock import Clock, utc_text
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.database.database import Database
from app.database.repository import LARGEST_INT32
from app.errors import (
    AppError,
    Conflict,
    FieldViolation,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    Unavailable,
)
from app.id_tags.rules import id_tag_info, trim_id_tag
from app.id_tags.service import Authorizer
from app.metrics import LIMITS_HIT
from app.reservations.records import NewReservation, ReservationFilter, ReservationRecord, ShownReservation
from app.reservations.rules import KEY_PREFIX, LONGEST_TAG, answered, verdict_of
from app.reservations.store import ReservationStore
from app.settings import Settings
from app.types import ChargePointId, Json, TenantId


@dataclass(frozen=True, slots=True)
class WantedReservation:
    """A reservation as an operator asks for it. parent_id_tag None: the group of the tag, if it has one.

    force: also if the tag is unknown, or may not charge there.
    """

    connector_id: int
    id_tag: str
    expires_at: datetime
    parent_id_tag: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class ReserveOptions:
    """How to issue the command. wait_s: how long to wait for the answer."""

    issued_by: str
    timeout_s: float | None = None
    wait_s: float = 0.0
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class ReservationService:
    """The use cases of reservations."""

    database: Database
    commands: CommandService
    authorizer: Authorizer
    clock: Clock
    settings: Settings

    async def create(
        self, tenant_id: TenantId, identity: str, wanted: WantedReservation, options: ReserveOptions
    ) -> ShownReservation:
        """Reserve a connector; return the reservation in the state that it has after `wait_s`.

        Raises:
            NotFound: no such charge point.
            InvalidInput: the tag may not charge there, no command can carry it, or the time has passed.
            Conflict: too many reservations are open, or the registration forbids commands.
            TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        digest = _digest(identity, wanted, None)
        known = await self._known(tenant_id, options.idempotency_key, digest)
        if known is not None:
            # It was judged when it came first. Meanwhile its time may have passed, or the tag changed.
            return await self._ask(tenant_id, identity, known, options, is_new=False)
        wanted = await self._judged(tenant_id, identity, wanted)
        row, is_new = await self._store(tenant_id, identity, wanted, options, None, digest)
        return await self._ask(tenant_id, identity, row, options, is_new=is_new)

    async def change(
        self,
        tenant_id: TenantId,
        identity: str,
        reservation_id: int,
        changes: Mapping[str, Any],
        options: ReserveOptions,
    ) -> ShownReservation:
        """Replace an open reservation by one of the same reservationId (OCPP 1.6 5.13).

        It holds until the charge point has accepted the new one.

        Raises:
            NotFound: no such charge point or reservation.
            Conflict: the reservation is over.
            InvalidInput, TooManyRequests, Unavailable: as `create`.
        """
        known = (await self.get(tenant_id, identity, reservation_id)).record
        if not known.is_open:
            raise Conflict(f"The reservation cannot be changed any more: it is {known.state}.")
        fields: dict[str, Any] = {
            "connector_id": known.connector_id,
            "id_tag": known.id_tag,
            "expires_at": known.expires_at,
            # The group of a new tag is its own.
            "parent_id_tag": known.parent_id_tag if "id_tag" not in changes else None,
            # It was judged when it was reserved for.
            "force": "id_tag" not in changes,
        }
        wanted = await self._judged(tenant_id, identity, WantedReservation(**(fields | dict(changes))))
        digest = _digest(identity, wanted, reservation_id)
        row, is_new = await self._store(tenant_id, identity, wanted, options, reservation_id, digest)
        return await self._ask(tenant_id, identity, row, options, is_new=is_new)

    async def cancel(
        self, tenant_id: TenantId, identity: str, reservation_id: int, options: ReserveOptions
    ) -> CommandRecord:
        """Ask the charge point to cancel a reservation, whether one is known here or not.

        Raises:
            NotFound: no such charge point.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        request = _request(identity, "CancelReservation", {"reservationId": reservation_id}, options)
        return await self.commands.issue(tenant_id, request, wait_s=options.wait_s)

    async def get(self, tenant_id: TenantId, identity: str, reservation_id: int) -> ShownReservation:
        """Return the reservation of this reservationId: the open one, else the newest.

        Raises:
            NotFound: no such charge point or reservation.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            found = await ReservationStore(work).shown(charge_point.id, reservation_id)
        if found is None:
            raise NotFound("There is no such reservation.", "reservation_id")
        return found

    async def page(
        self, tenant_id: TenantId, limit: int, before: int | None, filters: ReservationFilter
    ) -> list[ShownReservation]:
        """Return reservations, the newest first. before: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await ReservationStore(work).page(limit, before, filters)

    async def _judged(
        self, tenant_id: TenantId, identity: str, wanted: WantedReservation
    ) -> WantedReservation:
        """Return what is asked for with its group, or refuse it with the field at fault."""
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
        id_tag, parent = trim_id_tag(wanted.id_tag), wanted.parent_id_tag
        faults = []
        if wanted.expires_at <= now:
            faults.append(FieldViolation("/expires_at", "in_the_past", "must be in the future"))
        if len(id_tag) > LONGEST_TAG:
            faults.append(_too_long("/id_tag"))
        else:
            place = ChargePointId(charge_point.id)
            tag, presented = await self.authorizer.find(tenant_id, place, id_tag)
            status = id_tag_info(tag, now, presented=presented)["status"]
            if not wanted.force and tag is None and status != "Accepted":
                detail = "there is no such id tag; `force` reserves for it all the same"
                faults.append(FieldViolation("/id_tag", "unknown_id_tag", detail))
            elif not wanted.force and status != "Accepted":
                detail = f"the tag is {status} there; `force` reserves for it all the same"
                faults.append(FieldViolation("/id_tag", "not_accepted", detail))
            if parent is None and tag is not None:
                parent = tag.parent_id_tag
        parent = None if parent is None else trim_id_tag(parent)
        if parent is not None and len(parent) > LONGEST_TAG:
            faults.append(_too_long("/parent_id_tag"))
        if faults:
            raise InvalidInput(faults)
        return WantedReservation(wanted.connector_id, id_tag, wanted.expires_at, parent, wanted.force)

    async def _known(
        self, tenant_id: TenantId, idempotency_key: str | None, digest: bytes
    ) -> ReservationRecord | None:
        """Return the reservation of an idempotency key; None: it is new."""
        if idempotency_key is None:
            return None
        async with self.database.tenant(tenant_id) as work:
            known = await ReservationStore(work).by_key(idempotency_key)
            return None if known is None else await _repeated(ReservationStore(work), known, digest)

    async def _ask(
        self,
        tenant_id: TenantId,
        identity: str,
        row: ReservationRecord,
        options: ReserveOptions,
        *,
        is_new: bool,
    ) -> ShownReservation:
        """Ask the charge point for a reservation, unless that was done before."""
        if not is_new and row.command_id is not None:
            if options.wait_s > 0:
                await self.commands.wait(tenant_id, row.command_id, options.wait_s)
            return await self._row(tenant_id, row.id)
        payload = {
            "connectorId": row.connector_id,
            "expiryDate": utc_text(row.expires_at),
            "idTag": row.id_tag,
            "reservationId": row.reservation_id,
        }
        if row.parent_id_tag is not None:
            payload["parentIdTag"] = row.parent_id_tag
        request = _request(identity, "ReserveNow", payload, options, f"{KEY_PREFIX}{row.id}")
        try:
            command = await self.commands.issue(tenant_id, request, wait_s=options.wait_s)
        except (StoreUnavailable, Unavailable):
            # It may be sent all the same. The end of the command, or the sweep, settles the reservation.
            raise
        except AppError:
            if is_new:
                async with self.database.tenant(tenant_id) as work:
                    await ReservationStore(work).delete(row.id)
            raise
        async with self.database.tenant(tenant_id) as work:
            store = ReservationStore(work)
            await store.set_command(row.id, command.id)
            if command.state == "offline":
                known = await store.locked(row.id)
                if known is not None:
                    await store.put(answered(known, verdict_of("offline", None), self.clock.now()))
        return await self._row(tenant_id, row.id)

    async def _row(self, tenant_id: TenantId, row_id: int) -> ShownReservation:
        async with self.database.tenant(tenant_id) as work:
            found = await ReservationStore(work).shown_row(row_id)
        if found is None:
            raise NotFound("The charge point was deleted.", "identity")
        return found

    async def _store(
        self,
        tenant_id: TenantId,
        identity: str,
        wanted: WantedReservation,
        options: ReserveOptions,
        reservation_id: int | None,
        digest: bytes,
    ) -> tuple[ReservationRecord, bool]:
        """Store a reservation, or find the one of the same idempotency key. Tell whether it is new."""
        limit = self.settings.reservations_per_charge_point
        async with self.database.tenant(tenant_id) as work:
            # Locked, so that two requests at once get two numbers.
            charge_point: ChargePointRecord = await existing_charge_point(work, identity, to_change=True)
            store = ReservationStore(work)
            if options.idempotency_key is not None:
                known = await store.by_key(options.idempotency_key)
                if known is not None:
                    return await _repeated(store, known, digest), False
            if await store.count_open(charge_point.id) >= limit:
                LIMITS_HIT.labels("open_reservations").inc()
                raise Conflict(f"{limit} reservations of this charge point are open already.")
            number = reservation_id
            if number is None:
                number = await store.free_number(charge_point.id)
            if number is None or not 0 <= number <= LARGEST_INT32:
                raise Conflict("No reservationId is free.")
            new = NewReservation(
                charge_point_id=charge_point.id,
                reservation_id=number,
                connector_id=wanted.connector_id,
                id_tag=wanted.id_tag,
                parent_id_tag=wanted.parent_id_tag,
                expires_at=wanted.expires_at,
                requested_at=self.clock.now(),
                issued_by=options.issued_by,
                idempotency_key=options.idempotency_key,
                request_digest=digest,
            )
            return await store.create(new), True


async def _repeated(store: ReservationStore, known: tuple[int, bytes], digest: bytes) -> ReservationRecord:
    """Return the reservation of an idempotency key.

    Raises:
        Conflict: the key was used for another request.
    """
    row_id, known_digest = known
    found = await store.locked(row_id)
    if found is None or known_digest != digest:
        raise Conflict("The idempotency key was used for another request.", "Idempotency-Key")
    return found


def _digest(identity: str, wanted: WantedReservation, reservation_id: int | None) -> bytes:
    fields = (identity, wanted.connector_id, wanted.id_tag, wanted.parent_id_tag, reservation_id)
    text = orjson.dumps([*fields, utc_text(wanted.expires_at)])
    return hashlib.blake2b(text, digest_size=16).digest()


def _request(
    identity: str, action: str, payload: Json, options: ReserveOptions, key: str | None = None
) -> CommandRequest:
    return CommandRequest(
        identity=identity,
        action=action,
        payload_text=orjson.dumps(payload).decode(),
        issued_by=options.issued_by,
        timeout_s=options.timeout_s,
        idempotency_key=key,
    )


def _too_long(pointer: str) -> FieldViolation:
    return FieldViolation(pointer, "too_long", f"a command carries tags of up to {LONGEST_TAG} characters")
