"""`/v1/id-tags`: the tags of a tenant. The store decides from them who may charge."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.database.unit_of_work import TenantWork
from app.errors import NotFound
from app.id_tags.records import IdTagFilter, IdTagRecord, IdTagStatus
from app.id_tags.schemas import IdTag, IdTagChange, IdTagCreate
from app.id_tags.store import IdTagStore
from app.web.access import ReadAccess, ServicesDependency, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import IdTagPath, IdTagText, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router

router = api_router(prefix="/v1/id-tags", tags=[Tag("id-tags", "Who may charge.")])


class IdTagQuery(Paging):
    """How to narrow the listing of tags."""

    prefix: Annotated[
        IdTagText | SkipJsonSchema[None],
        Field(description="What the tag begins with, in any case."),
    ] = None
    status: IdTagStatus | SkipJsonSchema[None] = None


async def _existing(work: TenantWork, id_tag: str, *, to_change: bool = False) -> IdTagRecord:
    record = await IdTagStore(work).get(id_tag, to_change=to_change)
    if record is None:
        raise NotFound("There is no such id tag.", "id_tag")
    return record


@router.get("", response_model=Page[IdTag], responses=problems())
async def list_id_tags(
    access: ReadAccess, services: ServicesDependency, query: Annotated[IdTagQuery, Query()]
) -> Response:
    """List id tags in alphabetical order, without regard to case."""
    after = decode_cursor(query.cursor, TextKey)
    filters = IdTagFilter(prefix=query.prefix, status=query.status)
    async with services.database.tenant(access.tenant_id) as work:
        rows = await IdTagStore(work).page(query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id_tag_key)
    return page_response(
        Page[IdTag](items=[IdTag.model_validate(row) for row in page], next_cursor=next_cursor)
    )


@router.post(
    "",
    response_model=IdTag,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(IdTagCreate),
)
async def create_id_tag(
    access: WriteAccess,
    services: ServicesDependency,
    body: Annotated[IdTagCreate, Depends(json_body(IdTagCreate))],
) -> Response:
    """Create an id tag. Tags that differ in case only are the same (OCPP 1.6 7.28)."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await IdTagStore(work).create(
            body.id_tag,
            status=body.status,
            expires_at=body.expires_at,
            parent_id_tag=body.parent_id_tag,
            max_active_transactions=body.max_active_transactions,
            note=body.note,
        )
    headers = {"Location": location("/v1/id-tags", record.id_tag)}
    return resource_response(IdTag.model_validate(record), status_code=201, headers=headers)


@router.get("/{id_tag}", response_model=IdTag, responses=problems(304, 404))
async def get_id_tag(
    access: ReadAccess, services: ServicesDependency, id_tag: IdTagPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one id tag."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await _existing(work, id_tag)
    return resource_response(IdTag.model_validate(record), if_none_match=if_none_match)


@router.patch(
    "/{id_tag}",
    response_model=IdTag,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(IdTagChange),
)
async def change_id_tag(
    access: WriteAccess,
    services: ServicesDependency,
    id_tag: IdTagPath,
    body: Annotated[IdTagChange, Depends(json_body(IdTagChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change an id tag (merge patch, RFC 7396). A transaction that runs is not stopped by it."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await _existing(work, id_tag, to_change=True)
        require_match(if_match, entity_tag(IdTag.model_validate(record)))
        if body.changes():
            record = await IdTagStore(work).update(id_tag, **body.changes()) or record
    return resource_response(IdTag.model_validate(record))


@router.delete("/{id_tag}", status_code=204, responses=problems(404))
async def delete_id_tag(access: WriteAccess, services: ServicesDependency, id_tag: IdTagPath) -> Response:
    """Delete an id tag. Its transactions stay; from now on it is unknown, and answered Invalid."""
    async with services.database.tenant(access.tenant_id) as work:
        if not await IdTagStore(work).delete(id_tag):
            raise NotFound("There is no such id tag.", "id_tag")
    return Response(status_code=204)
