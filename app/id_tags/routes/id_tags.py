"""`/v1/id-tags`: the tags of a tenant."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.id_tags.records import IdTagFilter, IdTagRecord, IdTagStatus, NewIdTag
from app.id_tags.schemas import (
    AuthorizationPolicy,
    AuthorizationPolicyChange,
    ChargePointPolicy,
    ChargePointPolicyChange,
    IdTag,
    IdTagChange,
    IdTagCreate,
    IdTagReplacement,
)
from app.id_tags.service import AuthorizationPolicyService, IdTagService
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    PreconditionFailed,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import IdentityPath, IdTagPath, IdTagText, Paging
from app.web.json_body import (
    body_of,
    json_body,
)
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(prefix="/v1/id-tags", tags=[Tag("id-tags", "The tags that may charge.")])

policy_router = api_router(tags=["id-tags"])

IdTags = Annotated[IdTagService, Depends(provided(IdTagService))]
Policies = Annotated[AuthorizationPolicyService, Depends(provided(AuthorizationPolicyService))]


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


@router.put(
    "/{id_tag}",
    response_model=IdTag,
    responses={201: {"model": IdTag, "description": "It is new."}, **problems(412, body=True)},
    openapi_extra=body_of(IdTagReplacement),
)
async def put_id_tag(
    access: WriteAccess,
    id_tags: IdTags,
    id_tag: IdTagPath,
    body: Annotated[IdTagReplacement, Depends(json_body(IdTagReplacement))],
    if_match: IfMatch = None,
) -> Response:
    """Create an id tag, or replace all that you set of it. The same request again changes nothing."""

    def compare(record: IdTagRecord | None) -> None:
        if if_match is not None and record is None:
            raise PreconditionFailed
        if record is not None:
            require_match(if_match, entity_tag(IdTag.model_validate(record)))

    new = NewIdTag(id_tag, **dict(body))
    record, is_new = await id_tags.replace(access.tenant_id, new, compare)
    headers = {"Location": location("/v1/id-tags", record.id_tag)} if is_new else None
    status = 201 if is_new else 200
    return resource_response(IdTag.model_validate(record), status_code=status, headers=headers)


@router.delete("/{id_tag}", status_code=204, responses=problems(404))
async def delete_id_tag(access: WriteAccess, id_tags: IdTags, id_tag: IdTagPath) -> Response:
    """Delete an id tag. Its transactions stay; from now on the policy decides whether it may charge."""
    await id_tags.delete(access.tenant_id, id_tag)
    return Response(status_code=204)


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
