"""API keys: `/v1/api-keys` of the caller's tenant or the platform, `/v1/tenants/{slug}/api-keys` of any.

A token is shown once, when its key is created. To rotate a key: create a new one, use it everywhere, then
revoke the old one.
"""

import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path
from starlette.responses import Response

from app.tenants.records import NewApiKeyFacts
from app.tenants.routes.tenants import Tenants
from app.tenants.schemas import ApiKey, ApiKeyCreate, NewApiKey
from app.tenants.service import ApiKeyService
from app.web.access import AdminAccess, PlatformAccess, Principal
from app.web.conditional import IfNoneMatch, page_response, resource_response, secret_response
from app.web.inputs import Paging, PagingQuery, SlugPath
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag(
    "api-keys", "API keys with scopes and an expiry. Secrets are stored as hashes; a token is shown once."
)
router = api_router(tags=[_TAG])

ApiKeys = Annotated[ApiKeyService, Depends(provided(ApiKeyService))]
KeyIdPath = Annotated[uuid.UUID, Path(description="Id of the key.")]
KeyBody = Annotated[ApiKeyCreate, Depends(json_body(ApiKeyCreate))]


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The owner of the keys of an operation: a tenant, or the platform (tenant_id None).

    minter: the caller if new keys have no other scopes than its own. The platform gives a tenant any scope,
    because it has none of those scopes itself.
    """

    keys: ApiKeyService
    tenant_id: int | None
    path: str
    actor: str
    minter: Principal | None = None

    async def page(self, paging: Paging) -> Response:
        """List the keys, the oldest first. All of them are read, because they are few."""
        after = decode_cursor(paging.cursor, uuid.UUID)
        rows = await self.keys.list(self.tenant_id)
        if after is not None:
            rows = rows[next((at + 1 for at, row in enumerate(rows) if row.id == after), len(rows)) :]
        page, next_cursor = cut_page(rows, paging.limit, lambda row: row.id)
        items = [ApiKey.model_validate(row) for row in page]
        return page_response(Page[ApiKey](items=items, next_cursor=next_cursor))

    async def create(self, body: ApiKeyCreate) -> Response:
        """Create a key, and show its token once."""
        if self.minter is not None:
            # `metrics` is refused for what it is.
            held = [scope for scope in body.scopes if scope != "metrics" or self.tenant_id is None]
            self.minter.require_held(held, "/scopes")
        facts = NewApiKeyFacts(body.name, body.scopes, body.expires_at)
        stored, token = await self.keys.create(self.tenant_id, facts, self.actor)
        shown = NewApiKey(**ApiKey.model_validate(stored).model_dump(), token=token)
        return secret_response(shown, f"{self.path}/{stored.id}")

    async def show(self, key_id: uuid.UUID, if_none_match: str | None) -> Response:
        """Show one key, without its secret."""
        record = await self.keys.get(self.tenant_id, key_id)
        return resource_response(ApiKey.model_validate(record), if_none_match=if_none_match)

    async def revoke(self, key_id: uuid.UUID) -> Response:
        """Revoke a key."""
        await self.keys.revoke(self.tenant_id, key_id, self.actor)
        return Response(status_code=204)


async def own_keys(access: AdminAccess, keys: ApiKeys) -> KeyOwner:
    """Return the owner of the caller's own key: its tenant, or the platform."""
    return KeyOwner(keys, access.tenant_id, "/v1/api-keys", f"key:{access.prefix}", access)


async def keys_of_tenant(access: PlatformAccess, keys: ApiKeys, tenants: Tenants, slug: SlugPath) -> KeyOwner:
    """Return a tenant as the owner of keys, for an administrator of the platform."""
    tenant = await tenants.get(slug)
    return KeyOwner(keys, tenant.id, f"/v1/tenants/{slug}/api-keys", f"key:{access.prefix}")


OwnKeys = Annotated[KeyOwner, Depends(own_keys)]
TenantKeys = Annotated[KeyOwner, Depends(keys_of_tenant)]


@router.get("/v1/api-keys", response_model=Page[ApiKey], responses=problems())
async def list_api_keys(owner: OwnKeys, paging: PagingQuery) -> Response:
    """List the keys of your tenant, including revoked ones."""
    return await owner.page(paging)


@router.post(
    "/v1/api-keys",
    response_model=NewApiKey,
    status_code=201,
    responses=problems(body=True),
    openapi_extra=body_of(ApiKeyCreate),
)
async def create_api_key(owner: OwnKeys, body: KeyBody) -> Response:
    """Create a key for your tenant, with scopes that your own key has.

    The token is in this answer, and is never shown again.
    """
    return await owner.create(body)


@router.get("/v1/api-keys/{key_id}", response_model=ApiKey, responses=problems(304, 404))
async def get_api_key(owner: OwnKeys, key_id: KeyIdPath, if_none_match: IfNoneMatch = None) -> Response:
    """Read one key of your tenant, without its secret."""
    return await owner.show(key_id, if_none_match)


@router.delete("/v1/api-keys/{key_id}", status_code=204, responses=problems(404))
async def revoke_api_key(owner: OwnKeys, key_id: KeyIdPath) -> Response:
    """Revoke one key of your tenant: at once on this worker, within a second on the others."""
    return await owner.revoke(key_id)


@router.get("/v1/tenants/{slug}/api-keys", response_model=Page[ApiKey], responses=problems(404))
async def list_tenant_api_keys(owner: TenantKeys, paging: PagingQuery) -> Response:
    """List the keys of a tenant, including revoked ones."""
    return await owner.page(paging)


@router.post(
    "/v1/tenants/{slug}/api-keys",
    response_model=NewApiKey,
    status_code=201,
    responses=problems(404, body=True),
    openapi_extra=body_of(ApiKeyCreate),
)
async def create_tenant_api_key(owner: TenantKeys, body: KeyBody) -> Response:
    """Create a key for a tenant. The token is in this answer, and is never shown again."""
    return await owner.create(body)


@router.get("/v1/tenants/{slug}/api-keys/{key_id}", response_model=ApiKey, responses=problems(304, 404))
async def get_tenant_api_key(
    owner: TenantKeys, key_id: KeyIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one key of a tenant, without its secret."""
    return await owner.show(key_id, if_none_match)


@router.delete("/v1/tenants/{slug}/api-keys/{key_id}", status_code=204, responses=problems(404))
async def revoke_tenant_api_key(owner: TenantKeys, key_id: KeyIdPath) -> Response:
    """Revoke one key of a tenant: at once on this worker, within a second on the others."""
    return await owner.revoke(key_id)
