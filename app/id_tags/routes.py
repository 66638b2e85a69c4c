"""`/v1/id-tags`: the tags of a tenant."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response, StreamingResponse

from app.errors import FieldViolation, InvalidInput
from app.id_tags import spreadsheet
from app.id_tags.records import IdTagFilter, IdTagRecord, IdTagStatus, NewIdTag
from app.id_tags.schemas import (
    AuthorizationPolicy,
    AuthorizationPolicyChange,
    ChargePointPolicy,
    ChargePointPolicyChange,
    IdTag,
    IdTagChange,
    IdTagCreate,
    IdTagImport,
)
from app.id_tags.service import AuthorizationPolicyService, IdTagService
from app.types import TenantId
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import IdentityPath, IdTagPath, IdTagText, Paging
from app.web.json_body import (
    body_of,
    json_body,
    read_bytes,
    refuse_doubled_members,
    require_json,
    unstorable,
)
from app.web.negotiation import prefers
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import MalformedBody, body_errors, problems
from app.web.resources import EXAMPLE_TIME
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(prefix="/v1/id-tags", tags=[Tag("id-tags", "The tags that may charge.")])

list_router = api_router(prefix="/v1/id-tag-list", tags=["id-tags"])
policy_router = api_router(tags=["id-tags"])

IdTags = Annotated[IdTagService, Depends(provided(IdTagService))]
Policies = Annotated[AuthorizationPolicyService, Depends(provided(AuthorizationPolicyService))]

JSON_TYPE, CSV_TYPE = "application/json", "text/csv"
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


class IdTagQuery(Paging):
    """How to narrow the listing of tags."""

    prefix: Annotated[
        IdTagText | SkipJsonSchema[None],
        Field(description="Beginning of the tag; upper and lower case are the same."),
    ] = None
    status: IdTagStatus | SkipJsonSchema[None] = None


@router.get("", response_model=Page[IdTag], responses=problems())
async def list_id_tags(
    access: ReadAccess, id_tags: IdTags, query: Annotated[IdTagQuery, Query()]
) -> Response:
    """List id tags in alphabetical order, without regard to case."""
    after = decode_cursor(query.cursor, TextKey)
    filters = IdTagFilter(prefix=query.prefix, status=query.status)
    rows = await id_tags.page(access.tenant_id, query.limit + 1, after, filters)
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
    id_tags: IdTags,
    body: Annotated[IdTagCreate, Depends(json_body(IdTagCreate))],
) -> Response:
    """Create an id tag. Tags that differ in case only are the same (OCPP 1.6 7.28)."""
    record = await id_tags.create(access.tenant_id, NewIdTag(**dict(body)))
    headers = {"Location": location("/v1/id-tags", record.id_tag)}
    return resource_response(IdTag.model_validate(record), status_code=201, headers=headers)


@router.get("/{id_tag}", response_model=IdTag, responses=problems(304, 404))
async def get_id_tag(
    access: ReadAccess, id_tags: IdTags, id_tag: IdTagPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one id tag."""
    record = await id_tags.get(access.tenant_id, id_tag)
    return resource_response(IdTag.model_validate(record), if_none_match=if_none_match)


@router.patch(
    "/{id_tag}",
    response_model=IdTag,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(IdTagChange),
)
async def change_id_tag(
    access: WriteAccess,
    id_tags: IdTags,
    id_tag: IdTagPath,
    body: Annotated[IdTagChange, Depends(json_body(IdTagChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change an id tag (merge patch, RFC 7396). A transaction that runs is not stopped by it."""

    def compare(record: IdTagRecord) -> None:
        require_match(if_match, entity_tag(IdTag.model_validate(record)))

    record = await id_tags.change(access.tenant_id, id_tag, body.changes(), compare)
    return resource_response(IdTag.model_validate(record))


@router.delete("/{id_tag}", status_code=204, responses=problems(404))
async def delete_id_tag(access: WriteAccess, id_tags: IdTags, id_tag: IdTagPath) -> Response:
    """Delete an id tag. Its transactions stay; from now on the policy decides whether it may charge."""
    await id_tags.delete(access.tenant_id, id_tag)
    return Response(status_code=204)


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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput([FieldViolation("", "not_utf_8", "the text is not UTF-8")]) from None
    rows = spreadsheet.read_rows(text)
    try:
        tags = _TAGS.validate_python(rows)
    except ValidationError as error:
        raise body_errors(error) from None
    return [{name: getattr(tag, name) for name in tag.model_fields_set} for tag in tags]


@policy_router.get("/v1/authorization-policy", response_model=AuthorizationPolicy, responses=problems(304))
async def get_authorization_policy(
    access: ReadAccess, policies: Policies, if_none_match: IfNoneMatch = None
) -> Response:
    """Read what holds for all tags of the tenant."""
    policy = await policies.get(access.tenant_id)
    return resource_response(AuthorizationPolicy.model_validate(policy), if_none_match=if_none_match)


@policy_router.patch(
    "/v1/authorization-policy",
    response_model=AuthorizationPolicy,
    responses=problems(body=True),
    openapi_extra=body_of(AuthorizationPolicyChange),
)
async def change_authorization_policy(
    access: WriteAccess,
    policies: Policies,
    body: Annotated[AuthorizationPolicyChange, Depends(json_body(AuthorizationPolicyChange))],
) -> Response:
    """Change what holds for all tags of the tenant (merge patch, RFC 7396)."""
    policy = await policies.change(access.tenant_id, body.changes())
    return resource_response(AuthorizationPolicy.model_validate(policy))


@policy_router.get(
    "/v1/charge-points/{identity}/authorization-policy",
    response_model=ChargePointPolicy,
    responses=problems(304, 404),
)
async def get_charge_point_policy(
    access: ReadAccess, policies: Policies, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read which tags may charge at a charge point that are not stored."""
    policy = await policies.own_policy(access.tenant_id, identity)
    return resource_response(ChargePointPolicy.model_validate(policy), if_none_match=if_none_match)


@policy_router.patch(
    "/v1/charge-points/{identity}/authorization-policy",
    response_model=ChargePointPolicy,
    responses=problems(404, body=True),
    openapi_extra=body_of(ChargePointPolicyChange),
)
async def change_charge_point_policy(
    access: WriteAccess,
    policies: Policies,
    identity: IdentityPath,
    body: Annotated[ChargePointPolicyChange, Depends(json_body(ChargePointPolicyChange))],
) -> Response:
    """Set which tags may charge at a charge point that are not stored, for instance all of them."""
    if "own" not in body.changes():
        return resource_response(
            ChargePointPolicy.model_validate(await policies.own_policy(access.tenant_id, identity))
        )
    policy = await policies.set_own(access.tenant_id, identity, body.own)
    return resource_response(ChargePointPolicy.model_validate(policy))
