"""The composite schedule of a connector: ours from the ledger, beside what the charge point says itself."""

import re
from dataclasses import replace
from datetime import MAXYEAR, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal

import orjson
from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.service import existing_charge_point
from app.commands.records import CommandRecord
from app.commands.routes import WAIT_MAXIMUM_S
from app.configuration.store import ConfigurationStore
from app.errors import Forbidden, InvalidInput
from app.smart_charging.abilities import abilities_of
from app.smart_charging.drift import departures, read_reported
from app.smart_charging.expected_schedule import ScheduleRequest, draw_expected, expected_schedule
from app.smart_charging.ledger_reading import LedgerView, load_ledger
from app.smart_charging.measured import measured_over_time
from app.smart_charging.routes.composite_schedule import PICTURE, SVG_TYPE
from app.smart_charging.schemas.resources import (
    ConnectorSchedule,
    ReportedSchedule,
    ScheduleDeparture,
    ScheduleDrift,
)
from app.transactions.records import MeterValueFilter
from app.transactions.store.reading import TransactionStore
from app.types import Json
from app.web.access import ReadAccess, Services, ServicesDependency, TenantAccess
from app.web.computation import compute
from app.web.conditional import page_response
from app.web.exact_json import has_hundredths
from app.web.inputs import DIGITS, ConnectorIdPath, IdentityPath, QueryBoolean, Time
from app.web.problems import invalid_parameter, problems
from app.web.routers import api_router

router = api_router(
    prefix="/v1/charge-points/{identity}/connectors/{connector_id}", tags=["charging-profiles"]
)

_MOST_SAMPLES = 10_000
"""A day of a sample every ten seconds: more than a picture has pixels for."""
LONGEST_S = 366 * 86_400
_LAST_YEAR = MAXYEAR - 1
"""What starts before it ends while there still are dates."""
_NUMBER = re.compile(r"\d{1,10}(\.\d+)?", re.ASCII)


def _in_tenths(value: object) -> object:
    """By its text, for 21.4 is no multiple of 0.1 in binary."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value) or has_hundredths(Decimal(value)):
            raise ValueError("is no positive number with at most one decimal place")
        return float(value)
    return value


_Rate = Annotated[float, Field(ge=0, le=100_000_000), BeforeValidator(_in_tenths)] | SkipJsonSchema[None]


class ScheduleQuery(BaseModel):
    """What to lay out. The names are those of GetCompositeSchedule and of the dry run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duration: Annotated[int, Field(ge=0, le=LONGEST_S), DIGITS, Field(description="Seconds.")] = 86_400
    charging_rate_unit: Annotated[Literal["A", "W"], Field(alias="chargingRateUnit")] = "A"
    schedule_start: Annotated[
        Time | SkipJsonSchema[None], Field(alias="scheduleStart", description="Now, when left out.")
    ] = None
    assume_transaction: Annotated[
        QueryBoolean,
        Field(alias="assumeTransaction", description="Where none runs: what would a car get that begins?"),
    ] = True
    hardware_max_a: Annotated[
        _Rate, Field(alias="hardwareMaxA", description="Amperes that a connector can give.")
    ] = None
    hardware_max_w: Annotated[
        _Rate, Field(alias="hardwareMaxW", description="Watts that a connector can give.")
    ] = None
    nominal_voltage: Annotated[
        int, Field(ge=1, le=1000), DIGITS, Field(alias="nominalVoltage", description="Line to neutral.")
    ] = 230
    current_type: Annotated[Literal["AC", "DC"], Field(alias="currentType")] = "AC"
    strict_tx_override: Annotated[QueryBoolean, Field(alias="strictTxOverride")] = False
    recurring_before_anchor: Annotated[QueryBoolean, Field(alias="recurringBeforeAnchor")] = False

    def request(self, connector_id: int, now: datetime, number_of_connectors: int | None) -> ScheduleRequest:
        """The same, as the ledger is asked.

        Raises:
            InvalidInput: it starts where no calendar can name its end.
        """
        start = (self.schedule_start or now).replace(microsecond=0)
        if start.year >= _LAST_YEAR:
            raise invalid_parameter("scheduleStart", f"must be before the year {_LAST_YEAR}", "out_of_range")
        rates: tuple[tuple[Literal["A", "W"], float | None], ...] = (
            ("A", self.hardware_max_a),
            ("W", self.hardware_max_w),
        )
        return ScheduleRequest(
            connector_id,
            start,
            self.duration,
            self.charging_rate_unit,
            self.assume_transaction,
            tuple((unit, rate) for unit, rate in rates if rate is not None),
            self.nominal_voltage,
            self.current_type,
            number_of_connectors,
            self.strict_tx_override,
            self.recurring_before_anchor,
        )


class CompareQuery(ScheduleQuery):
    """What to lay out, and whether to ask the charge point too."""

    ask: Annotated[
        QueryBoolean,
        Field(description="Ask the charge point too, by GetCompositeSchedule; needs the scope `command`."),
    ] = False
    wait: Annotated[
        int, Field(ge=1, le=WAIT_MAXIMUM_S), DIGITS, Field(description="Seconds to wait for its answer.")
    ] = 10


@router.get(
    "/composite-schedule",
    response_model=ConnectorSchedule,
    responses=problems(404, 409),
)
async def get_composite_schedule(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    query: Annotated[CompareQuery, Query()],
) -> Response:
    """Lay out the limits of a connector, 0 for the whole charge point, as its accepted profiles make them.

    Where an answer to a profile is missing, the highest of the possible limits is shown: what the grid must
    bear. With `ask` the charge point's own schedule stands beside it, and where the two differ.
    """
    if query.ask and "command" not in access.principal.scopes:
        raise Forbidden("To ask the charge point the API key needs the scope 'command'.")
    view, request = await _read_ledger(services, access, identity, connector_id, query)
    ours = await compute(access.tenant_id, partial(expected_schedule, view, request))
    reported, drift = None, None
    if query.ask:
        command = await _ask(services, access, identity, request, query.wait)
        reported = _reported(command)
        drift = await compute(access.tenant_id, partial(_drift, view, request, command))
    shown = ConnectorSchedule(
        charge_point=identity,
        connector_id=connector_id,
        certain=view.ledger.certain,
        ours=ours,
        reported=reported,
        drift=drift,
    )
    return page_response(shown)


@router.get(
    "/composite-schedule.svg",
    response_class=Response,
    responses={200: {"content": {SVG_TYPE: PICTURE}}, **problems(404)},
)
async def draw_composite_schedule(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    query: Annotated[ScheduleQuery, Query()],
) -> Response:
    """Draw the limits of a connector, the profiles beneath them, and what the meter said over them.

    With a `scheduleStart` in the past the meter values since then are drawn; the profiles are those of now.
    """
    view, request = await _read_ledger(services, access, identity, connector_id, query)
    end = request.start + timedelta(seconds=request.duration_s)
    filters = MeterValueFilter(connector_id, request.start, end)
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        rows = await TransactionStore(work).meter_values_of_charge_point(
            record.id, _MOST_SAMPLES, filters=filters
        )
    doubt = "" if view.ledger.certain else " (answers are missing)"
    title = f"{identity}, connector {connector_id}{doubt}"
    measured = measured_over_time(rows, request.unit)
    text = await compute(access.tenant_id, partial(draw_expected, view, request, title, measured))
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    return Response(text, 200, headers, SVG_TYPE)


async def _read_ledger(
    services: Services, access: TenantAccess, identity: str, connector_id: int, query: ScheduleQuery
) -> tuple[LedgerView, ScheduleRequest]:
    """The ledger of the charge point, and what to ask of it.

    Raises:
        NotFound: the tenant has no such charge point.
    """
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        view = await load_ledger(work, record.id)
        abilities = abilities_of(await ConfigurationStore(work).for_charge_point(record.id))
    return view, query.request(connector_id, services.clock.now(), abilities.connectors)


async def _ask(
    services: Services, access: TenantAccess, identity: str, request: ScheduleRequest, wait_s: int
) -> CommandRecord:
    payload = {
        "connectorId": request.connector_id,
        "duration": request.duration_s,
        "chargingRateUnit": request.unit,
    }
    text = orjson.dumps(payload).decode()
    return await services.commands.issue(
        access.tenant_id,
        identity,
        "GetCompositeSchedule",
        text,
        issued_by=access.issued_by,
        wait_s=wait_s,
    )


def _reported(command: CommandRecord) -> ReportedSchedule:
    result: Json = command.result or {}
    return ReportedSchedule(
        command_id=command.id,
        state=command.state,
        status=result.get("status"),
        schedule=result.get("chargingSchedule"),
    )


def _drift(view: LedgerView, request: ScheduleRequest, command: CommandRecord) -> ScheduleDrift | None:
    """The comparison from the charge point's own start on and in its unit; None when none is possible."""
    if command.state != "accepted" or command.result is None:
        return None
    reported = read_reported(command.result, command.sent_at or request.start, request.duration_s)
    if reported is None:
        return None
    try:
        ours = expected_schedule(view, replace(request, start=reported.start, unit=reported.unit))
    except InvalidInput:
        # What the caller asked for has been laid out; this is the charge point's start and unit.
        return None
    found = departures(ours, reported)
    shown = [ScheduleDeparture.model_validate(departure) for departure in found]
    return ScheduleDrift(agrees=not found, charging_rate_unit=reported.unit, departures=shown)
