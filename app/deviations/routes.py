"""`/v1/charge-points/{identity}/deviations`, and `/v1/interoperability`: the scores of kinds of software."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.deviations.records import DeviationFilter, SoftwareFilter
from app.deviations.schemas import (
    ChargePointDeviation,
    Interoperability,
    deviation_resource,
    interoperability_of,
)
from app.deviations.service import DeviationService
from app.web.access import ReadAccess
from app.web.conditional import page_response
from app.web.inputs import IdentityPath, Line, Paging, Time
from app.web.pagination import IntegerKey, Page, TextKey, cut_page, decode_cursor, encode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided
from app.web.wording import CODE_PATTERN

_TAG = Tag("deviations", "How charge points deviate from the standard, and how well each software fits it.")

router = api_router(prefix="/v1/charge-points/{identity}/deviations", tags=[_TAG])
interoperability_router = api_router(prefix="/v1/interoperability", tags=[_TAG])

Deviations = Annotated[DeviationService, Depends(provided(DeviationService))]
Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
SoftwareName = Annotated[Line, StringConstraints(min_length=1, max_length=50)]


class DeviationQuery(Paging):
    """The query of the list of a charge point's deviations."""

    code: Annotated[Code | SkipJsonSchema[None], Field(description="Only this deviation.")] = None
    since: Annotated[
        Time | SkipJsonSchema[None], Field(description="Only those that were seen at this time or later.")
    ] = None


class InteroperabilityQuery(Paging):
    """The query of the list of scores."""

    vendor: Annotated[SoftwareName | SkipJsonSchema[None], Field(description="Only of this vendor.")] = None
    model: Annotated[SoftwareName | SkipJsonSchema[None], Field(description="Only of this model.")] = None


@router.get("", response_model=Page[ChargePointDeviation], responses=problems(404))
async def list_deviations(
    access: ReadAccess,
    deviations: Deviations,
    identity: IdentityPath,
    query: Annotated[DeviationQuery, Query()],
) -> Response:
    """List the deviations of a charge point from the standard, in the order of their codes.

    `GET /v1/protocols/ocpp-16j/deviations` explains each code. The counts are written every 10 seconds.
    """
    after = decode_cursor(query.cursor, TextKey)
    filters = DeviationFilter(query.code, query.since)
    rows = await deviations.page(access.tenant_id, identity, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["code"])
    items = [deviation_resource(row, identity) for row in page]
    return page_response(Page[ChargePointDeviation](items=items, next_cursor=next_cursor))


@interoperability_router.get("", response_model=Page[Interoperability], responses=problems())
async def list_interoperability(
    access: ReadAccess, deviations: Deviations, query: Annotated[InteroperabilityQuery, Query()]
) -> Response:
    """List how well each vendor, model and firmware of your charge points fits the standard, the worst first.

    Those without a score are the last ones. At most 2000 are listed, those with the most CALLs.
    """
    # The order may change between two pages, so a page begins at a number, not behind an item.
    start = decode_cursor(query.cursor, IntegerKey) or 0
    filters = SoftwareFilter(query.vendor, query.model)
    scored = await deviations.scores(access.tenant_id, filters)
    end = start + query.limit
    items = [interoperability_of(counted, score) for counted, score in scored[start:end]]
    next_cursor = encode_cursor(end) if end < len(scored) else None
    return page_response(Page[Interoperability](items=items, next_cursor=next_cursor))
