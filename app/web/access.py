"""The dependencies of routes: the caller, with the scope that the route needs.

Scopes are declared in the signature (`access: ReadAccess`) and nowhere else; OpenAPI shows the same. No
scope contains another: a key has exactly what it lists.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from fastapi.security.base import SecurityBase

from app.errors import Forbidden, NotFound
from app.types import Scope, TenantId
from app.web.services import ServiceRegistry


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. tenant_id None: an administrator of the platform, who has no charge points."""

    key_id: UUID
    prefix: str
    tenant_id: TenantId | None
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Authentication:
    """How callers are recognized; `main` composes it.

    authenticate: from a bearer token and an address to the caller; raises Unauthorized or TooManyRequests;
    client_address: from the peer and the value of X-Forwarded-For to the address that counts.
    """

    authenticate: Callable[[str | None, str], Awaitable[Principal]]
    client_address: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """A caller who belongs to a tenant and has the scope of the route."""

    tenant_id: TenantId
    principal: Principal

    @property
    def issued_by(self) -> str:
        """The name under which commands of this caller are recorded."""
        return f"key:{self.principal.prefix}"


_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    bearerFormat="sm_<prefix>_<secret>",
    description="An API key of a tenant, or of the platform for `/v1/tenants`.",
)


class _ApiKey(SecurityBase):
    """A key of a tenant or of the platform.

    One dependency finds out everything about a caller. A chain of dependencies would be slow: FastAPI needs
    longer to resolve one than this server needs to write a row.
    """

    model = _BEARER.model
    scheme_name = _BEARER.scheme_name

    async def __call__(self, request: Request, required: SecurityScopes) -> Principal:
        """Return the caller, who has every scope that the route requires.

        Raises:
            Unauthorized: there is no valid key.
            Forbidden: the key lacks a scope.
        """
        registry: ServiceRegistry = request.app.state.services
        authentication = registry.get(Authentication)
        peer = request.client.host if request.client else ""
        forwarded_for = ",".join(request.headers.getlist("x-forwarded-for"))
        address = authentication.client_address(peer, forwarded_for) if forwarded_for else peer
        credentials = await _BEARER(request)
        token = None if credentials is None else credentials.credentials
        principal = await authentication.authenticate(token, address)
        missing = [scope for scope in required.scopes if scope not in principal.scopes]
        if missing:
            raise Forbidden(f"The API key lacks the scope {missing[0]!r}.")
        return principal


_api_key = _ApiKey()


class _TenantKey(SecurityBase):
    """A key of a tenant."""

    model = _BEARER.model
    scheme_name = _BEARER.scheme_name

    async def __call__(self, request: Request, required: SecurityScopes) -> TenantAccess:
        """Return the caller as a member of a tenant.

        Raises:
            Forbidden: it is a key of the platform, which has no charge points; or it lacks a scope.
        """
        principal = await _api_key(request, required)
        if principal.tenant_id is None:
            raise Forbidden("This needs the key of a tenant; yours belongs to the platform.")
        return TenantAccess(principal.tenant_id, principal)


class _PlatformKey(SecurityBase):
    """A key of the platform."""

    model = _BEARER.model
    scheme_name = _BEARER.scheme_name

    async def __call__(self, request: Request, required: SecurityScopes) -> Principal:
        """Return the caller as an administrator of the platform.

        Raises:
            NotFound: the key belongs to a tenant and asks for one tenant, which may exist or not.
            Forbidden: the key belongs to a tenant and asks for all of them, or a scope is missing.
        """
        principal = await _api_key(request, required)
        if principal.tenant_id is not None:
            if "slug" in request.path_params:
                raise NotFound("There is no such tenant.", "slug")
            raise Forbidden("This needs a key of the platform; yours belongs to a tenant.")
        return principal


_tenant_key, _platform_key = _TenantKey(), _PlatformKey()

ReadAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["read"])]
WriteAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["write"])]
CommandAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["command"])]
AdminAccess = Annotated[Principal, Security(_api_key, scopes=["admin"])]
PlatformAccess = Annotated[Principal, Security(_platform_key, scopes=["admin"])]
