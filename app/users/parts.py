"""The parts of users of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.database.database import Database
from app.settings import Settings
from app.users.identity_provider import IdentityProvider, Provider
from app.users.passkeys import PasskeyService
from app.users.provider_logins import ProviderLogins
from app.users.service import LoginService, UserService


def user_parts(database: Database, clock: Clock, settings: Settings) -> Capability:
    """Return the services that log people in, and manage them."""
    logins = LoginService(database, clock, settings)
    return Capability(
        services=(
            logins,
            PasskeyService(database, clock, settings, logins),
            ProviderLogins(database, clock, settings, logins, _provider(clock, settings)),
            UserService(database, clock, settings),
        )
    )


def _provider(clock: Clock, settings: Settings) -> IdentityProvider | None:
    issuer, client_id, client_secret = (
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
    )
    if issuer is None or client_id is None or client_secret is None:
        return None
    return IdentityProvider(Provider(issuer, client_id, client_secret), clock)
