"""The composite schedule of a connector: ours from the ledger, and the charge point's own."""

from typing import Annotated

from fastapi import Depends, Query
from starlette.responses import Response

from app.commands.records import CommandRecord
from app.errors import Forbidden
from app.smart_charging.drift import Drift
from app.smart_charging.routes.composite_schedule import PICTURE, SVG_TYPE
from app.smart_charging.schemas.connector_schedule import (
    CompareQuery,
    ConnectorSchedule,
    ReportedSchedule,
    ScheduleDeparture,
    ScheduleDrift,
    ScheduleQuery,
)
from app.smart_charging.service import AskOptions, ConnectorQuestion, ConnectorScheduleService
from app.types import Json
from app.web.access import ReadAccess
from app.web.conditional import page_response
from app.web.inputs import ConnectorIdPath, IdentityPath
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(
    prefix="/v1/charge-points/{identity}/connectors/{connector_id}", tags=["charging-profiles"]
)

_Schedules = Annotated[ConnectorScheduleService, Depends(provided(ConnectorScheduleService))]


@router.get(
    "/composite-schedule",
    response_model=ConnectorSchedule,
    responses=problems(404, 409),
)
async def get_composite_schedule(
    access: ReadAccess,
    schedules: _Schedules,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    query: Annotated[CompareQuery, Query()],
) -> Response:
    """Compute the limits of a connector, 0 for the whole charge point, from its accepted profiles.

    If an answer to a profile is missing, the highest of the possible limits is shown, because the grid must
    be able to carry it. With `ask` the charge point's own schedule is shown too, and where the two differ.
    """
    if query.ask and "command" not in access.principal.scopes:
        raise Forbidden("To ask the charge point the API key needs the scope 'command'.")
    ask = AskOptions(access.issued_by, query.wait) if query.ask else None
    compared = await schedules.compare(access.tenant_id, _question(identity, connector_id, query), ask)
    shown = ConnectorSchedule(
        charge_point=identity,
        connector_id=connector_id,
        certain=compared.certain,
        ours=compared.ours,
        reported=None if compared.command is None else _reported(compared.command),
        drift=None if compared.drift is None else _drift(compared.drift),
    )
    return page_response(shown)


@router.get(
    "/composite-schedule.svg",
    response_class=Response,
    responses={200: {"content": {SVG_TYPE: PICTURE}}, **problems(404)},
)
async def draw_composite_schedule(
    access: ReadAccess,
    schedules: _Schedules,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    query: Annotated[ScheduleQuery, Query()],
) -> Response:
    """Draw the limits of a connector, the profiles below them, and the measured values over them.

    With a `scheduleStart` in the past, the meter values since then are drawn, with the present profiles.
    """
    text = await schedules.draw(access.tenant_id, _question(identity, connector_id, query))
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    return Response(text, 200, headers, SVG_TYPE)


def _question(identity: str, connector_id: int, query: ScheduleQuery) -> ConnectorQuestion:
    return ConnectorQuestion(identity, connector_id, query.schedule_start, query.options())


def _reported(command: CommandRecord) -> ReportedSchedule:
    result: Json = command.result or {}
    return ReportedSchedule(
        command_id=command.id,
        state=command.state,
        status=result.get("status"),
        schedule=result.get("chargingSchedule"),
    )


def _drift(drift: Drift) -> ScheduleDrift:
    shown = [ScheduleDeparture.model_validate(departure) for departure in drift.departures]
    return ScheduleDrift(agrees=not shown, charging_rate_unit=drift.unit, departures=shown)
