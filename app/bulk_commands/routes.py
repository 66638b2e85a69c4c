"""Bulks of commands: issue, watch and cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from starlette.responses import Response

from app.bulk_commands.schemas import BulkCommand, BulkCommandCreate
from app.bulk_commands.service import BulkCommandService
from app.commands.routes import IdempotencyKey
from app.web.access import CommandAccess, ReadAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import PagingQuery
from app.web.json_body import body_of, json_body
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("bulk-commands", "One command to many charge points: issue, see the progress, cancel.")
router = api_router(tags=[_TAG])

BODY_LIMIT_BYTES = 1_048_576
"""Ten thousand identities, and a payload."""

Service = Annotated[BulkCommandService, Depends(provided(BulkCommandService))]
BulkIdPath = Annotated[UUID, Path(description="Id of the bulk.")]
_Body = Annotated[BulkCommandCreate, Depends(json_body(BulkCommandCreate, BODY_LIMIT_BYTES))]


@router.post(
    "/v1/commands",
    response_model=BulkCommand,
    status_code=202,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(BulkCommandCreate),
)
async def issue_bulk_command(
    access: CommandAccess, service: Service, body: _Body, idempotency_key: IdempotencyKey = None
) -> Response:
    """Issue a command to many charge points. All its commands are recorded at once, or none.

    They are sent in the background, at most `command_bulk_concurrency` of the server at the same time, and
    become ordinary commands with a state of their own.
    """
    found = await service.issue(access.tenant_id, body.request(access.issued_by, idempotency_key))
    headers = {"Location": f"/v1/bulk-commands/{found.record.id}"}
    return resource_response(BulkCommand.of(found), status_code=202, headers=headers)


@router.get("/v1/bulk-commands", response_model=Page[BulkCommand], responses=problems())
async def list_bulk_commands(access: ReadAccess, service: Service, query: PagingQuery) -> Response:
    """List bulks with their progress, the newest first."""
    key = decode_cursor(query.cursor, IdentifiedMoment)
    after = None if key is None else (key.at, key.id)
    rows = await service.page(access.tenant_id, query.limit + 1, after)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.record.created_at, row.record.id))
    items = [BulkCommand.of(row) for row in page]
    return page_response(Page[BulkCommand](items=items, next_cursor=next_cursor))


@router.get("/v1/bulk-commands/{bulk_id}", response_model=BulkCommand, responses=problems(304, 404))
async def get_bulk_command(
    access: ReadAccess, service: Service, bulk_id: BulkIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one bulk and its progress. `GET /v1/commands?bulk_id=` lists its commands."""
    found = await service.get(access.tenant_id, bulk_id)
    return resource_response(BulkCommand.of(found), if_none_match=if_none_match)


@router.post("/v1/bulk-commands/{bulk_id}/cancel", response_model=BulkCommand, responses=problems(404))
async def cancel_bulk_command(access: CommandAccess, service: Service, bulk_id: BulkIdPath) -> Response:
    """Cancel what was not sent yet. Commands that were sent go on to their end."""
    return resource_response(BulkCommand.of(await service.cancel(access.tenant_id, bulk_id)))
