"""`/v1/transactions`, and the meter values and orphan records of a charge point: billing records.

Charge points write them. An operator may end one by hand, or attach an orphan record to it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.computation import compute
from app.events.reader import EventReader, require_reached
from app.transactions.rules.series import SeriesRequest
from app.transactions.schemas import (
    Attachment,
    Evidence,
    EvidenceFrame,
    MeterValue,
    OrphanRecord,
    Transaction,
    TransactionEnd,
    TransactionSeries,
    flag_meanings,
    meter_value_fields,
    series_fields,
    transaction_fields,
)
from app.transactions.service import MOST_POINTS, TransactionService
from app.transactions.stored_records import (
    ChangePlace,
    MeterValueFilter,
    MeterValueRecord,
    TransactionFilter,
)
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfNoneMatch,
    encoded_page_response,
    encoded_response,
    page_response,
    resource_response,
)
from app.web.inputs import (
    DIGITS,
    INTEGER_MAXIMUM,
    CursorText,
    Identity,
    IdentityPath,
    IdTagText,
    Line,
    Paging,
    PagingQuery,
    QueryBoolean,
    Time,
    TransactionIdPath,
)
from app.web.json_body import body_of, json_body
from app.web.pagination import (
    IntegerKey,
    LargeIntegerKey,
    NumberedMoment,
    Page,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from app.web.problems import invalid_parameter, problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded, encoded_page
from app.web.services import provided

_TAG = Tag("transactions", "Transactions, meter values, and billing messages that fit no transaction.")
router = api_router(prefix="/v1/transactions", tags=[_TAG])
meter_value_router = api_router(prefix="/v1/charge-points/{identity}/meter-values", tags=["transactions"])
orphan_record_router = api_router(prefix="/v1/charge-points/{identity}/orphan-records", tags=["transactions"])

_FROM_THE_BEGINNING = "0"

Transactions = Annotated[TransactionService, Depends(provided(TransactionService))]


class _ChangeKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    position: LargeIntegerKey
    transaction_id: IntegerKey


class TransactionListQuery(BaseModel):
    """Which transactions are listed or exported. What is left out does not narrow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge_point: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="The whole identity of the charge point; case-sensitive."),
    ] = None
    id_tag: Annotated[
        IdTagText | SkipJsonSchema[None], Field(description="Id tag; upper and lower case are the same.")
    ] = None
    open: Annotated[
        QueryBoolean | SkipJsonSchema[None],
        Field(description="true: running; false: stopped or presumed ended."),
    ] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Started at this time or later.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Started before this time.")
    ] = None

    def filters(self) -> TransactionFilter:
        """Return what narrows the transactions."""
        return TransactionFilter(
            identity=self.charge_point,
            id_tag=self.id_tag,
            open=self.open,
            from_at=self.from_at,
            to_at=self.to_at,
        )


class TransactionQuery(TransactionListQuery, Paging):
    """How to narrow the listing of transactions. What is left out does not narrow."""

    connector_id: Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None] = None
    changed_since: Annotated[
        CursorText | SkipJsonSchema[None],
        Field(
            description="`0`, or the `next_cursor` of the answer before: those that changed since, the "
            "earliest change first. It goes with `limit` only."
        ),
    ] = None

    def filters(self) -> TransactionFilter:
        """Return what narrows the transactions."""
        return replace(super().filters(), connector_id=self.connector_id)


class MeterValueQuery(Paging):
    """How to narrow the meter values of a charge point. What is left out does not narrow."""

    connector_id: Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Sampled at this time or later.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Sampled before this time.")
    ] = None


_Name = Annotated[Line, Field(max_length=50)] | SkipJsonSchema[None]


class SeriesQuery(BaseModel):
    """Which series of a transaction are returned, and how dense. What is left out does not narrow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measurand: Annotated[_Name, Field(description="Such as Power.Active.Import; case-sensitive.")] = None
    phase: Annotated[_Name, Field(description="Such as L1 or L1-N; case-sensitive.")] = None
    location: Annotated[_Name, Field(description="Such as Outlet or EV; case-sensitive.")] = None
    every_s: Annotated[
        Annotated[int, Field(ge=1, le=86_400), DIGITS] | SkipJsonSchema[None],
        Field(
            description="Return one point for each bucket of so many seconds: the last value of a register, "
            f"the mean of others. Needed if there are more than {MOST_POINTS} points."
        ),
    ] = None


@router.get("", response_model=Page[Transaction], responses=problems())
async def list_transactions(
    access: ReadAccess,
    transactions: Transactions,
    events: Annotated[EventReader, Depends(provided(EventReader))],
    query: Annotated[TransactionQuery, Query()],
) -> Response:
    """List transactions, the latest start first; or poll for changes, for billing.

    With `changed_since` no change is skipped, however late it was committed. `next_cursor` is then always
    there: go on with it at once until a page is empty, and later again. A transaction that changed twice
    comes once, as it is now.
    """
    if query.changed_since is not None:
        place = _place_of(query, query.changed_since)
        changed = await transactions.changed(access.tenant_id, query.limit, place)
        if not changed:
            newest = await events.newest(access.tenant_id)
            require_reached(place.position, newest, "changed_since")
        last = changed[-1].change if changed else place
        items = [transaction_fields(one.record) for one in changed]
        return encoded_page_response(encoded_page(items, encode_cursor(tuple(last))))
    key = decode_cursor(query.cursor, NumberedMoment)
    after = None if key is None else (key.at, key.number)
    records = await transactions.page(access.tenant_id, query.limit + 1, after, query.filters())
    page, next_cursor = cut_page(records, query.limit, lambda record: (record.started_at, record.id))
    return encoded_page_response(encoded_page([transaction_fields(record) for record in page], next_cursor))


def _place_of(query: TransactionQuery, since: str) -> ChangePlace:
    """Return where a poll goes on.

    Raises:
        InvalidInput: there are other parameters, or `since` is not a cursor of a poll.
    """
    for name in sorted(query.model_fields_set - {"changed_since", "limit"}):
        parameter = TransactionQuery.model_fields[name].alias or name
        raise invalid_parameter(parameter, "does not go with changed_since")
    key = None if since == _FROM_THE_BEGINNING else decode_cursor(since, _ChangeKey, "changed_since")
    return ChangePlace(0, 0) if key is None else ChangePlace(key.position, key.transaction_id)


@router.get("/{transaction_id}", response_model=Transaction, responses=problems(304, 404))
async def get_transaction(
    access: ReadAccess,
    transactions: Transactions,
    transaction_id: TransactionIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one transaction by its OCPP transactionId."""
    record = await transactions.get(access.tenant_id, transaction_id)
    return encoded_response(encoded(transaction_fields(record)), if_none_match=if_none_match)


@router.get("/{transaction_id}/meter-values", response_model=Page[MeterValue], responses=problems(404))
async def list_transaction_meter_values(
    access: ReadAccess,
    transactions: Transactions,
    transaction_id: TransactionIdPath,
    paging: PagingQuery,
) -> Response:
    """List the meter values of a transaction in the order of their time, those of its stop included."""
    key = decode_cursor(paging.cursor, NumberedMoment)
    after = None if key is None else (key.at, key.number)
    records = await transactions.meter_values(access.tenant_id, transaction_id, paging.limit + 1, after)
    return _meter_value_page(records, paging.limit)


@router.get("/{transaction_id}/meter-series", response_model=TransactionSeries, responses=problems(404))
async def get_meter_series(
    access: ReadAccess,
    transactions: Transactions,
    transaction_id: TransactionIdPath,
    query: Annotated[SeriesQuery, Query()],
) -> Response:
    """Read the meter values of a transaction as series: for charts, and to check a bill."""
    request = SeriesRequest(query.measurand, query.phase, query.location, query.every_s)
    series, left_out = await transactions.meter_series(access.tenant_id, transaction_id, request)
    content = await compute(access.tenant_id, lambda: encoded(series_fields(query.every_s, series, left_out)))
    return encoded_response(content)


@router.get("/{transaction_id}/evidence", response_model=Evidence, responses=problems(404))
async def get_evidence(
    access: ReadAccess, transactions: Transactions, transaction_id: TransactionIdPath
) -> Response:
    """Read what a transaction rests on: its frames as they came, its flags, and messages that did not fit."""
    record, packed, orphans = await transactions.evidence(access.tenant_id, transaction_id)
    return resource_response(
        Evidence(
            start=EvidenceFrame.of(packed.start_evidence),
            stop=EvidenceFrame.of(packed.stop_evidence),
            orphan_records=[OrphanRecord.model_validate(orphan) for orphan in orphans],
            flags=flag_meanings(record.flags),
        )
    )


@router.post(
    "/{transaction_id}/end",
    response_model=Transaction,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(TransactionEnd),
)
async def end_transaction(
    access: WriteAccess,
    transactions: Transactions,
    transaction_id: TransactionIdPath,
    body: Annotated[TransactionEnd, Depends(json_body(TransactionEnd))],
) -> Response:
    """End a transaction whose stop does not come. Its tag is free again; a late stop still ends it."""
    record = await transactions.end(
        access.tenant_id, transaction_id, access.issued_by, body.reason, body.meter_stop_wh
    )
    return encoded_response(encoded(transaction_fields(record)))


@router.post(
    "/{transaction_id}/orphan-records",
    response_model=Transaction,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(Attachment),
)
async def attach_orphan_record(
    access: WriteAccess,
    transactions: Transactions,
    transaction_id: TransactionIdPath,
    body: Annotated[Attachment, Depends(json_body(Attachment))],
) -> Response:
    """Attach a billing message that fits no transaction to one of its charge point. A stop ends it."""
    record = await transactions.attach_orphan(
        access.tenant_id, transaction_id, access.issued_by, body.reason, body.orphan_record_id
    )
    return encoded_response(encoded(transaction_fields(record)))


@meter_value_router.get("", response_model=Page[MeterValue], responses=problems(404))
async def list_charge_point_meter_values(
    access: ReadAccess,
    transactions: Transactions,
    identity: IdentityPath,
    query: Annotated[MeterValueQuery, Query()],
) -> Response:
    """List the meter values of a charge point by their time, those outside any transaction included."""
    key = decode_cursor(query.cursor, NumberedMoment)
    after = None if key is None else (key.at, key.number)
    filters = MeterValueFilter(query.connector_id, query.from_at, query.to_at)
    records = await transactions.meter_values_of_charge_point(
        access.tenant_id, identity, query.limit + 1, after, filters
    )
    return _meter_value_page(records, query.limit)


@orphan_record_router.get("", response_model=Page[OrphanRecord], responses=problems(404))
async def list_orphan_records(
    access: ReadAccess, transactions: Transactions, identity: IdentityPath, paging: PagingQuery
) -> Response:
    """List the billing messages of a charge point that fit no transaction, the newest first."""
    after = decode_cursor(paging.cursor, LargeIntegerKey)
    records = await transactions.orphan_records(access.tenant_id, identity, paging.limit + 1, after)
    page, next_cursor = cut_page(records, paging.limit, lambda record: record.id)
    items = [OrphanRecord.model_validate(record) for record in page]
    return page_response(Page[OrphanRecord](items=items, next_cursor=next_cursor))


def _meter_value_page(records: Sequence[MeterValueRecord], limit: int) -> Response:
    """Return a page of meter values. records: read with `limit + 1`."""
    page, next_cursor = cut_page(records, limit, lambda record: (record.sampled_at, record.digest))
    return encoded_page_response(encoded_page([meter_value_fields(record) for record in page], next_cursor))
