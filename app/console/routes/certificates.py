"""Certificates: who will not connect and why, those of charge points, requests, and installed roots."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Depends, Path, Request
from pydantic import StringConstraints
from starlette.responses import Response

from app.certificates.rules.forecast_values import ConnectFailure, Reason
from app.certificates.schemas.certificates import RevocationPost, ShownState, shown_certificate
from app.certificates.service.forecast import ForecastInput, ForecastService
from app.certificates.service.installed import CommandOptions, InstalledCertificateService
from app.certificates.service.requests import CERTIFICATES_PATH, CertificateService
from app.certificates.store.certificates import CertificateFilter
from app.certificates.store.requests import RequestFilter
from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.forms import Cursor, QueryText, input_of
from app.console.rendering import ROOT, page, query_text
from app.types import TenantId
from app.web.inputs import IdentityPath
from app.web.pagination import LargeIntegerKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.services import provided
from app.web.wording import SERIAL_PATTERN

router = APIRouter(prefix=f"{ROOT}/certificates", route_class=ConsoleRoute)
charge_point_router = APIRouter(
    prefix=f"{ROOT}/charge-points/{{identity}}/certificates", route_class=ConsoleRoute
)

_Certificates = Annotated[CertificateService, Depends(provided(CertificateService))]
_Forecasts = Annotated[ForecastService, Depends(provided(ForecastService))]
_Installed = Annotated[InstalledCertificateService, Depends(provided(InstalledCertificateService))]
_Serial = Annotated[str, StringConstraints(pattern=SERIAL_PATTERN), Path()]
_ADDRESS: Final = f"{ROOT}/certificates"
_PAGE_SIZE: Final = 50
_NEWEST: Final = 20
"""Requests of one page."""
_FORECAST: Final = timedelta(days=90)
_FAILURES: Final = 50
"""Failures and unknown charge points of a forecast that a page lists; it counts all."""
_STATES: Final[tuple[ShownState, ...]] = get_args(ShownState)
_REASONS: Final[dict[Reason, str]] = {
    "server_certificate_expired": "The certificate of the server has expired.",
    "server_certificate_not_yet_valid": "The certificate of the server is not valid yet.",
    "root_not_installed": "The root of the server is not on the charge point.",
    "root_expired": "The root on the charge point has expired.",
    "root_not_yet_valid": "The root on the charge point is not valid yet.",
    "client_certificate_expired": "The certificate of the charge point has expired.",
    "client_certificate_not_yet_valid": "The certificate of the charge point is not valid yet.",
}


@dataclass(frozen=True, slots=True)
class CertificateListQuery:
    """The parameters that narrow the list. An empty one does not."""

    charge_point: QueryText = ""
    state: ShownState | Literal[""] = ""
    cursor: Cursor = None


@router.get("")
async def certificates_page(
    request: Request,
    person: Viewer,
    certificates: _Certificates,
    forecasts: _Forecasts,
    query: Annotated[CertificateListQuery, Depends()],
) -> Response:
    """Show the forecast, the certificates of charge points and their newest requests."""
    after, now = decode_cursor(query.cursor, LargeIntegerKey), certificates.clock.now()
    identity = query.charge_point.strip() or None
    filters = CertificateFilter(now, identity, query.state or None)
    rows = await certificates.certificates(person.tenant_id, _PAGE_SIZE + 1, after, filters)
    shown, cursor = cut_page(rows, _PAGE_SIZE, lambda row: row.id)
    narrowed = {"charge_point": query.charge_point, "state": query.state}
    values = {
        **await _forecast(person.tenant_id, forecasts),
        "certificates": [shown_certificate(row, now) for row in shown],
        "requests": await certificates.requests(person.tenant_id, _NEWEST, None, RequestFilter(identity)),
        "states": _STATES,
        "narrowed": narrowed,
        "next_address": f"{_ADDRESS}?{query_text({**narrowed, 'cursor': cursor})}" if cursor else None,
        "curl_path": f"{CERTIFICATES_PATH}?{query_text({**narrowed, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "certificates.html", person, values)


@router.post("/{serial}/revoke")
async def revoke_certificate(
    request: Request, person: Operator, certificates: _Certificates, serial: _Serial
) -> Response:
    """Revoke a certificate, with the reason for the audit."""
    body = input_of(RevocationPost, {"reason": (await field_of(request, "reason")).strip()})
    await certificates.revoke(person.tenant_id, serial, body.reason, person.actor)
    return go_to(f"{_ADDRESS}?state=revoked")


@charge_point_router.get("")
async def certificates_of_charge_point(
    request: Request,
    person: Viewer,
    certificates: _Certificates,
    installed: _Installed,
    identity: IdentityPath,
) -> Response:
    """Show the roots on a charge point, its certificates and its requests."""
    now = certificates.clock.now()
    found = await installed.of_charge_point(person.tenant_id, identity)
    own = await certificates.certificates(person.tenant_id, _NEWEST, None, CertificateFilter(now, identity))
    values = {
        "identity": identity,
        "roots": found.items,
        "reports": found.reports,
        "certificates": [shown_certificate(row, now) for row in own],
        "requests": await certificates.requests(person.tenant_id, _NEWEST, None, RequestFilter(identity)),
        "curl_path": location("/v1/charge-points", identity, "installed-certificates"),
    }
    return page(request, "certificates_of_point.html", person, values)


@charge_point_router.post("/refresh")
async def refresh_certificates(person: Operator, installed: _Installed, identity: IdentityPath) -> Response:
    """Ask the charge point for the roots that it has."""
    await installed.refresh(person.tenant_id, identity, CommandOptions(person.actor))
    return go_to(location(f"{ROOT}/charge-points", identity, "commands"))


async def _forecast(tenant_id: TenantId, forecasts: ForecastService) -> dict[str, Any]:
    until = forecasts.clock.now() + _FORECAST
    result = await forecasts.forecast(tenant_id, ForecastInput(until))
    failures: list[ConnectFailure] = [one for day in result.forecast.days for one in day.failures]
    return {
        "until": until,
        "chains": result.chains,
        "failures": failures[:_FAILURES],
        "failing": len({failure.identity for failure in failures}),
        "unlisted": max(0, len(failures) - _FAILURES),
        "unknown": result.forecast.unknown[:_FAILURES],
        "unknown_count": len(result.forecast.unknown),
        "reasons": _REASONS,
        "forecast_path": "/v1/certificate-forecast",
    }
