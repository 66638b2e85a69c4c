"""`/v1/transactions`: the billing records of a tenant, to read. They are written by charge points only."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.database.prepared import Row
from app.errors import NotFound
from app.transactions.meter_value_routes import meter_value_page
from app.transactions.records import TransactionFilter
from app.transactions.schemas import MeterValue, Transaction
from app.transactions.store.reading import TransactionReads
from app.web import hot_reads
from app.web.access import ReadAccess, ServicesDependency
from app.web.conditional import IfNoneMatch, encoded_page_response, encoded_response
from app.web.hot_reads import encoded, encoded_page
from app.web.inputs import (
    DIGITS,
    INTEGER_MAXIMUM,
    Identity,
    IdTagText,
    Paging,
    PagingQuery,
    QueryBoolean,
    Time,
    TransactionIdPath,
)
from app.web.pagination import IntegerKey, NumberedMoment, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/transactions", tags=["transactions"])


class TransactionQuery(Paging):
    """How to narrow the listing of transactions. What is left out does not narrow."""

    charge_point: Annotated[Identity | SkipJsonSchema[None], Field(description="Identity, exactly.")] = None
    connector_id: Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None] = None
    id_tag: Annotated[IdTagText | SkipJsonSchema[None], Field(description="In any case.")] = None
    open: Annotated[
        QueryBoolean | SkipJsonSchema[None], Field(description="true: running; false: stopped.")
    ] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Started at this time or later.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Started before this time.")
    ] = None


async def _existing(reads: TransactionReads, transaction_id: int) -> Row:
    row = await reads.get(transaction_id)
    if row is None:
        raise NotFound("There is no such transaction.", "transaction_id")
    return row


@router.get("", response_model=Page[Transaction], responses=problems())
async def list_transactions(
    access: ReadAccess, services: ServicesDependency, query: Annotated[TransactionQuery, Query()]
) -> Response:
    """List transactions, the newest id first. Times are those the charge point reported."""
    after = decode_cursor(query.cursor, IntegerKey)
    filters = TransactionFilter(
        identity=query.charge_point,
        connector_id=query.connector_id,
        id_tag=query.id_tag,
        open=query.open,
        from_at=query.from_at,
        to_at=query.to_at,
    )
    rows = await TransactionReads(services.database.reads, access.tenant_id).page(
        query.limit + 1, after, filters
    )
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    return encoded_page_response(encoded_page([hot_reads.transaction(row) for row in page], next_cursor))


@router.get("/{transaction_id}", response_model=Transaction, responses=problems(304, 404))
async def get_transaction(
    access: ReadAccess,
    services: ServicesDependency,
    transaction_id: TransactionIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one transaction by its OCPP transactionId."""
    row = await _existing(TransactionReads(services.database.reads, access.tenant_id), transaction_id)
    return encoded_response(encoded(hot_reads.transaction(row)), if_none_match=if_none_match)


@router.get("/{transaction_id}/meter-values", response_model=Page[MeterValue], responses=problems(404))
async def list_transaction_meter_values(
    access: ReadAccess,
    services: ServicesDependency,
    transaction_id: TransactionIdPath,
    paging: PagingQuery,
) -> Response:
    """List the meter values of a transaction in the order of their time, those of its stop included."""
    key = decode_cursor(paging.cursor, NumberedMoment)
    after = None if key is None else (key.at, key.number)
    reads = TransactionReads(services.database.reads, access.tenant_id)
    transaction = await _existing(reads, transaction_id)
    rows = await reads.meter_values_of_transaction(transaction, paging.limit + 1, after)
    return meter_value_page(rows, paging.limit)
