"""`/v1/webhooks`: servers of a tenant that events are sent to."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
    secret_response,
)
from app.web.inputs import CursorText, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided
from app.webhooks.records import DeliveryState, EventWebhookRecord
from app.webhooks.schemas import (
    Webhook,
    WebhookChange,
    WebhookDelivery,
    WebhookPost,
    WebhookReplay,
    Webhooks,
    WebhookTestResult,
    WebhookWithSecret,
    delivery_of,
    test_result,
    webhook_fields,
)
from app.webhooks.service import PATH, WebhookService, WebhookWithNewSecret

_TAG = Tag("webhooks", "Servers of yours that events are sent to, after the convention of Standard Webhooks.")
_LIVE = frozenset({"failing_since", "position"})
router = api_router(prefix=PATH, tags=[_TAG])

Service = Annotated[WebhookService, Depends(provided(WebhookService))]
WebhookIdPath = Annotated[UUID, Path(description="Id of the webhook.")]
EventIdPath = Annotated[CursorText, Path(description="The `id` of the event.", examples=["NDE"])]


class DeliveryQuery(Paging):
    """The query of the list of deliveries."""

    state: Annotated[
        DeliveryState | SkipJsonSchema[None], Field(description="Only deliveries in this state.")
    ] = None


@router.get("", response_model=Webhooks, responses=problems(304))
async def list_webhooks(access: ReadAccess, webhooks: Service, if_none_match: IfNoneMatch = None) -> Response:
    """List the webhooks, the oldest first, without their secrets. There are up to 20 by default."""
    items = [_shown(record) for record in await webhooks.all(access.tenant_id)]
    return resource_response(Webhooks(items=items), if_none_match=if_none_match)


@router.post(
    "",
    response_model=WebhookWithSecret,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(WebhookPost),
)
async def create_webhook(
    access: WriteAccess, webhooks: Service, body: Annotated[WebhookPost, Depends(json_body(WebhookPost))]
) -> Response:
    """Create a webhook. It gets a secret, which is shown only now, and what happens from now on."""
    return _with_secret(await webhooks.create(access.tenant_id, body.record(), access.issued_by))


@router.get("/{webhook_id}", response_model=Webhook, responses=problems(304, 404))
async def get_webhook(
    access: ReadAccess, webhooks: Service, webhook_id: WebhookIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one webhook, without its secret."""
    record = await webhooks.get(access.tenant_id, webhook_id)
    return resource_response(_shown(record), if_none_match=if_none_match, live_fields=_LIVE)


@router.patch(
    "/{webhook_id}",
    response_model=Webhook,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(WebhookChange),
)
async def change_webhook(
    access: WriteAccess,
    webhooks: Service,
    webhook_id: WebhookIdPath,
    body: Annotated[WebhookChange, Depends(json_body(WebhookChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a webhook, or disable or enable it."""

    def compare(found: EventWebhookRecord) -> None:
        require_match(if_match, entity_tag(_shown(found), _LIVE))

    changes = body.changes()
    record = await webhooks.change(access.tenant_id, webhook_id, changes, access.issued_by, compare)
    return resource_response(_shown(record), live_fields=_LIVE)


@router.delete("/{webhook_id}", status_code=204, responses=problems(404))
async def delete_webhook(access: WriteAccess, webhooks: Service, webhook_id: WebhookIdPath) -> Response:
    """Remove a webhook and the log of its deliveries."""
    await webhooks.delete(access.tenant_id, webhook_id, access.issued_by)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/secret", response_model=WebhookWithSecret, status_code=201, responses=problems(404)
)
async def replace_webhook_secret(
    access: WriteAccess, webhooks: Service, webhook_id: WebhookIdPath
) -> Response:
    """Make another secret, and show it once. For 24 hours messages are signed with both."""
    return _with_secret(await webhooks.replace_secret(access.tenant_id, webhook_id, access.issued_by))


@router.post("/{webhook_id}/test", response_model=WebhookTestResult, responses=problems(404))
async def test_webhook(access: WriteAccess, webhooks: Service, webhook_id: WebhookIdPath) -> Response:
    """Send an event of the type `webhook.test` now, and show what came back. It is not in the log."""
    return resource_response(test_result(await webhooks.test(access.tenant_id, webhook_id)))


@router.post(
    "/{webhook_id}/replay",
    response_model=Webhook,
    status_code=202,
    responses=problems(404, 410, body=True),
    openapi_extra=body_of(WebhookReplay),
)
async def replay_webhook(
    access: WriteAccess,
    webhooks: Service,
    webhook_id: WebhookIdPath,
    body: Annotated[WebhookReplay, Depends(json_body(WebhookReplay))],
) -> Response:
    """Send all events behind a cursor again, in their order. Each has the message id that it had before."""
    after = decode_cursor(body.after, LargeIntegerKey, "after")
    record = await webhooks.replay(access.tenant_id, webhook_id, after, access.issued_by)
    return resource_response(_shown(record), status_code=202, live_fields=_LIVE)


@router.get("/{webhook_id}/deliveries", response_model=Page[WebhookDelivery], responses=problems(404))
async def list_webhook_deliveries(
    access: ReadAccess,
    webhooks: Service,
    webhook_id: WebhookIdPath,
    query: Annotated[DeliveryQuery, Query()],
) -> Response:
    """List the deliveries of a webhook, the newest event first.

    All that are pending are there, and of those that were delivered or are dead the newest 1000 each.
    """
    before = decode_cursor(query.cursor, LargeIntegerKey)
    rows = await webhooks.deliveries(access.tenant_id, webhook_id, query.limit + 1, before, query.state)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.position)
    return page_response(
        Page[WebhookDelivery](items=[delivery_of(row) for row in page], next_cursor=next_cursor)
    )


@router.post(
    "/{webhook_id}/deliveries/{webhook_event_id}/resend",
    status_code=202,
    response_class=Response,
    responses=problems(404, 409),
)
async def resend_webhook_event(
    access: WriteAccess, webhooks: Service, webhook_id: WebhookIdPath, webhook_event_id: EventIdPath
) -> Response:
    """Send one event again. It is in the log as pending until it is delivered."""
    position = decode_cursor(webhook_event_id, LargeIntegerKey, "webhook_event_id") or 0
    await webhooks.resend(access.tenant_id, webhook_id, position, access.issued_by)
    return Response(status_code=202)


def _shown(record: EventWebhookRecord) -> Webhook:
    return Webhook.model_validate(webhook_fields(record))


def _with_secret(stored: WebhookWithNewSecret) -> Response:
    shown = _shown(stored.record).model_dump()
    location = f"{PATH}/{stored.record.id}"
    return secret_response(WebhookWithSecret(**shown, secret=stored.secret), location)
