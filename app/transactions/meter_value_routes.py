"""`/v1/charge-points/{identity}/meter-values`: what the meters said, within a transaction or not."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.service import found_charge_point
from app.charge_points.store import ChargePointReads
from app.database.prepared import Row
from app.transactions.records import MeterValueFilter
from app.transactions.schemas import MeterValue
from app.transactions.store.reading import TransactionReads
from app.web import hot_reads
from app.web.access import ReadAccess, ServicesDependency
from app.web.conditional import encoded_page_response
from app.web.hot_reads import encoded_page
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, IdentityPath, Paging, Time
from app.web.pagination import NumberedMoment, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router


def meter_value_page(rows: Sequence[Row], limit: int) -> Response:
    """A page of meter values. rows: read with `limit + 1`."""
    page, next_cursor = cut_page(rows, limit, lambda row: (row["sampled_at"], row["digest"]))
    return encoded_page_response(encoded_page([hot_reads.meter_value(row) for row in page], next_cursor))


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
    reads = TransactionReads(services.database.reads, access.tenant_id)
    charge_point = found_charge_point(
        await ChargePointReads(services.database.reads, access.tenant_id).get(identity)
    )
    rows = await reads.meter_values_of_charge_point(charge_point["id"], query.limit + 1, after, filters)
    return meter_value_page(rows, query.limit)
