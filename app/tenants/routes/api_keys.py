"""API keys: `/v1/api-keys` of the caller's tenant or of the platform, `/v1/tenants/{slug}/api-keys` of any.

A token is shown when its key is made and never again. To rotate one: make the next, move over, revoke the
first.
"""

import uuid
from typing import Annotated

from fastapi import Depends, Path
from starlette.responses import Response

from app.errors import FieldViolation, InvalidInput, NotFound
from app.tenants.api_key_store import PlatformApiKeyStore
from app.tenants.key_ring import mint_key
from app.tenants.records import ApiKeyRecord
from app.tenants.routes.tenants import existing_tenant
from app.tenants.schemas import ApiKey, ApiKeyCreate, NewApiKey
from app.web.access import AdminAccess, PlatformAccess, Services, ServicesDependency
from app.web.conditional import IfNoneMatch, page_response, resource_response, secret_response
from app.web.inputs import Paging, PagingQuery, SlugPath
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(tags=["api-keys"])

KeyIdPath = Annotated[uuid.UUID, Path(description="Id of the key.")]
KeyBody = Annotated[ApiKeyCreate, Depends(json_body(ApiKeyCreate))]
_EXAMPLE = {"name": "billing export", "scopes": ["read"], "expires_at": "2027-01-01T00:00:00Z"}


class KeyRealm:
    """The keys of one tenant, or those of the platform itself (tenant_id None)."""

    def __init__(self, services: Services, tenant_id: int | None, path: str) -> None:
        self._services = services
        self._tenant_id = tenant_id
        self._path = path

    async def page(self, paging: Paging) -> Response:
        """List the keys, the oldest first. They are few, so the page is cut from all of them."""
        after = decode_cursor(paging.cursor, uuid.UUID)
        rows = await self._all()
        if after is not None:
            rows = rows[next((at + 1 for at, row in enumerate(rows) if row.id == after), len(rows)) :]
        page, next_cursor = cut_page(rows, paging.limit, lambda row: row.id)
        items = [ApiKey.model_validate(row) for row in page]
        return page_response(Page[ApiKey](items=items, next_cursor=next_cursor))

    async def get(self, key_id: uuid.UUID) -> ApiKeyRecord:
        """One key of this realm.

        Raises:
            NotFound: the realm has no such key.
        """
        for row in await self._all():
            if row.id == key_id:
                return row
        raise NotFound("There is no such API key.", "key_id")

    async def create(self, body: ApiKeyCreate) -> Response:
        """Make a key and show its token, this once.

        Raises:
            InvalidInput: it would have expired already.
        """
        services = self._services
        now = services.clock.now()
        if body.expires_at is not None and body.expires_at <= now:
            raise InvalidInput([FieldViolation("/expires_at", "in_the_past", "lies in the past")])
        minted = mint_key(services.settings.credential_pepper)
        record = ApiKeyRecord(
            id=uuid.uuid4(),
            tenant_id=self._tenant_id,
            name=body.name,
            prefix=minted.prefix,
            secret_hash=minted.secret_hash,
            scopes=tuple(dict.fromkeys(body.scopes)),
            expires_at=body.expires_at,
            revoked_at=None,
            created_at=now,
            last_used_at=None,
        )
        async with services.database.platform() as work:
            stored = await PlatformApiKeyStore(work).create(record)
        shown = NewApiKey(**ApiKey.model_validate(stored).model_dump(), token=minted.token)
        return secret_response(shown, f"{self._path}/{stored.id}")

    async def revoke(self, key_id: uuid.UUID) -> Response:
        """End a key; a second time changes nothing.

        Raises:
            NotFound: the realm has no such key.
        """
        record = await self.get(key_id)
        async with self._services.database.platform() as work:
            await PlatformApiKeyStore(work).revoke(record.id, self._services.clock.now())
        self._services.keys.forget()
        return Response(status_code=204)

    async def _all(self) -> list[ApiKeyRecord]:
        async with self._services.database.platform() as work:
            return await PlatformApiKeyStore(work).list(self._tenant_id)


async def own_realm(access: AdminAccess, services: ServicesDependency) -> KeyRealm:
    """The keys of the caller's tenant; of the platform, for a key of the platform."""
    return KeyRealm(services, access.tenant_id, "/v1/api-keys")


async def tenant_realm(access: PlatformAccess, services: ServicesDependency, slug: SlugPath) -> KeyRealm:
    """The keys of any tenant, for an administrator of the platform."""
    async with services.database.platform() as work:
        tenant = await existing_tenant(work, slug)
    return KeyRealm(services, tenant.id, f"/v1/tenants/{slug}/api-keys")


OwnRealm = Annotated[KeyRealm, Depends(own_realm)]
TenantRealm = Annotated[KeyRealm, Depends(tenant_realm)]


@router.get("/v1/api-keys", response_model=Page[ApiKey], responses=problems())
async def list_api_keys(realm: OwnRealm, paging: PagingQuery) -> Response:
    """List your tenant's keys, the revoked ones included."""
    return await realm.page(paging)


@router.post(
    "/v1/api-keys",
    response_model=NewApiKey,
    status_code=201,
    responses=problems(body=True),
    openapi_extra=body_of(ApiKeyCreate, _EXAMPLE),
)
async def create_api_key(realm: OwnRealm, body: KeyBody) -> Response:
    """Make a key for your tenant. The token is in this answer and never shown again."""
    return await realm.create(body)


@router.get("/v1/api-keys/{key_id}", response_model=ApiKey, responses=problems(304, 404))
async def get_api_key(realm: OwnRealm, key_id: KeyIdPath, if_none_match: IfNoneMatch = None) -> Response:
    """Read one of your tenant's keys, without its secret."""
    return resource_response(ApiKey.model_validate(await realm.get(key_id)), if_none_match=if_none_match)


@router.delete("/v1/api-keys/{key_id}", status_code=204, responses=problems(404))
async def revoke_api_key(realm: OwnRealm, key_id: KeyIdPath) -> Response:
    """Revoke one of your tenant's keys: at once on this worker, within five seconds on the others."""
    return await realm.revoke(key_id)


@router.get("/v1/tenants/{slug}/api-keys", response_model=Page[ApiKey], responses=problems(404))
async def list_tenant_api_keys(realm: TenantRealm, paging: PagingQuery) -> Response:
    """List the keys of a tenant, the revoked ones included."""
    return await realm.page(paging)


@router.post(
    "/v1/tenants/{slug}/api-keys",
    response_model=NewApiKey,
    status_code=201,
    responses=problems(404, body=True),
    openapi_extra=body_of(ApiKeyCreate, _EXAMPLE),
)
async def create_tenant_api_key(realm: TenantRealm, body: KeyBody) -> Response:
    """Make a key for a tenant. The token is in this answer and never shown again."""
    return await realm.create(body)


@router.get("/v1/tenants/{slug}/api-keys/{key_id}", response_model=ApiKey, responses=problems(304, 404))
async def get_tenant_api_key(
    realm: TenantRealm, key_id: KeyIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one key of a tenant, without its secret."""
    return resource_response(ApiKey.model_validate(await realm.get(key_id)), if_none_match=if_none_match)


@router.delete("/v1/tenants/{slug}/api-keys/{key_id}", status_code=204, responses=problems(404))
async def revoke_tenant_api_key(realm: TenantRealm, key_id: KeyIdPath) -> Response:
    """Revoke one key of a tenant: at once on this worker, within five seconds on the others."""
    return await realm.revoke(key_id)
