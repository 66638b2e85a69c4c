"""`/v1/certificate-forecast`: which charge points will not connect on which day, and what cures it."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.certificates.rules.forecast_values import ConnectFailure, Cure
from app.certificates.schemas.forecast import (
    CertificateForecast,
    ForecastChain,
    ForecastCure,
    ForecastDay,
    ForecastFailure,
    ForecastPost,
)
from app.certificates.service.forecast import (
    ChainText,
    ForecastInput,
    ForecastResult,
    ForecastService,
    PlannedChains,
)
from app.clock import Clock
from app.errors import FieldViolation, InvalidInput
from app.web.access import ReadAccess
from app.web.conditional import resource_response
from app.web.inputs import Time
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/v1/certificate-forecast", tags=["certificates"])

Forecasts = Annotated[ForecastService, Depends(provided(ForecastService))]
_DEFAULT_SPAN: Final = timedelta(days=90)
_LONGEST_SPAN: Final = timedelta(days=3660)
_SHOWN: Final = 1000
"""The most failures, and the most unknown charge points, of one answer."""


class ForecastQuery(BaseModel):
    """The span of a forecast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: Annotated[Time | SkipJsonSchema[None], Field(description="Default: 90 days from now.")] = None
    planned_change: Annotated[
        Time | SkipJsonSchema[None],
        Field(description="When the server begins to send the planned chains of its settings."),
    ] = None


@router.get("", response_model=CertificateForecast, responses=problems(503))
async def get_certificate_forecast(
    access: ReadAccess, forecasts: Forecasts, query: Annotated[ForecastQuery, Query()]
) -> Response:
    """Tell which charge points will not connect on which day, by the certificates that are known now."""
    until = query.until or forecasts.clock.now() + _DEFAULT_SPAN
    _check_span(forecasts.clock, until, "until")
    asked = ForecastInput(until, planned_change=query.planned_change)
    return resource_response(_shown(await forecasts.forecast(access.tenant_id, asked)))


@router.post(
    "",
    response_model=CertificateForecast,
    responses=problems(503, body=True),
    openapi_extra=body_of(ForecastPost),
)
async def forecast_planned_change(
    access: ReadAccess,
    forecasts: Forecasts,
    body: Annotated[ForecastPost, Depends(json_body(ForecastPost))],
) -> Response:
    """Tell the same for other chains of the server, now and after planned changes. Nothing changes."""
    until = body.until or forecasts.clock.now() + _DEFAULT_SPAN
    _check_span(forecasts.clock, until, "/until")
    asked = ForecastInput(
        until,
        None if body.server_chains is None else _named(body.server_chains),
        tuple(PlannedChains(change.at, _named(change.server_chains)) for change in body.planned_changes),
    )
    return resource_response(_shown(await forecasts.forecast(access.tenant_id, asked)))


def _check_span(clock: Clock, until: Time, pointer: str) -> None:
    now = clock.now()
    if not now < until <= now + _LONGEST_SPAN:
        detail = "must be in the future, and within ten years"
        raise InvalidInput([FieldViolation(pointer, "out_of_range", detail)])


def _named(chains: list[str]) -> tuple[ChainText, ...]:
    return tuple(ChainText(f"chain {number}", text) for number, text in enumerate(chains, 1))


def _shown(result: ForecastResult) -> CertificateForecast:
    failures = [failure for day in result.forecast.days for failure in day.failures]
    days: list[ForecastDay] = []
    left = _SHOWN
    for day in result.forecast.days:
        shown = [_shown_failure(failure) for failure in day.failures[:left]]
        left -= len(shown)
        if shown:
            days.append(ForecastDay(day=day.day, failures=shown))
    return CertificateForecast(
        begin=result.begin,
        until=result.until,
        server_chains=[
            ForecastChain(
                name=chain.name,
                subject=chain.certificates[0].subject,
                not_after=min(one.not_after for one in chain.certificates),
            )
            for chain in result.chains
        ],
        failing=len({failure.identity for failure in failures}),
        is_truncated=len(failures) > _SHOWN,
        days=days,
        unknown=len(result.forecast.unknown),
        unknown_charge_points=list(result.forecast.unknown[:_SHOWN]),
    )


def _shown_failure(failure: ConnectFailure) -> ForecastFailure:
    return ForecastFailure(
        charge_point=failure.identity,
        reason=failure.reason,
        at=failure.at,
        until=failure.until,
        is_certain=failure.is_certain,
        chain=failure.chain,
        certificate=failure.certificate,
        cures=[_shown_cure(cure) for cure in failure.cures],
    )


def _shown_cure(cure: Cure) -> ForecastCure:
    return ForecastCure(
        kind=cure.kind, before=cure.before, certificate=cure.certificate, subject=cure.subject
    )
