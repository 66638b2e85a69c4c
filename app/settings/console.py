"""Settings of the console: logins of people, and their sessions."""

from typing import Self

from pydantic import Field, model_validator

from app.settings.values import PREFIX, SettingsGroup, TextIfAny

_SAFE_ISSUERS = ("https://", "http://127.0.0.1:", "http://localhost:")


class ConsoleSettings(SettingsGroup):
    """How people log in to the console."""

    # Seconds without a request after which a session in a browser ends: a working day with a long break.
    console_session_idle_s: float = Field(default=43_200, ge=60, le=31_536_000)
    # Seconds after which a session ends whatever happens, so that a stolen cookie is of no use later.
    console_session_longest_s: float = Field(default=604_800, ge=60, le=31_536_000)
    # Sessions of one user. Beyond it the one that was used longest ago ends: a forgotten browser.
    console_sessions_per_user_limit: int = Field(default=20, ge=1, le=1000)
    # Seconds for which a link that logs in works, once: long enough to copy it from a terminal.
    login_link_s: float = Field(default=900, ge=30, le=604_800)
    # Failed logins per minute of one user, from all addresses, before the answer is 429. A link still works.
    user_login_failures_per_minute: int = Field(default=10, ge=1, le=10_000)
    # Password checks that may wait in one worker. Each takes about 50 ms and 64 MiB; more get 429.
    password_checks_waiting_limit: int = Field(default=32, ge=1, le=10_000)
    # Passkeys of one user: a phone, a laptop and some security keys. Another one gets 409.
    passkeys_per_user_limit: int = Field(default=20, ge=1, le=1000)
    # The identity provider by which people log in (OpenID Connect), as its own configuration names it, such
    # as https://login.example.com/realms/charging; and the client that this server is to it. None: none.
    oidc_issuer: TextIfAny = None
    oidc_client_id: TextIfAny = None
    oidc_client_secret: TextIfAny = Field(default=None, repr=False)
    # The claims of its tokens that say who a person is, the slug of the tenant, and the role.
    oidc_name_claim: str = Field(default="email", min_length=1)
    oidc_tenant_claim: str = Field(default="stationmaster_tenant", min_length=1)
    oidc_role_claim: str = Field(default="stationmaster_role", min_length=1)

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        given = (self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret)
        if any(given) and not all(given):
            raise ValueError(
                f"{PREFIX}OIDC_ISSUER, {PREFIX}OIDC_CLIENT_ID and {PREFIX}OIDC_CLIENT_SECRET need each other"
            )
        if self.oidc_issuer is not None and not self.oidc_issuer.startswith(_SAFE_ISSUERS):
            raise ValueError(f"{PREFIX}OIDC_ISSUER must begin with https://, or be on this machine")
        return self
