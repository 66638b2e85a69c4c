"""`/v1/transaction-list`: all transactions of a tenant, out."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from app.spreadsheets import CSV_TYPE
from app.transactions.routes.transactions import TransactionListQuery, Transactions
from app.transactions.schemas import Transaction, transaction_fields
from app.transactions.spreadsheet import HEADER, lines
from app.transactions.stored_records import TransactionRecord
from app.web.access import ReadAccess
from app.web.negotiation import prefers
from app.web.problems import problems
from app.web.resources import EXAMPLE_TIME
from app.web.routers import api_router
from app.web.rows import encoded

list_router = api_router(prefix="/v1/transaction-list", tags=["transactions"])

_JSON_TYPE = "application/json"
# The document leaves out members that are null. Its stop came after it was presumed to have ended.
_FULL_EXAMPLE = {
    **Transaction.example,
    "reservation_id": 7,
    "stopped_at": EXAMPLE_TIME,
    "stopped_received_at": EXAMPLE_TIME,
    "meter_stop_wh": 29000,
    "energy_wh": 11000,
    "state": "stopped",
    "presumed_ended_at": EXAMPLE_TIME,
    "presumed_ended_reason": "boot",
    "last_meter_wh": 24000,
    "stop_reason": "Local",
    "stop_id_tag": "B4A63CDF",
    "stop_id_tag_info": {"status": "Accepted"},
}


@list_router.get(
    "",
    response_class=Response,
    responses={
        200: {
            "description": "All transactions that fit",
            "content": {
                CSV_TYPE: {"schema": {"type": "string"}, "example": HEADER},
                _JSON_TYPE: {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Transaction"}},
                    "example": [_FULL_EXAMPLE],
                },
            },
        },
        **problems(),
    },
)
async def export_transactions(
    request: Request,
    access: ReadAccess,
    transactions: Transactions,
    query: Annotated[TransactionListQuery, Query()],
) -> Response:
    """Export transactions for billing, the latest start first: as JSON or, with `Accept: text/csv`, as CSV.

    A cell that a spreadsheet would take for a formula gets a quote mark in front. Flags have blanks between
    them.
    """
    as_csv = prefers(request.headers.get("accept", ""), CSV_TYPE, _JSON_TYPE)
    batches = transactions.batches(access.tenant_id, query.filters())
    content = _csv_of(batches) if as_csv else _json_of(batches)
    headers = {"Vary": "Accept", "Cache-Control": "private, no-store"}
    media_type = f"{CSV_TYPE}; charset=utf-8" if as_csv else _JSON_TYPE
    return StreamingResponse(content, 200, headers, media_type)


async def _csv_of(batches: AsyncIterator[list[TransactionRecord]]) -> AsyncIterator[str]:
    yield HEADER
    async for records in batches:
        yield lines(map(transaction_fields, records))


async def _json_of(batches: AsyncIterator[list[TransactionRecord]]) -> AsyncIterator[bytes]:
    separator = b"["
    async for records in batches:
        for record in records:
            yield separator + encoded(transaction_fields(record))
            separator = b",\n"
    yield b"[]" if separator == b"[" else b"]"
