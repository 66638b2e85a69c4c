"""`/v1/id-tag-list` and `/v1/id-tag-rows`: all tags of a tenant, out and in."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse

from app.id_tags import spreadsheet
from app.id_tags.schemas import (
    IdTag,
    IdTagCreate,
    IdTagImport,
)
from app.id_tags.service import IdTagService
from app.row_results import ImportMode
from app.spreadsheets import CSV_TYPE, decoded_csv
from app.types import TenantId
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    resource_response,
)
from app.web.json_body import (
    read_bytes,
    refuse_doubled_members,
    require_json,
    unstorable,
)
from app.web.negotiation import prefers
from app.web.problems import MalformedBody, body_errors, problems
from app.web.resources import EXAMPLE_TIME
from app.web.routers import api_router
from app.web.row_body import RowLimits, RowOutcomes, read_rows, row_response, rows_body
from app.web.services import provided

list_router = api_router(prefix="/v1/id-tag-list", tags=["id-tags"])
rows_router = api_router(prefix="/v1/id-tag-rows", tags=["id-tags"])

IdTags = Annotated[IdTagService, Depends(provided(IdTagService))]
Limits = Annotated[RowLimits, Depends(provided(RowLimits))]

JSON_TYPE = "application/json"
_IMPORT_LIMIT_BYTES = 4 * 1024 * 1024
_IMPORT_LIMIT_TAGS = 10_000
_CSV_EXAMPLE = "id_tag,status,note\r\nB4A63CDF,Accepted,Pool car 7\r\n"
# The document leaves out members that are null.
_FULL_EXAMPLE = {
    **IdTag.example,
    "expires_at": EXAMPLE_TIME,
    "parent_id_tag": "FLEET",
    "max_active_transactions_of_group": 5,
    "charge_points": ["RDAM-0123"],
}
_IMPORTED = set(IdTagCreate.model_fields)
_EXPORTED_EXAMPLE = {name: value for name, value in _FULL_EXAMPLE.items() if name in _IMPORTED}
_TAGS = TypeAdapter(Annotated[list[IdTagCreate], Field(max_length=_IMPORT_LIMIT_TAGS)])


class IdTagRowsQuery(BaseModel):
    """Which rows are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ImportMode = "upsert"


@rows_router.post(
    "",
    response_model=RowOutcomes,
    responses=problems(body=True),
    openapi_extra=rows_body(IdTagCreate, _CSV_EXAMPLE),
)
async def import_id_tag_rows(
    request: Request,
    access: WriteAccess,
    id_tags: IdTags,
    limits: Limits,
    query: Annotated[IdTagRowsQuery, Query()],
) -> Response:
    """Create and change many tags, as JSON or CSV. Each row is stored or refused by itself.

    Fields that are not given stay as they are. At most 10 000 rows and 8 MiB, unless the server is set
    otherwise.
    """
    rows = await read_rows(request, IdTagCreate, "id_tag", spreadsheet.rows_or_faults, limits)
    return row_response(await id_tags.put_rows(access.tenant_id, rows, query.mode))


@list_router.get(
    "",
    response_class=Response,
    responses={
        200: {
            "description": "All tags",
            "content": {
                CSV_TYPE: {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
                JSON_TYPE: {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/IdTagCreate"}},
                    "example": [_EXPORTED_EXAMPLE],
                },
            },
        },
        **problems(),
    },
)
async def export_id_tags(request: Request, access: ReadAccess, id_tags: IdTags) -> Response:
    """Export all tags as an import takes them: as JSON or, with `Accept: text/csv`, for a spreadsheet.

    A cell that a spreadsheet would take for a formula gets a quote mark in front; an import removes it.
    """
    as_csv = prefers(request.headers.get("accept", ""), CSV_TYPE, JSON_TYPE)
    content = _csv_of(access.tenant_id, id_tags) if as_csv else _json_of(access.tenant_id, id_tags)
    headers = {"Vary": "Accept", "Cache-Control": "private, no-store"}
    media_type = f"{CSV_TYPE}; charset=utf-8" if as_csv else JSON_TYPE
    return StreamingResponse(content, 200, headers, media_type)


@list_router.post(
    "",
    response_model=IdTagImport,
    responses=problems(body=True),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON_TYPE: {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/IdTagCreate"}},
                    "example": [IdTagCreate.example],
                },
                CSV_TYPE: {
                    "schema": {"type": "string"},
                    "example": _CSV_EXAMPLE,
                },
            },
        }
    },
)
async def import_id_tags(request: Request, access: WriteAccess, id_tags: IdTags) -> Response:
    """Import tags, all of them or none: new ones are created, known ones changed.

    Fields that are not given stay as they are. In CSV an empty cell is null, and `;` separates charge
    points. At most 10 000 tags and 4 MiB.
    """
    content = await read_bytes(request, _IMPORT_LIMIT_BYTES)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV_TYPE:
        tags = _read_csv(content)
    else:
        require_json(request)
        tags = _read_json(content)
    counts = await id_tags.put_all(access.tenant_id, tags)
    return resource_response(IdTagImport.model_validate(counts._asdict()))


async def _csv_of(tenant_id: TenantId, id_tags: IdTagService) -> AsyncIterator[str]:
    yield spreadsheet.header_line()
    async for page in id_tags.all_pages(tenant_id):
        yield spreadsheet.lines(page)


async def _json_of(tenant_id: TenantId, id_tags: IdTagService) -> AsyncIterator[str]:
    separator = "["
    async for page in id_tags.all_pages(tenant_id):
        for record in page:
            # What an import takes, as in CSV.
            yield separator + IdTag.model_validate(record).model_dump_json(include=_IMPORTED)
            separator = ",\n"
    yield "[]" if separator == "[" else "]"


def _read_json(content: bytes) -> list[dict[str, Any]]:
    try:
        tags = _TAGS.validate_json(content)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
            raise (unstorable(content) or MalformedBody(content)) from None
        raise body_errors(error) from None
    refuse_doubled_members(content)
    return [{name: getattr(tag, name) for name in tag.model_fields_set} for tag in tags]


def _read_csv(content: bytes) -> list[dict[str, Any]]:
    rows = spreadsheet.read_rows(decoded_csv(content))
    try:
        tags = _TAGS.validate_python(rows)
    except ValidationError as error:
        raise body_errors(error) from None
    return [{name: getattr(tag, name) for name in tag.model_fields_set} for tag in tags]
