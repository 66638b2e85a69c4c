"""`/v1/charge-point-list` and `/v1/charge-point-rows`: all charge points of a tenant, out and in."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response, StreamingResponse

from app.charge_points import spreadsheet
from app.charge_points.fleet_import import FleetImport
from app.charge_points.records import ChargePointRecord
from app.charge_points.routes.charge_points import Fleet
from app.charge_points.schemas import ChargePointRow
from app.row_results import ImportMode
from app.spreadsheets import CSV_TYPE
from app.types import TenantId
from app.web.access import ReadAccess, WriteAccess
from app.web.negotiation import prefers
from app.web.problems import problems
from app.web.routers import api_router
from app.web.row_body import RowLimits, RowOutcomes, read_rows, row_response, rows_body
from app.web.services import provided

list_router = api_router(prefix="/v1/charge-point-list", tags=["charge-points"])
rows_router = api_router(prefix="/v1/charge-point-rows", tags=["charge-points"])

Limits = Annotated[RowLimits, Depends(provided(RowLimits))]
_JSON_TYPE = "application/json"
_CSV_EXAMPLE = "identity,name,label:site\r\nRDAM-0123,Level 2,north\r\n"


class RowsQuery(BaseModel):
    """Which rows are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ImportMode = "upsert"


@list_router.get(
    "",
    response_class=Response,
    responses={
        200: {
            "description": "All charge points",
            "content": {
                CSV_TYPE: {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
                _JSON_TYPE: {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/ChargePointRow"}},
                    "example": [ChargePointRow.example],
                },
            },
        },
        **problems(409),
    },
)
async def export_charge_points(request: Request, access: ReadAccess, fleet: Fleet) -> Response:
    """Export all charge points as an import takes them: as JSON or, with `Accept: text/csv`, as CSV.

    A cell that a spreadsheet would take for a formula gets a quote mark in front; an import removes it.
    Credentials are not exported.
    """
    as_csv = prefers(request.headers.get("accept", ""), CSV_TYPE, _JSON_TYPE)
    if as_csv:
        content = _csv_of(access.tenant_id, fleet, await fleet.label_keys(access.tenant_id))
    else:
        content = _json_of(access.tenant_id, fleet)
    headers = {"Vary": "Accept", "Cache-Control": "private, no-store"}
    media_type = f"{CSV_TYPE}; charset=utf-8" if as_csv else _JSON_TYPE
    return StreamingResponse(content, 200, headers, media_type)


@rows_router.post(
    "",
    response_model=RowOutcomes,
    responses=problems(body=True),
    openapi_extra=rows_body(ChargePointRow, _CSV_EXAMPLE),
)
async def import_charge_points(
    request: Request, access: WriteAccess, fleet: Fleet, limits: Limits, query: Annotated[RowsQuery, Query()]
) -> Response:
    """Create and change many charge points, as JSON or CSV. Each row is stored or refused by itself.

    Fields that are not given stay as they are. A row may bring the AuthorizationKey that the charge point
    has; a new one without a key cannot log in until `POST /credentials` has made one. In CSV, labels have
    columns such as `label:site`. At most 10 000 rows and 8 MiB, unless the server is set otherwise.
    """
    rows = await read_rows(request, ChargePointRow, "identity", spreadsheet.rows_or_faults, limits)
    return row_response(await fleet.put_rows(access.tenant_id, rows, query.mode, access.issued_by))


async def _csv_of(tenant_id: TenantId, fleet: FleetImport, label_keys: list[str]) -> AsyncIterator[str]:
    yield spreadsheet.header_line(label_keys)
    async for page in fleet.all_pages(tenant_id):
        yield spreadsheet.lines(page, label_keys)


async def _json_of(tenant_id: TenantId, fleet: FleetImport) -> AsyncIterator[str]:
    separator = "["
    async for page in fleet.all_pages(tenant_id):
        for record in page:
            yield separator + orjson.dumps(_exported(record)).decode()
            separator = ",\n"
    yield "[]" if separator == "[" else "]"


def _exported(record: ChargePointRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in spreadsheet.EXPORTED} | {"labels": dict(record.labels)}
