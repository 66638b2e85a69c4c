"""`/v1/tenants`: the tenants of this platform. It needs a key of the platform with the scope `admin`."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.tenants.records import NewTenantFacts, TenantRecord
from app.tenants.schemas import Tenant, TenantChange, TenantCreate
from app.tenants.service import TenantService
from app.web.access import PlatformAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import PagingQuery, SlugPath
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("tenants", "The operators on this platform. It needs a key of the platform.")
router = api_router(prefix="/v1/tenants", tags=[_TAG])

Tenants = Annotated[TenantService, Depends(provided(TenantService))]


@router.get("", response_model=Page[Tenant], responses=problems())
async def list_tenants(access: PlatformAccess, tenants: Tenants, paging: PagingQuery) -> Response:
    """List tenants in the order of their slug."""
    rows = await tenants.page(paging.limit + 1, decode_cursor(paging.cursor, TextKey))
    page, next_cursor = cut_page(rows, paging.limit, lambda row: row.slug)
    items = [Tenant.model_validate(row) for row in page]
    return page_response(Page[Tenant](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=Tenant,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(TenantCreate),
)
async def create_tenant(
    access: PlatformAccess,
    tenants: Tenants,
    body: Annotated[TenantCreate, Depends(json_body(TenantCreate))],
) -> Response:
    """Create a tenant. Then create a key for it at `/v1/tenants/{slug}/api-keys`."""
    facts = NewTenantFacts(body.slug, body.name, body.strict_protocol, body.default_registration)
    record = await tenants.create(facts, f"key:{access.prefix}")
    return resource_response(
        Tenant.model_validate(record), status_code=201, headers={"Location": f"/v1/tenants/{record.slug}"}
    )


@router.get("/{slug}", response_model=Tenant, responses=problems(304, 404))
async def get_tenant(
    access: PlatformAccess, tenants: Tenants, slug: SlugPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one tenant."""
    return resource_response(Tenant.model_validate(await tenants.get(slug)), if_none_match=if_none_match)


@router.patch(
    "/{slug}",
    response_model=Tenant,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(TenantChange),
)
async def change_tenant(
    access: PlatformAccess,
    tenants: Tenants,
    slug: SlugPath,
    body: Annotated[TenantChange, Depends(json_body(TenantChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a tenant (merge patch, RFC 7396). Open connections keep their old settings.

    With `suspension_reason` it is suspended: all workers refuse its keys, people and charge points within a
    second, and close their connections.
    """

    def compare(record: TenantRecord) -> None:
        require_match(if_match, entity_tag(Tenant.model_validate(record)))

    record = await tenants.change(slug, body.changes(), f"key:{access.prefix}", compare)
    return resource_response(Tenant.model_validate(record))


@router.delete("/{slug}", status_code=204, responses=problems(404))
async def delete_tenant(access: PlatformAccess, tenants: Tenants, slug: SlugPath) -> Response:
    """Delete a tenant with its keys, people, tags and charge points. This cannot be undone.

    Billing records stay: then the tenant is still listed, with `deleted_at`, and is kept out.
    """
    await tenants.delete(slug, f"key:{access.prefix}")
    return Response(status_code=204)
