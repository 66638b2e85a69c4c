"""`/v1/allowed-origins`: whose web pages may read answers to the keys of the tenant (CORS)."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.tenants.records import TenantRecord
from app.tenants.routes.tenants import Tenants
from app.tenants.schemas import AllowedOrigins, AllowedOriginsPut
from app.web.access import ReadAccess, TenantAdminAccess
from app.web.conditional import IfMatch, IfNoneMatch, entity_tag, require_match, resource_response
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import Tag, api_router

_TAG = Tag("allowed-origins", "Which web pages may use the API with a key of the tenant (CORS).")
router = api_router(prefix="/v1/allowed-origins", tags=[_TAG])


@router.get("", response_model=AllowedOrigins, responses=problems(304))
async def get_allowed_origins(
    access: ReadAccess, tenants: Tenants, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the origins whose web pages may read answers to the keys of the tenant."""
    record = await tenants.own(access.tenant_id)
    return resource_response(_shown(record), if_none_match=if_none_match)


@router.put(
    "",
    response_model=AllowedOrigins,
    responses=problems(412, body=True),
    openapi_extra=body_of(AllowedOriginsPut),
)
async def put_allowed_origins(
    access: TenantAdminAccess,
    tenants: Tenants,
    body: Annotated[AllowedOriginsPut, Depends(json_body(AllowedOriginsPut))],
    if_match: IfMatch = None,
) -> Response:
    """Replace the origins. Other workers follow within a second.

    A page has the key of its user in memory, so give it a key with few scopes.
    """

    def compare(record: TenantRecord) -> None:
        require_match(if_match, entity_tag(_shown(record)))

    origins = tuple(dict.fromkeys(body.allowed_origins))
    record = await tenants.allow_origins(access.tenant_id, origins, access.issued_by, compare)
    return resource_response(_shown(record))


def _shown(record: TenantRecord) -> AllowedOrigins:
    return AllowedOrigins(allowed_origins=list(record.allowed_origins))
