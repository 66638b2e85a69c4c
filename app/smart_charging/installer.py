"""Puts stored charging profiles on charge points, and brings those that are there in line again.

What is sent are ordinary commands. When to look at an installation again is kept beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import structlog

from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import InvalidInput, NotFound
from app.smart_charging.abilities import Conversion
from app.smart_charging.calendar import next_clock_change, says_the_same
from app.smart_charging.installation import (
    Plan,
    Step,
    Target,
    conversion_json,
    plan_installation,
    plan_remote_start,
)
from app.smart_charging.ledger_reading import LedgerView, load_ledger
from app.smart_charging.records import ChargingProfileRecord, InstallationRecord
from app.smart_charging.store import ChargingProfileStore, InstallationStore
from app.smart_charging.stored_profiles import wire_ids
from app.types import Json, TenantId

RETRY_AFTER = timedelta(minutes=5)
"""When a charge point that was offline, or did not answer, is tried again."""
REFUSED_RETRY_AFTER = timedelta(hours=6)
"""When a charge point that refused, or cannot take the profile any more, is tried again."""
_ISSUED_BY = "charging-profile-refresh"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how the commands are to be issued."""

    issued_by: str
    timeout_s: float | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody wants a stored profile. connector_id: 0 is the charge point."""

    identity: str
    connector_id: int
    conversion: Conversion | None = None


class ProfileInstaller:
    """Installs stored profiles, at once or inside a remote start."""

    def __init__(self, database: Database, commands: CommandService, clock: Clock) -> None:
        self._database = database
        self._commands = commands
        self._clock = clock

    async def install(
        self, tenant_id: TenantId, charging_profile_id: int, place: Place, asked: Asked
    ) -> list[CommandRecord]:
        """Send a stored profile to a connector; return the commands, which may end in any of their states.

        Raises:
            NotFound: no such charge point or profile.
            InvalidInput: the charge point cannot take it; nothing was sent.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        now = self._clock.now()
        async with self._database.tenant(tenant_id) as work:
            target, record = await _find(work, charging_profile_id, place)
            plan = await plan_installation(work, record, target, now)
            await InstallationStore(work).put(
                record.id,
                target.charge_point_id,
                target.connector_id,
                transaction_id=plan.transaction_id,
                conversion=conversion_json(target.conversion),
                refresh_at=_next_change(record, now),
                settle_at=now + RETRY_AFTER,
                at=now,
            )
        return await self._issue_all(tenant_id, place.identity, plan.steps, asked)

    async def clear(
        self, tenant_id: TenantId, identity: str, filters: Json, asked: Asked
    ) -> list[CommandRecord]:
        """Clear what fits all filters, or the profile that `id` names (OCPP 1.6 5.5, errata 3.25, 3.26).

        filters: those of ClearChargingProfile; `id` of a stored calendar stands for all its profiles.

        Raises:
            NotFound: no such charge point.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        wanted = [filters]
        if "id" in filters:
            async with self._database.tenant(tenant_id) as work:
                wanted = [{"id": number} for number in await _numbers(work, identity, filters["id"])]
        steps = [Step("ClearChargingProfile", payload) for payload in wanted]
        return await self._issue_all(tenant_id, identity, steps, asked)

    async def remote_start(
        self, tenant_id: TenantId, charging_profile_id: int, id_tag: str, place: Place, asked: Asked
    ) -> CommandRecord:
        """Start a transaction from afar under a stored TxProfile. connector_id 0: on any connector.

        Raises:
            NotFound: no such charge point or profile.
            InvalidInput: the profile cannot go with a remote start here; nothing was sent.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        async with self._database.tenant(tenant_id) as work:
            target, record = await _find(work, charging_profile_id, place)
            step = await plan_remote_start(work, record, id_tag, target, self._clock.now())
        return await self._issue(tenant_id, place.identity, step, asked, 0)

    async def refresh(self, installation: InstallationRecord, *, connected: bool) -> None:
        """Bring one installation in line with its stored profile, as far as that can be done now.

        Its next turn is `RETRY_AFTER` away already. connected: whether a command would reach anybody.
        """
        now = self._clock.now()
        tenant_id = TenantId(installation.tenant_id)
        async with self._database.tenant(tenant_id) as work:
            steps = await self._due_steps(work, installation, now)
            # Inside of the transaction: who deletes the profile and then clears it waits for this.
            if connected:
                await self._issue_all(tenant_id, installation.identity, steps, Asked(_ISSUED_BY))

    async def _due_steps(
        self, work: TenantWork, installation: InstallationRecord, now: datetime
    ) -> list[Step]:
        record = await ChargingProfileStore(work).get(installation.charging_profile_id, to_keep=True)
        if record is None:
            return []
        conversion = None if installation.conversion is None else Conversion(**installation.conversion)
        target = Target(installation.charge_point_id, installation.connector_id, conversion)
        try:
            plan = await plan_installation(work, record, target, now)
        except InvalidInput as refusal:
            # Its transaction is over, or the charge point says by now that it cannot take it.
            log.info("charging_profile_not_refreshed", detail=refusal.detail)
            if installation.transaction_id is not None:
                await InstallationStore(work).forget(installation)
            else:
                await InstallationStore(work).refresh_later(installation, now + REFUSED_RETRY_AFTER)
            return []
        if plan.transaction_id != installation.transaction_id:
            await InstallationStore(work).forget(installation)
            return []
        if _is_gone(plan.view, record):
            # Unless its first command is still on the way.
            if now - installation.requested_at > RETRY_AFTER:
                await InstallationStore(work).forget(installation)
            return []
        due = [step for step in plan.steps if not _is_done(plan, record, target.connector_id, step)]
        if not due:
            await InstallationStore(work).refresh_later(installation, _next_change(record, now))
        elif any(_was_refused(plan.view, record, step) for step in due):
            await InstallationStore(work).refresh_later(installation, now + REFUSED_RETRY_AFTER)
        return due

    async def _issue_all(
        self, tenant_id: TenantId, identity: str, steps: Sequence[Step], asked: Asked
    ) -> list[CommandRecord]:
        return [
            await self._issue(tenant_id, identity, step, asked, number) for number, step in enumerate(steps)
        ]

    async def _issue(
        self, tenant_id: TenantId, identity: str, step: Step, asked: Asked, number: int
    ) -> CommandRecord:
        key = asked.idempotency_key
        request = CommandRequest(
            identity=identity,
            action=step.action,
            payload_text=orjson.dumps(step.payload).decode(),
            issued_by=asked.issued_by,
            timeout_s=asked.timeout_s,
            idempotency_key=f"{key}:{number}" if key is not None and number else key,
        )
        return await self._commands.issue(tenant_id, request)


async def _numbers(work: TenantWork, identity: str, charging_profile_id: int) -> list[int]:
    """The numbers on the wire that a number stands for: of a stored calendar those that may be installed."""
    charge_point = await ChargePointStore(work).get(identity)
    if charge_point is None:
        raise NotFound("There is no such charge point.", "identity")
    record = await ChargingProfileStore(work).get(charging_profile_id)
    if record is None:
        return [charging_profile_id]
    found = {item.charging_profile_id for item in (await load_ledger(work, charge_point.id)).ledger.anywhere}
    return [number for number in wire_ids(record) if number in found] or [charging_profile_id]


async def _find(
    work: TenantWork, charging_profile_id: int, place: Place
) -> tuple[Target, ChargingProfileRecord]:
    charge_point = await ChargePointStore(work).get(place.identity)
    if charge_point is None:
        raise NotFound("There is no such charge point.", "identity")
    record = await ChargingProfileStore(work).get(charging_profile_id)
    if record is None:
        raise NotFound("There is no such charging profile.", "/charging_profile_id")
    return Target(charge_point.id, place.connector_id, place.conversion), record


def _next_change(record: ChargingProfileRecord, now: datetime) -> datetime | None:
    return None if record.calendar is None else next_clock_change(record.calendar["time_zone"], now)


def _is_gone(view: LedgerView, record: ChargingProfileRecord) -> bool:
    """Say whether somebody cleared a stored profile, and the charge point says that it has nothing of it."""
    found = {item.charging_profile_id for item in view.ledger.anywhere} - view.ledger.denied
    return not view.ledger.overflow and not any(number in wire_ids(record) for number in found)


def _is_done(plan: Plan, record: ChargingProfileRecord, connector_id: int, step: Step) -> bool:
    if step.action != "SetChargingProfile":
        return False
    wanted: Json = step.payload["csChargingProfiles"]
    return any(
        item.connector_id == connector_id and _is_same(record, item.profile, wanted)
        for item in plan.view.ledger.everywhere()
    )


def _was_refused(view: LedgerView, record: ChargingProfileRecord, step: Step) -> bool:
    if step.action != "SetChargingProfile":
        return False
    wanted: Json = step.payload["csChargingProfiles"]
    refused = [event.installs for event in view.ledger.refused if event.installs is not None]
    return any(_is_same(record, item.profile, wanted) for item in refused)


def _is_same(record: ChargingProfileRecord, profile: Json, wanted: Json) -> bool:
    """Compare two forms of a stored profile. The anchor of a calendar moves on by itself; that of a profile
    says when it begins."""
    return profile == wanted if record.calendar is None else says_the_same(profile, wanted)
