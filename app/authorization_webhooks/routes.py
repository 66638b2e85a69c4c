"""`/v1/authorization-webhook`: the server of a tenant that decides which tags may charge."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.authorization_webhooks.records import AttemptFilter, DecidedBy, NewWebhook
from app.authorization_webhooks.schemas import (
    AttemptReason,
    AuthorizationAttempt,
    AuthorizationWebhook,
    AuthorizationWebhookPut,
    AuthorizationWebhookTest,
    AuthorizationWebhookTestResult,
    NewAuthorizationWebhook,
    attempt_fields,
    reason_of,
)
from app.authorization_webhooks.service import (
    PATH,
    AuthorizationWebhookService,
    StoredWebhook,
    TestQuestion,
)
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, encoded_page_response, resource_response, secret_response
from app.web.inputs import Identity, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded_page
from app.web.services import provided

router = api_router(
    prefix=PATH,
    tags=[Tag("authorization-webhook", "A server of yours that decides which tags may charge.")],
)

Webhooks = Annotated[AuthorizationWebhookService, Depends(provided(AuthorizationWebhookService))]


class AttemptQuery(Paging):
    """The query of the list of questions."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    reason: AttemptReason | SkipJsonSchema[None] = None
    decided_by: DecidedBy | SkipJsonSchema[None] = None


@router.get("", response_model=AuthorizationWebhook, responses=problems(304, 404))
async def get_authorization_webhook(
    access: ReadAccess, webhooks: Webhooks, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the webhook, without its secret."""
    record = await webhooks.get(access.tenant_id)
    return resource_response(AuthorizationWebhook.model_validate(record), if_none_match=if_none_match)


@router.put(
    "",
    response_model=AuthorizationWebhook,
    responses={
        201: {"model": NewAuthorizationWebhook, "description": "Created. The secret is shown only now."},
        **problems(body=True),
    },
    openapi_extra=body_of(AuthorizationWebhookPut),
)
async def put_authorization_webhook(
    access: WriteAccess,
    webhooks: Webhooks,
    body: Annotated[AuthorizationWebhookPut, Depends(json_body(AuthorizationWebhookPut))],
) -> Response:
    """Set the webhook. A new one gets a secret; one that exists keeps its own.

    Members that are not given have their defaults. All servers follow within seconds.
    """
    stored = await webhooks.put(access.tenant_id, NewWebhook(**dict(body)), access.issued_by)
    if stored.secret is None:
        return resource_response(AuthorizationWebhook.model_validate(stored.record))
    return _with_secret(stored)


@router.delete("", status_code=204, responses=problems(404))
async def delete_authorization_webhook(access: WriteAccess, webhooks: Webhooks) -> Response:
    """Remove the webhook: what is stored here decides again."""
    await webhooks.delete(access.tenant_id, access.issued_by)
    return Response(status_code=204)


@router.post("/secret", response_model=NewAuthorizationWebhook, status_code=201, responses=problems(404))
async def replace_authorization_webhook_secret(access: WriteAccess, webhooks: Webhooks) -> Response:
    """Make another secret, and show it once. For 24 hours requests are signed with both."""
    return _with_secret(await webhooks.replace_secret(access.tenant_id, access.issued_by))


@router.post(
    "/test",
    response_model=AuthorizationWebhookTestResult,
    responses=problems(404, body=True),
    openapi_extra=body_of(AuthorizationWebhookTest),
)
async def test_authorization_webhook(
    access: WriteAccess,
    webhooks: Webhooks,
    body: Annotated[AuthorizationWebhookTest, Depends(json_body(AuthorizationWebhookTest))],
) -> Response:
    """Ask the webhook about a tag now, and show what came back. The answer is not kept."""
    question = TestQuestion(body.id_tag, body.charge_point, body.connector_id)
    attempt, decision = await webhooks.test(access.tenant_id, question)
    info = decision.info or {}
    return resource_response(
        AuthorizationWebhookTestResult(
            reason=reason_of(attempt.reason),
            detail=attempt.detail,
            decided_by=attempt.decided_by,
            status=attempt.status,
            expiry_date=info.get("expiryDate"),
            parent_id_tag=info.get("parentIdTag"),
            duration_ms=attempt.duration_ms,
        )
    )


@router.get("/attempts", response_model=Page[AuthorizationAttempt], responses=problems())
async def list_authorization_attempts(
    access: ReadAccess, webhooks: Webhooks, query: Annotated[AttemptQuery, Query()]
) -> Response:
    """List the questions that were asked, the newest first. Answers that were kept are not asked again.

    The newest 1000 are kept. Under load some are left out.
    """
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = AttemptFilter(query.charge_point, query.reason, query.decided_by)
    rows = await webhooks.attempts(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    return encoded_page_response(encoded_page([attempt_fields(row) for row in page], next_cursor))


def _with_secret(stored: StoredWebhook) -> Response:
    shown = AuthorizationWebhook.model_validate(stored.record).model_dump()
    return secret_response(NewAuthorizationWebhook(**shown, secret=stored.secret or ""), PATH)
