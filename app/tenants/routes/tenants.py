"""`/v1/tenants`: the operators on this platform. Keys of the platform with the scope `admin` only."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.charge_points.service import evict
from app.database.unit_of_work import PlatformWork
from app.errors import NotFound
from app.tenants.records import TenantRecord
from app.tenants.schemas import Tenant, TenantChange, TenantCreate
from app.tenants.store import TenantStore
from app.types import TenantId
from app.web.access import PlatformAccess, ServicesDependency
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
from app.web.routers import api_router

router = api_router(prefix="/v1/tenants", tags=["tenants"])

_EXAMPLE = {
    "slug": "demo",
    "name": "Demo operator",
    "strict_protocol": False,
    "default_registration": "Accepted",
}


async def existing_tenant(work: PlatformWork, slug: str, *, to_change: bool = False) -> TenantRecord:
    """The tenant of this name. to_change: locked, so that what is compared is what is changed.

    Raises:
        NotFound: there is none.
    """
    record = await TenantStore(work).by_slug(slug, to_change=to_change)
    if record is None:
        raise NotFound("There is no such tenant.", "slug")
    return record


@router.get("", response_model=Page[Tenant], responses=problems())
async def list_tenants(access: PlatformAccess, services: ServicesDependency, paging: PagingQuery) -> Response:
    """List tenants in the order of their slug."""
    after = decode_cursor(paging.cursor, TextKey)
    async with services.database.platform() as work:
        rows = await TenantStore(work).page(paging.limit + 1, after)
    page, next_cursor = cut_page(rows, paging.limit, lambda row: row.slug)
    return page_response(
        Page[Tenant](items=[Tenant.model_validate(row) for row in page], next_cursor=next_cursor)
    )


@router.post(
    "",
    response_model=Tenant,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(TenantCreate, _EXAMPLE),
)
async def create_tenant(
    access: PlatformAccess,
    services: ServicesDependency,
    body: Annotated[TenantCreate, Depends(json_body(TenantCreate))],
) -> Response:
    """Create a tenant. Give it a key next, at `/v1/tenants/{slug}/api-keys`."""
    async with services.database.platform() as work:
        record = await TenantStore(work).create(
            body.slug,
            body.name,
            strict_protocol=body.strict_protocol,
            default_registration=body.default_registration,
        )
    return resource_response(
        Tenant.model_validate(record), status_code=201, headers={"Location": f"/v1/tenants/{record.slug}"}
    )


@router.get("/{slug}", response_model=Tenant, responses=problems(304, 404))
async def get_tenant(
    access: PlatformAccess, services: ServicesDependency, slug: SlugPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one tenant."""
    async with services.database.platform() as work:
        record = await existing_tenant(work, slug)
    return resource_response(Tenant.model_validate(record), if_none_match=if_none_match)


@router.patch(
    "/{slug}",
    response_model=Tenant,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(TenantChange, {"name": "Demo operator", "strict_protocol": True}, patch=True),
)
async def change_tenant(
    access: PlatformAccess,
    services: ServicesDependency,
    slug: SlugPath,
    body: Annotated[TenantChange, Depends(json_body(TenantChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a tenant (merge patch, RFC 7396). Sessions that are open keep what they began with."""
    async with services.database.platform() as work:
        record = await existing_tenant(work, slug, to_change=True)
        require_match(if_match, entity_tag(Tenant.model_validate(record)))
        if body.changes():
            record = await TenantStore(work).update(slug, **body.changes()) or record
    return resource_response(Tenant.model_validate(record))


@router.delete("/{slug}", status_code=204, responses=problems(404))
async def delete_tenant(access: PlatformAccess, services: ServicesDependency, slug: SlugPath) -> Response:
    """Delete a tenant with everything it has: charge points, tags, transactions, keys. It is final."""
    async with services.database.platform() as work:
        tenant = await existing_tenant(work, slug)
        identities = await TenantStore(work).identities(tenant.id)
        await TenantStore(work).delete(slug)
    services.keys.forget()
    await evict(services, TenantId(tenant.id), identities)
    return Response(status_code=204)
