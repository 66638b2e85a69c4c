"""The dependencies of routes: the caller, with the scope that the route needs.

Scopes are declared in the signature (`access: ReadAccess`) and nowhere else; OpenAPI shows the same. No
scope contains another: a key has exactly what it lists.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from fastapi.security.base import SecurityBase

from app.acting import begin_act
from app.client_connections import note_known_client
from app.errors import Forbidden, NotFound
from app.types import Scope, TenantId
from app.web.exchange import call_at_answer, restrict_origins, tell_limits
from app.web.request_limits import CountedRequest
from app.web.request_turns import RequestTurns
from app.web.services import ServiceRegistry


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. tenant_id None: an administrator of the platform, who has no charge points.

    allowed_origins: whose web pages may read answers to this caller, by the setting of the tenant.
    """

    key_id: UUID
    prefix: str
    tenant_id: TenantId | None
    scopes: frozenset[Scope]
    allowed_origins: tuple[str, ...] = ()

    def require_held(self, scopes: Iterable[Scope], field: str) -> None:
        """Refuse to hand on a scope that the caller does not have. field: the input that asks for it.

        Raises:
            Forbidden: the caller lacks one of the scopes.
        """
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"Your key lacks the scope {missing[0]!r}, so it cannot give it.", field)


@dataclass(frozen=True, slots=True)
class Authentication:
    """How callers are recognized; `main` composes it.

    authenticate: from a bearer token and an address to the caller; raises Unauthorized or TooManyRequests;
    client_address: from the peer and the value of X-Forwarded-For to the address that counts;
    count: counts a request, and returns the headers of its answer; raises TooManyRequests;
    turns: of the requests of one caller.
    """

    authenticate: Callable[[str | None, str], Awaitable[Principal]]
    client_address: Callable[[str, str], str]
    count: Callable[[CountedRequest], Awaitable[Mapping[str, str]]]
    turns: RequestTurns

    def address_of(self, request: Request) -> str:
        """Return the address that failed logins of this request count for."""
        peer = request.client.host if request.client else ""
        forwarded_for = ",".join(request.headers.getlist("x-forwarded-for"))
        return self.client_address(peer, forwarded_for) if forwarded_for else peer


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
        principal = await self.identify(request)
        _require_scopes(principal, required)
        begin_act(principal.tenant_id, f"key:{principal.prefix}")
        return principal

    async def identify(self, request: Request, *, commands: bool = False) -> Principal:
        """Return the caller, whatever its scopes are, and count the request.

        Args:
            request: To the API.
            commands: Whether it makes charge points do something.

        Raises:
            Unauthorized: there is no valid key.
            TooManyRequests: the key, or the address, has made too many requests.
        """
        authentication, address = _authentication_of(request)
        principal = await _verify(request, authentication, address)
        note_known_client(request.scope)
        counted = CountedRequest(principal.prefix, address, principal.tenant_id if commands else None)
        tell_limits(request.scope, await authentication.count(counted))
        caller = principal.prefix if principal.tenant_id is None else str(principal.tenant_id)
        call_at_answer(request.scope, await authentication.turns.take(caller))
        return principal


def _authentication_of(request: Request) -> tuple[Authentication, str]:
    registry: ServiceRegistry = request.app.state.services
    authentication = registry.get(Authentication)
    return authentication, authentication.address_of(request)


async def _verify(request: Request, authentication: Authentication, address: str) -> Principal:
    credentials = await _BEARER(request)
    token = None if credentials is None else credentials.credentials
    principal = await authentication.authenticate(token, address)
    restrict_origins(request.scope, principal.allowed_origins)
    return principal


def _require_scopes(principal: Principal, required: SecurityScopes) -> None:
    missing = [scope for scope in required.scopes if scope not in principal.scopes]
    if missing:
        raise Forbidden(f"The API key lacks the scope {missing[0]!r}.")


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
        principal = await _api_key.identify(request, commands="command" in required.scopes)
        if principal.tenant_id is None:
            raise Forbidden("This needs the key of a tenant; yours belongs to the platform.")
        _require_scopes(principal, required)
        access = TenantAccess(principal.tenant_id, principal)
        if "read" not in required.scopes:
            begin_act(access.tenant_id, access.issued_by)
        return access


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


async def check_again(request: Request, scope: Scope) -> None:
    """Check the key of a tenant again, for an answer that takes long.

    Raises:
        Unauthorized: it was revoked, or has expired.
        Forbidden: it has lost its scope.
    """
    principal = await _verify(request, *_authentication_of(request))
    _require_scopes(principal, SecurityScopes([scope]))


ReadAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["read"])]
WriteAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["write"])]
CommandAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["command"])]
TenantAdminAccess = Annotated[TenantAccess, Security(_tenant_key, scopes=["admin"])]
AdminAccess = Annotated[Principal, Security(_api_key, scopes=["admin"])]
PlatformAccess = Annotated[Principal, Security(_platform_key, scopes=["admin"])]
MetricsAccess = Annotated[Principal, Security(_platform_key, scopes=["metrics"])]
