"""Puts stored charging profiles on charge points, clears them, and keeps them as they are stored.

Everything is sent as ordinary commands. The ledger shows what became of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.records import ChargePointRecord
from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.profiled_starts import StoredProfile
from app.commands.records import CommandRecord, CommandRequest
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.service import CommandService
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import NotFound
from app.logs import get_logger
from app.ocpp import Protocol
from app.smart_charging.ledger_reading import compact_ledger, load_known_state, load_ledger, require_doubt
from app.smart_charging.profile_ledger import ProfileLedger
from app.smart_charging.records import ChargingProfileRecord, InstallationRecord, NewInstallation
from app.smart_charging.rules.abilities import Conversion
from app.smart_charging.rules.installation import (
    RETRY_AFTER,
    ProfileRequest,
    Refresh,
    Target,
    conversion_json,
    decide_refresh,
    installed_ids,
    plan_installation,
    plan_remote_start,
    require_remote_start,
)
from app.smart_charging.rules.stored_profiles import next_change
from app.smart_charging.store import ChargingProfileStore, InstallationStore, ProfileCommandStore
from app.types import Json, TenantId

_ISSUED_BY = "charging-profile-refresh"

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssueOptions:
    """How to issue commands. wait_s: how long to wait until they have ended."""

    issued_by: str
    timeout_s: float | None = None
    idempotency_key: str | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a caller wants a stored profile. connector_id: 0 is the charge point."""

    identity: str
    connector_id: int
    conversion: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The word of an operator on a command in doubt: whether it was carried out, and how that is known."""

    command_id: UUID
    carried_out: bool
    reason: str


class ProfileInstaller:
    """Installs stored profiles, alone or inside a remote start, and knows what is installed."""

    def __init__(
        self, database: Database, commands: CommandService, clock: Clock, protocol: Protocol
    ) -> None:
        """protocol: the version of OCPP that charge points speak."""
        self._database = database
        self._protocol = protocol
        self._commands = commands
        self._clock = clock

    async def installed(self, tenant_id: TenantId, identity: str) -> ProfileLedger:
        """Return what a charge point has accepted, may have accepted, and has refused.

        Raises:
            NotFound: no such charge point.
        """
        async with self._database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            return (await load_ledger(work, charge_point.id)).ledger

    async def settle(
        self, tenant_id: TenantId, identity: str, settlement: Settlement, actor: str
    ) -> ProfileLedger:
        """Record what an operator says of a command in doubt; return the ledger after it.

        A late answer of the charge point still counts more than the operator. actor: who says it.

        Raises:
            NotFound: no such charge point, or it has no such command in its ledger.
            Conflict: the command leaves no doubt, or has not ended.
        """
        now = self._clock.now()
        async with self._database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            store = ProfileCommandStore(work)
            commands = await store.for_charge_point(charge_point.id)
            require_doubt(commands, settlement.command_id)
            await store.settle(settlement.command_id, carried_out=settlement.carried_out)
            await compact_ledger(work, charge_point.id, now)
            await AuditStore(work).add(
                NewAuditEntry(
                    tenant_id,
                    now,
                    actor,
                    "settle_charging_profile",
                    f"/v1/commands/{settlement.command_id}",
                    settlement.reason,
                    {"carried_out": settlement.carried_out},
                )
            )
            return (await load_ledger(work, charge_point.id)).ledger

    async def install(
        self, tenant_id: TenantId, charging_profile_id: int, place: Placement, options: IssueOptions
    ) -> list[CommandRecord]:
        """Send a stored profile to a connector; return the commands, which may end in any of their states.

        Raises:
            NotFound: no such charge point or profile.
            InvalidInput: the charge point cannot take it; nothing was sent.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        now = self._clock.now()
        async with self._database.tenant(tenant_id) as work:
            charge_point, record = await _find(work, charging_profile_id, place)
            target = Target(charge_point.id, place.connector_id, place.conversion)
            known = await load_known_state(work, charge_point, self._protocol)
            plan = plan_installation(known, record, target, now)
            new = NewInstallation(
                record.id,
                target.charge_point_id,
                target.connector_id,
                plan.transaction_id,
                conversion_json(target.conversion),
                requested_at=now,
                refresh_at=next_change(record, now),
            )
            await InstallationStore(work).put(new, settle_at=now + RETRY_AFTER)
        return await self._issue_and_wait(tenant_id, place.identity, plan.requests, options)

    async def clear(
        self, tenant_id: TenantId, identity: str, filters: Json, options: IssueOptions
    ) -> list[CommandRecord]:
        """Clear what fits all filters, or the profile that `id` names (OCPP 1.6 5.5, errata 3.25, 3.26).

        filters: those of ClearChargingProfile; the `id` of a stored calendar means all its profiles.

        Raises:
            NotFound: no such charge point.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        wanted = [filters]
        if "id" in filters:
            async with self._database.tenant(tenant_id) as work:
                wanted = [{"id": number} for number in await _ids_to_clear(work, identity, filters["id"])]
        requests = [ProfileRequest("ClearChargingProfile", payload) for payload in wanted]
        return await self._issue_and_wait(tenant_id, identity, requests, options)

    async def remote_start(
        self, tenant_id: TenantId, identity: str, payload_text: str, wanted: StoredProfile
    ) -> str:
        """Return the payload of a remote start with a stored profile as its TxProfile, as JSON text.

        Raises:
            NotFound: no such charge point or profile.
            InvalidInput: the payload breaks a rule, or the profile cannot go with a remote start here.
        """
        payload = require_remote_start(self._protocol, payload_text)
        conversion = None
        if wanted.nominal_voltage is not None:
            conversion = Conversion(wanted.nominal_voltage, wanted.supply or "AC")
        place = Placement(identity, payload.get("connectorId", 0), conversion)
        async with self._database.tenant(tenant_id) as work:
            charge_point, record = await _find(
                work, wanted.charging_profile_id or 0, place, "charging_profile_id"
            )
            target = Target(charge_point.id, place.connector_id, place.conversion)
            known = await load_known_state(work, charge_point, self._protocol)
            request = plan_remote_start(known, record, payload["idTag"], target, self._clock.now())
        return orjson.dumps(request.payload).decode()

    async def refresh(self, installation: InstallationRecord, *, connected: bool) -> None:
        """Bring one installation in line with its stored profile, as far as that can be done now.

        Its next check is already set to `RETRY_AFTER` from now. connected: whether the charge point is
        connected.
        """
        now = self._clock.now()
        tenant_id = TenantId(installation.tenant_id)
        async with self._database.tenant(tenant_id) as work:
            record = await ChargingProfileStore(work).get(installation.charging_profile_id, to_keep=True)
            if record is None:
                return
            charge_point = await existing_charge_point(work, installation.identity)
            known = await load_known_state(work, charge_point, self._protocol)
            refresh = decide_refresh(known, record, installation, now)
            await _store(work, installation, refresh)
            # Inside the unit of work: a request that deletes the profile and then clears it waits for this.
            if connected:
                options = IssueOptions(_ISSUED_BY)
                await self._issue_all(tenant_id, installation.identity, refresh.requests, options)

    async def _issue_and_wait(
        self, tenant_id: TenantId, identity: str, requests: Sequence[ProfileRequest], options: IssueOptions
    ) -> list[CommandRecord]:
        issued = await self._issue_all(tenant_id, identity, requests, options)
        deadline = self._clock.monotonic() + options.wait_s
        records = []
        for record in issued:
            remaining = deadline - self._clock.monotonic()
            if options.wait_s and remaining > 0 and record.state in OPEN_COMMAND_STATES:
                record = await self._commands.wait(tenant_id, record.id, remaining)
            records.append(record)
        return records

    async def _issue_all(
        self, tenant_id: TenantId, identity: str, requests: Sequence[ProfileRequest], options: IssueOptions
    ) -> list[CommandRecord]:
        return [
            await self._issue(tenant_id, identity, request, options, number)
            for number, request in enumerate(requests)
        ]

    async def _issue(
        self, tenant_id: TenantId, identity: str, request: ProfileRequest, options: IssueOptions, number: int
    ) -> CommandRecord:
        key = options.idempotency_key
        command = CommandRequest(
            identity=identity,
            action=request.action,
            payload_text=orjson.dumps(request.payload).decode(),
            issued_by=options.issued_by,
            timeout_s=options.timeout_s,
            idempotency_key=f"{key}:{number}" if key is not None and number else key,
        )
        return await self._commands.issue(tenant_id, command)


async def _store(work: TenantWork, installation: InstallationRecord, refresh: Refresh) -> None:
    if refresh.refusal is not None:
        _LOG.info("charging_profile_not_refreshed", detail=refresh.refusal)
    match refresh.action:
        case "forget":
            await InstallationStore(work).forget(installation)
        case "check":
            await InstallationStore(work).refresh_later(installation, refresh.check_at)
        case "wait":
            pass


async def _ids_to_clear(work: TenantWork, identity: str, charging_profile_id: int) -> list[int]:
    """Return the ids to clear. The id of a stored calendar means all its profiles that may be installed."""
    charge_point = await existing_charge_point(work, identity)
    record = await ChargingProfileStore(work).get(charging_profile_id)
    if record is None:
        return [charging_profile_id]
    ledger = (await load_ledger(work, charge_point.id)).ledger
    return installed_ids(ledger, record) or [charging_profile_id]


async def _find(
    work: TenantWork, charging_profile_id: int, place: Placement, field: str = "/charging_profile_id"
) -> tuple[ChargePointRecord, ChargingProfileRecord]:
    charge_point = await existing_charge_point(work, place.identity)
    record = await ChargingProfileStore(work).get(charging_profile_id)
    if record is None:
        raise NotFound("There is no such charging profile.", field)
    return charge_point, record
