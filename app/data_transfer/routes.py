"""`/v1/data-transfer-subscriptions` and `/v1/data-transfers`: messages that vendors define."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.data_transfer.records import NewSubscription, TransferDirection, TransferFilter
from app.data_transfer.schemas import (
    DataTransferMessage,
    DataTransferSubscription,
    DataTransferSubscriptionPut,
    DataTransferSubscriptions,
    DataTransferSubscriptionWithSecret,
    MessageId,
    VendorId,
    transfer_fields,
)
from app.data_transfer.service import PATH, DataTransferService, StoredSubscription
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, encoded_page_response, resource_response, secret_response
from app.web.inputs import Identity, Paging, Time
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded_page
from app.web.services import provided

_TAG = Tag("data-transfer", "Messages that vendors define: who answers them, and what was exchanged.")
router = api_router(prefix=PATH, tags=[_TAG])
transfer_router = api_router(prefix="/v1/data-transfers", tags=["data-transfer"])

Transfers = Annotated[DataTransferService, Depends(provided(DataTransferService))]
SubscriptionIdPath = Annotated[UUID, Path(description="Id of the subscription.")]


class DataTransferQuery(Paging):
    """The query of the list of messages."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    vendor_id: VendorId | SkipJsonSchema[None] = None
    message_id: MessageId | SkipJsonSchema[None] = None
    direction: TransferDirection | SkipJsonSchema[None] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Messages at or after this time.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Messages before this time.")
    ] = None


@router.get("", response_model=DataTransferSubscriptions, responses=problems(304))
async def list_data_transfer_subscriptions(
    access: ReadAccess, transfers: Transfers, if_none_match: IfNoneMatch = None
) -> Response:
    """List the subscriptions, by vendor and message. There are up to 200."""
    items = [DataTransferSubscription.model_validate(one) for one in await transfers.all(access.tenant_id)]
    return resource_response(DataTransferSubscriptions(items=items), if_none_match=if_none_match)


@router.post(
    "",
    response_model=DataTransferSubscriptionWithSecret,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(DataTransferSubscriptionPut),
)
async def create_data_transfer_subscription(
    access: WriteAccess,
    transfers: Transfers,
    body: Annotated[DataTransferSubscriptionPut, Depends(json_body(DataTransferSubscriptionPut))],
) -> Response:
    """Answer messages of a vendor: by a stored answer, or by a webhook.

    The subscription of a message wins over the one of all messages of its vendor, and over what this server
    answers itself. All servers follow within seconds.
    """
    new = NewSubscription(**dict(body))
    return _with_secret(await transfers.create(access.tenant_id, new, access.issued_by))


@router.get("/{subscription_id}", response_model=DataTransferSubscription, responses=problems(304, 404))
async def get_data_transfer_subscription(
    access: ReadAccess,
    transfers: Transfers,
    subscription_id: SubscriptionIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one subscription, without its secret."""
    record = await transfers.get(access.tenant_id, subscription_id)
    return resource_response(DataTransferSubscription.model_validate(record), if_none_match=if_none_match)


@router.put(
    "/{subscription_id}",
    response_model=DataTransferSubscription,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(DataTransferSubscriptionPut),
)
async def replace_data_transfer_subscription(
    access: WriteAccess,
    transfers: Transfers,
    subscription_id: SubscriptionIdPath,
    body: Annotated[DataTransferSubscriptionPut, Depends(json_body(DataTransferSubscriptionPut))],
) -> Response:
    """Replace a subscription. Its secret stays. Members that are not given have their defaults."""
    new = NewSubscription(**dict(body))
    record = await transfers.replace(access.tenant_id, subscription_id, new, access.issued_by)
    return resource_response(DataTransferSubscription.model_validate(record))


@router.delete("/{subscription_id}", status_code=204, responses=problems(404))
async def delete_data_transfer_subscription(
    access: WriteAccess, transfers: Transfers, subscription_id: SubscriptionIdPath
) -> Response:
    """Remove a subscription."""
    await transfers.delete(access.tenant_id, subscription_id, access.issued_by)
    return Response(status_code=204)


@router.post(
    "/{subscription_id}/secret",
    response_model=DataTransferSubscriptionWithSecret,
    status_code=201,
    responses=problems(404),
)
async def replace_data_transfer_secret(
    access: WriteAccess, transfers: Transfers, subscription_id: SubscriptionIdPath
) -> Response:
    """Make another secret, and show it once. For 24 hours requests are signed with both."""
    return _with_secret(await transfers.replace_secret(access.tenant_id, subscription_id, access.issued_by))


@transfer_router.get("", response_model=Page[DataTransferMessage], responses=problems())
async def list_data_transfers(
    access: ReadAccess, transfers: Transfers, query: Annotated[DataTransferQuery, Query()]
) -> Response:
    """List the DataTransfer messages of both directions, the newest first. Some are left out under load."""
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = TransferFilter(
        query.charge_point, query.vendor_id, query.message_id, query.direction, query.from_at, query.to_at
    )
    rows = await transfers.transfers(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    return encoded_page_response(encoded_page([transfer_fields(row) for row in page], next_cursor))


def _with_secret(stored: StoredSubscription) -> Response:
    shown = DataTransferSubscription.model_validate(stored.record).model_dump()
    location = f"{PATH}/{stored.record.id}"
    return secret_response(DataTransferSubscriptionWithSecret(**shown, secret=stored.secret), location)
