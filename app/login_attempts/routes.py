"""`/v1/login-attempts`: the refused logins of a tenant's charge points."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.login_attempts.records import LoginAttemptFilter, RefusalReason
from app.login_attempts.schemas import LoginAttempt, login_attempt_fields
from app.login_attempts.service import LoginAttemptService
from app.web.access import ReadAccess
from app.web.conditional import encoded_page_response
from app.web.inputs import Paging
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded_page
from app.web.services import provided
from app.web.wording import LINE_PATTERN

router = api_router(
    prefix="/v1/login-attempts",
    tags=[Tag("login-attempts", "Logins of charge points that were refused, each with advice.")],
)

LoginAttempts = Annotated[LoginAttemptService, Depends(provided(LoginAttemptService))]
# Not an `Identity`: a refused one may have characters that no charge point has.
RefusedIdentity = Annotated[str, StringConstraints(pattern=LINE_PATTERN, min_length=1, max_length=48)]


class LoginAttemptQuery(Paging):
    """The query of the list of refused logins."""

    identity: Annotated[
        RefusedIdentity | SkipJsonSchema[None], Field(description="As the request named it; case-sensitive.")
    ] = None
    reason: RefusalReason | SkipJsonSchema[None] = None


@router.get("", response_model=Page[LoginAttempt], responses=problems())
async def list_login_attempts(
    access: ReadAccess, attempts: LoginAttempts, query: Annotated[LoginAttemptQuery, Query()]
) -> Response:
    """List refused logins of your charge points, the newest first, each with advice in words.

    Refusals that are alike are one item with a count. The newest 1000 items are kept. Under load some are
    left out.
    """
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = LoginAttemptFilter(query.identity, query.reason)
    rows = await attempts.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    return encoded_page_response(encoded_page([login_attempt_fields(row) for row in page], next_cursor))
