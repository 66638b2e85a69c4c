"""Use cases of smart charging: stored profiles, and the composite schedule of a connector.

`installer` has those that send something to a charge point and must be kept up to date afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import MAXYEAR, datetime, timedelta, tzinfo
from functools import partial
from uuid import UUID

import orjson

from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.computation import compute
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import FieldViolation, InvalidInput, NotFound
from app.events.payloads import ChargingProfileDriftedEvent, DriftedLimit
from app.events.writer import add_events
from app.ocpp import Protocol
from app.smart_charging.drift import Drift, find_drift, read_reported, reported_limits
from app.smart_charging.expected_schedule import (
    ScheduleOptions,
    ScheduleRequest,
    draw_expected,
    expected_schedule,
)
from app.smart_charging.ledger_reading import load_known_state
from app.smart_charging.measured import measured_over_time
from app.smart_charging.overlays import ReportedLimit
from app.smart_charging.profile_ledger import LedgerView
from app.smart_charging.records import ChargingProfileRecord, InstallationRecord, ProfileContent
from app.smart_charging.rules.abilities import Unit, unit_to_ask
from app.smart_charging.rules.installation import KnownState
from app.smart_charging.rules.stored_profiles import (
    CurrentProfile,
    accept_content,
    current_profile,
    ocpp_ids,
    require_same_form,
)
from app.smart_charging.store import ChargingProfileStore, DriftStore, InstallationStore
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueFilter, MeterValueRecord
from app.types import ChargePointKey, Json, TenantId

_MOST_SAMPLES = 10_000
"""One sample every ten seconds for a day: more than a picture has pixels for."""
_TOLD_DEPARTURES = 20
"""The most intervals of one event."""
_LAST_YEAR = MAXYEAR - 1
"""A schedule that starts before this year ends before the end of the calendar."""


class ChargingProfileService:
    """The stored charging profiles of tenants."""

    def __init__(self, database: Database, clock: Clock, protocol: Protocol) -> None:
        """protocol: the version of OCPP whose rules profiles keep."""
        self._database = database
        self._protocol = protocol
        self._clock = clock

    async def page(self, tenant_id: TenantId, limit: int, after: int | None) -> list[CurrentProfile]:
        """Return stored profiles in the order of their id. after: id of the last one seen."""
        async with self._database.tenant(tenant_id) as work:
            records = await ChargingProfileStore(work).page(limit, after)
        now = self._clock.now()
        return [current_profile(record, now) for record in records]

    async def get(self, tenant_id: TenantId, charging_profile_id: int) -> CurrentProfile:
        """Return a stored profile.

        Raises:
            NotFound: the tenant has no such profile.
        """
        async with self._database.tenant(tenant_id) as work:
            record = await _existing(work, charging_profile_id)
        return current_profile(record, self._clock.now())

    async def create(self, tenant_id: TenantId, content: ProfileContent) -> CurrentProfile:
        """Store a profile. Nothing is sent to any charge point.

        Raises:
            InvalidInput: the content breaks a rule by itself.
            Conflict: all ids are used up.
        """
        now = self._clock.now()
        accepted = await compute(tenant_id, partial(accept_content, self._protocol, content, now))
        async with self._database.tenant(tenant_id) as work:
            record = await ChargingProfileStore(work).create(
                accepted.description, charging_profile=accepted.charging_profile, calendar=accepted.calendar
            )
        return current_profile(record, now)

    async def replace(
        self,
        tenant_id: TenantId,
        charging_profile_id: int,
        content: ProfileContent,
        compare: Callable[[CurrentProfile], None],
    ) -> CurrentProfile:
        """Replace the content of a stored profile, and send it again to where it is installed.

        compare: called with the locked profile before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has no such profile.
            InvalidInput: the content breaks a rule by itself, or has another form than the stored one.
        """
        now = self._clock.now()
        accepted = await compute(tenant_id, partial(accept_content, self._protocol, content, now))
        async with self._database.tenant(tenant_id) as work:
            known = await _existing(work, charging_profile_id, to_change=True)
            compare(current_profile(known, now))
            require_same_form(known, accepted)
            record = await ChargingProfileStore(work).replace(
                charging_profile_id,
                accepted.description,
                charging_profile=accepted.charging_profile,
                calendar=accepted.calendar,
            )
            await InstallationStore(work).refresh_soon(charging_profile_id, now)
        return current_profile(record or known, now)

    async def delete(self, tenant_id: TenantId, charging_profile_id: int) -> None:
        """Delete a stored profile. Charge points keep what they have.

        Raises:
            NotFound: the tenant has no such profile.
        """
        async with self._database.tenant(tenant_id) as work:
            if not await ChargingProfileStore(work).delete(charging_profile_id):
                raise _not_found()

    async def installations(
        self, tenant_id: TenantId, charging_profile_id: int, limit: int, after: str | None
    ) -> list[InstallationRecord]:
        """Return the charge points that have a stored profile, or may have it, by their identity.

        after: identity of the last one seen.

        Raises:
            NotFound: the tenant has no such profile.
        """
        async with self._database.tenant(tenant_id) as work:
            record = await _existing(work, charging_profile_id)
            return await InstallationStore(work).page(
                charging_profile_id, limit, after, numbers=len(ocpp_ids(record))
            )


@dataclass(frozen=True, slots=True)
class ConnectorQuestion:
    """A question about the limits of a connector, 0 for the whole charge point. start: None means now."""

    identity: str
    connector_id: int
    start: datetime | None
    options: ScheduleOptions


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How to ask the charge point for its own schedule. wait_s: how long to wait for the answer."""

    issued_by: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class ComparedSchedule:
    """The composite schedule of a connector. command: None if the charge point was not asked.

    certain: whether all answers about its profiles are known. drift: None if there is nothing to compare.
    """

    certain: bool
    ours: Json
    command: CommandRecord | None = None
    drift: Drift | None = None


class ConnectorScheduleService:
    """The composite schedules of connectors, computed from their ledgers."""

    def __init__(
        self, database: Database, commands: CommandService, clock: Clock, protocol: Protocol
    ) -> None:
        """protocol: the version of OCPP that charge points speak."""
        self._database = database
        self._protocol = protocol
        self._commands = commands
        self._clock = clock

    async def compare(
        self, tenant_id: TenantId, question: ConnectorQuestion, ask: AskOptions | None
    ) -> ComparedSchedule:
        """Compute the composite schedule of a connector; with `ask` also ask the charge point for its own.

        Raises:
            NotFound: the tenant has no such charge point.
            InvalidInput: the schedule cannot be computed.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        async with self._database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, question.identity)
            known = await load_known_state(work, charge_point, self._protocol)
        request = self._request(question, known)
        ours = await compute(tenant_id, partial(expected_schedule, known.view, request))
        if ask is None:
            return ComparedSchedule(known.view.ledger.certain, ours)
        profiles = [item.profile for item in known.view.ledger.anywhere]
        unit = unit_to_ask(request.options.unit, known.abilities, profiles)
        command = await self._ask(tenant_id, question.identity, request, unit, ask)
        drift = await compute(
            tenant_id, partial(find_drift, known.view, request, command, known.abilities.zone)
        )
        # Without all answers the ledger shows the highest limits that are possible: nothing to compare with.
        if drift is not None and known.view.ledger.certain:
            place = ChargePointKey(tenant_id, charge_point.id)
            await self._tell_drift(place, question.connector_id, command.id, drift)
        return ComparedSchedule(known.view.ledger.certain, ours, command, drift)

    async def compare_answer(
        self, tenant_id: TenantId, question: ConnectorQuestion, command_id: UUID
    ) -> ComparedSchedule:
        """Compute the composite schedule of a connector, and compare it with an answer from before.

        command_id: a GetCompositeSchedule for this connector.

        Raises:
            NotFound: the tenant has no such charge point, or no such command.
            InvalidInput: the schedule cannot be computed.
        """
        command = await self._asked(tenant_id, question, command_id)
        async with self._database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, question.identity)
            known = await load_known_state(work, charge_point, self._protocol)
        request = self._request(question, known)
        ours = await compute(tenant_id, partial(expected_schedule, known.view, request))
        asked = replace(request, options=replace(request.options, duration_s=command.payload["duration"]))
        drift = await compute(
            tenant_id, partial(find_drift, known.view, asked, command, known.abilities.zone)
        )
        return ComparedSchedule(known.view.ledger.certain, ours, command, drift)

    async def draw(
        self, tenant_id: TenantId, question: ConnectorQuestion, command_id: UUID | None = None
    ) -> str:
        """Return the composite schedule of a connector as SVG text, with the measured values over it.

        command_id: a GetCompositeSchedule for this connector, whose answer is drawn too if it has the same
        unit.

        Raises:
            NotFound: the tenant has no such charge point, or no such command.
            InvalidInput: the schedule cannot be computed or drawn.
        """
        command = None if command_id is None else await self._asked(tenant_id, question, command_id)
        async with self._database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, question.identity)
            known = await load_known_state(work, charge_point, self._protocol)
            request = self._request(question, known)
            rows = await _meter_values(work, charge_point.id, request)
        measured = measured_over_time(rows, request.options.unit)
        title = _title(question, known.view)
        reported = () if command is None else _limits_of(command, request, known.abilities.zone)
        return await compute(
            tenant_id, partial(draw_expected, known.view, request, title, measured, reported)
        )

    async def _tell_drift(
        self, place: ChargePointKey, connector_id: int, command_id: UUID, drift: Drift
    ) -> None:
        """Tell a difference that was not told before."""
        now = self._clock.now()
        async with self._database.tenant(place.tenant_id) as work:
            store = DriftStore(work)
            if not drift.departures:
                await store.clear(place.charge_point_id, connector_id)
            elif await store.note(place.charge_point_id, connector_id, drift.pattern, now):
                shown = [DriftedLimit.model_validate(one) for one in drift.departures[:_TOLD_DEPARTURES]]
                told = ChargingProfileDriftedEvent(
                    connector_id=connector_id,
                    command_id=command_id,
                    charging_rate_unit=drift.unit,
                    departures=shown,
                )
                await add_events(work, [told.of(place, now)])

    def _request(self, question: ConnectorQuestion, known: KnownState) -> ScheduleRequest:
        start = (question.start or self._clock.now()).replace(microsecond=0)
        if start.year >= _LAST_YEAR:
            text = f"must be before the year {_LAST_YEAR}"
            raise InvalidInput([FieldViolation("scheduleStart", "out_of_range", text)])
        return ScheduleRequest(
            known.protocol, question.connector_id, start, question.options, known.abilities.connectors
        )

    async def _asked(
        self, tenant_id: TenantId, question: ConnectorQuestion, command_id: UUID
    ) -> CommandRecord:
        """Return the command that asked a charge point for the schedule of a connector."""
        command = await self._commands.get(tenant_id, command_id)
        payload = command.payload
        place = command.identity, command.action, payload.get("connectorId")
        if place != (question.identity, "GetCompositeSchedule", question.connector_id):
            raise NotFound("The connector was not asked for its schedule by this command.", "command_id")
        return command

    async def _ask(
        self, tenant_id: TenantId, identity: str, request: ScheduleRequest, unit: Unit, ask: AskOptions
    ) -> CommandRecord:
        payload = {
            "connectorId": request.connector_id,
            "duration": request.options.duration_s,
            "chargingRateUnit": unit,
        }
        text = orjson.dumps(payload).decode()
        command = CommandRequest(identity, "GetCompositeSchedule", text, ask.issued_by)
        return await self._commands.issue(tenant_id, command, wait_s=ask.wait_s)


async def _existing(
    work: TenantWork, charging_profile_id: int, *, to_change: bool = False
) -> ChargingProfileRecord:
    record = await ChargingProfileStore(work).get(charging_profile_id, to_change=to_change)
    if record is None:
        raise _not_found()
    return record


def _not_found() -> NotFound:
    return NotFound("There is no such charging profile.", "charging_profile_id")


async def _meter_values(
    work: TenantWork, charge_point_id: int, request: ScheduleRequest
) -> list[MeterValueRecord]:
    end = request.start + timedelta(seconds=request.options.duration_s)
    filters = MeterValueFilter(request.connector_id, request.start, end)
    return await TransactionStore(work).meter_values_of_charge_point(
        charge_point_id, _MOST_SAMPLES, filters=filters
    )


def _limits_of(command: CommandRecord, request: ScheduleRequest, zone: tzinfo) -> list[ReportedLimit]:
    """Return the answer of a charge point for a picture; nothing if it cannot be drawn."""
    if command.state != "accepted" or command.result is None:
        return []
    asked_at, duration_s = command.sent_at or request.start, command.payload["duration"]
    reported = read_reported(command.result, asked_at, duration_s, zone)
    if reported is None or reported.unit != request.options.unit:
        return []
    return reported_limits(reported, request.start)


def _title(question: ConnectorQuestion, view: LedgerView) -> str:
    doubt = "" if view.ledger.certain else " (answers are missing)"
    return f"{question.identity}, connector {question.connector_id}{doubt}"
