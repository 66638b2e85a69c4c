"""`/v1/charge-points/{identity}/meter-values`: what the meters said, within a transaction or not."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.api.charge_points import existing_charge_point
from app.api.conditional import page_response
from app.api.deps import ReadAccess, ServicesDependency
from app.api.inputs import DIGITS, INTEGER_MAXIMUM, IdentityPath, Paging, Time
from app.api.pagination import NumberedMoment, Page, cut_page, decode_cursor
from app.api.problems import problems
from app.api.resources import MeterValue
from app.api.routers import api_router
from app.store.filters import MeterValueFilter

router = api_router(prefix="/v1/charge-points/{identity}/meter-values", tags=["transactions"])


class MeterValueQuery(Paging):
    """How to narrow the meter values of a charge point. What is left out does not narrow."""

    connector_id: Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Sampled at this time or later.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Sampled before this time.")
    ] = None


@router.get("", response_model=Page[MeterValue], responses=problems(404))
async def list_charge_point_meter_values(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    query: Annotated[MeterValueQuery, Query()],
) -> Response:
    """List the meter values of a charge point by their time, those outside any transaction included."""
    key = decode_cursor(query.cursor, NumberedMoment)
    after = None if key is None else (key.at, key.number)
    filters = MeterValueFilter(query.connector_id, query.from_at, query.to_at)
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        rows = await work.meter_values.for_charge_point(record.id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.sampled_at, row.digest))
    items = [MeterValue.model_validate(row) for row in page]
    return page_response(Page[MeterValue](items=items, next_cursor=next_cursor))
