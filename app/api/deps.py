"""What routes ask for: the services, and the caller with the scope the route needs.

Scopes are declared in the signature (`access: ReadAccess`) and nowhere else; OpenAPI shows the same. No
scope contains another: a key has exactly what it lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from app.api.authentication import KeyRing, Principal
from app.clock import Clock
from app.csms.commands import Commands
from app.csms.smart_charging.installer import ProfileInstaller
from app.errors import Forbidden, NotFound
from app.ids import TenantId
from app.live.command_bus import CommandBus
from app.live.presence import Presence
from app.settings import Settings
from app.store.database import Database


@dataclass(frozen=True)
class Services:
    """What the API works with; the composition root puts it at `app.state.services`."""

    database: Database
    presence: Presence
    commands: Commands
    bus: CommandBus
    clock: Clock
    settings: Settings
    client_address: Callable[[str, str | None], str]
    """From the peer and the value of X-Forwarded-For to the address that answers for a request."""

    @cached_property
    def keys(self) -> KeyRing:
        """The verifier of API keys, one for each worker."""
        return KeyRing(
            self.database,
            self.clock,
            self.settings.credential_pepper,
            self.settings.login_failures_per_minute,
        )

    @cached_property
    def profile_installer(self) -> ProfileInstaller:
        """What puts stored charging profiles on charge points."""
        return ProfileInstaller(self.database, self.commands, self.clock)


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """A caller who belongs to a tenant and has the scope of the route."""

    tenant_id: TenantId
    principal: Principal

    @property
    def issued_by(self) -> str:
        """The name under which commands of this caller are recorded."""
        return f"key:{self.principal.prefix}"


bearer = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    bearerFormat="sm_<prefix>_<secret>",
    description="An API key of a tenant, or of the platform for `/v1/tenants`.",
)


async def get_services(request: Request) -> Services:
    """The services of this application."""
    services: Services = request.app.state.services
    return services


ServicesDependency = Annotated[Services, Depends(get_services)]


async def get_principal(
    request: Request,
    required: SecurityScopes,
    services: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    """The caller, with every scope that the route requires.

    Raises:
        Unauthorized: no valid key.
        Forbidden: the key lacks a scope.
    """
    peer = request.client.host if request.client else ""
    forwarded_for = ",".join(request.headers.getlist("x-forwarded-for")) or None
    address = services.client_address(peer, forwarded_for)
    token = None if credentials is None else credentials.credentials
    principal = await services.keys.authenticate(token, address)
    missing = [scope for scope in required.scopes if scope not in principal.scopes]
    if missing:
        raise Forbidden(f"The API key lacks the scope {missing[0]!r}.")
    return principal


async def get_tenant_access(principal: Annotated[Principal, Depends(get_principal)]) -> TenantAccess:
    """The caller as a member of a tenant.

    Raises:
        Forbidden: it is a key of the platform, which has no charge points.
    """
    if principal.tenant_id is None:
        raise Forbidden("This needs the key of a tenant; yours belongs to the platform.")
    return TenantAccess(principal.tenant_id, principal)


async def get_platform_access(
    request: Request, principal: Annotated[Principal, Depends(get_principal)]
) -> Principal:
    """The caller as an administrator of the platform.

    Raises:
        NotFound: a tenant's key asks for a certain tenant: whether that exists is not its business.
        Forbidden: a tenant's key asks for all of them.
    """
    if principal.tenant_id is not None:
        if "slug" in request.path_params:
            raise NotFound("There is no such tenant.", "slug")
        raise Forbidden("This needs a key of the platform; yours belongs to a tenant.")
    return principal


ReadAccess = Annotated[TenantAccess, Security(get_tenant_access, scopes=["read"])]
WriteAccess = Annotated[TenantAccess, Security(get_tenant_access, scopes=["write"])]
CommandAccess = Annotated[TenantAccess, Security(get_tenant_access, scopes=["command"])]
AdminAccess = Annotated[Principal, Security(get_principal, scopes=["admin"])]
PlatformAccess = Annotated[Principal, Security(get_platform_access, scopes=["admin"])]
