"""The use case of a login by the provider of identities: begin it, and end it with a session."""

import hmac
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from app.clock import Clock
from app.database.database import Database
from app.errors import Conflict, Unauthorized
from app.settings import Settings
from app.types import USER_NAME_PATTERN
from app.users.challenges import new_challenge, opened_challenge
from app.users.identity_provider import IdentityProvider, LoginSecrets
from app.users.records import NewLogin, Role
from app.users.rules import claimed_role, keeps_an_admin
from app.users.service import LoginService, note_act
from app.users.store import LoginStore, UserStore

_PURPOSE: Final = "provider-login"


@dataclass(frozen=True, slots=True)
class _Claimed:
    tenant: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class ProviderLogins:
    """Logins by the provider. provider None: the operator has set none."""

    database: Database
    clock: Clock
    settings: Settings
    logins: LoginService
    provider: IdentityProvider | None

    async def begin(self, return_to: str, address: str) -> tuple[str, str]:
        """Return where the browser goes to log in, and the sealed challenge for its cookie.

        Raises:
            Unauthorized: the operator has set no provider.
            Unavailable: the provider does not answer as expected.
            TooManyRequests: too many logins from this address have failed.
        """
        self.logins.refuse_flood_of(address)
        challenge = new_challenge(self.settings.credential_pepper, _PURPOSE, self.clock.now())
        place = await self._provider().login_address(self._secrets(challenge.value), return_to)
        return place, challenge.sealed

    async def finish(self, sealed: str, state: str, code: str, return_to: str, address: str) -> NewLogin:
        """Log in the person whom the provider has sent back.

        Args:
            sealed: The challenge of the cookie.
            state: As the provider has sent it back.
            code: For which the provider gives its token.
            return_to: As `begin` had it.
            address: Of the client; failed logins count for it.

        Raises:
            Unauthorized: the login did not begin in this browser, is too old, or is not accepted.
            Unavailable: the provider does not answer as expected.
            TooManyRequests: too many logins from this address have failed.
            Conflict: the role would be another one, and no admin would be left who may log in.
        """
        self.logins.refuse_flood_of(address)
        try:
            claimed = await self._claimed(sealed, state, code, return_to)
            async with self.database.platform() as work:
                tenant_id = await LoginStore(work).tenant(claimed.tenant)
            if tenant_id is None:
                raise Unauthorized("The identity provider names a tenant that is not known here.")
        except Unauthorized:
            self.logins.count_failure_of(address)
            raise
        now, actor = self.clock.now(), f"user:{claimed.name}"
        async with self.database.tenant(tenant_id) as work:
            store = UserStore(work)
            await store.lock_roles()
            user = await store.by_name(claimed.name, to_change=True)
            if user is None:
                user = await store.create(claimed.name, claimed.role, now)
                await note_act(work, now, actor, "create_user", claimed.name, {"role": claimed.role})
            elif user.role != claimed.role and user.locked_at is None:
                changed = replace(user, role=claimed.role)
                if not keeps_an_admin(await store.list(), user, changed):
                    raise Conflict(
                        f"The identity provider makes you {claimed.role}, but you are the last admin here. "
                        "Another admin has to log in first."
                    )
                await store.update(user.id, role=claimed.role)
                await note_act(work, now, actor, "change_user", claimed.name, {"role": claimed.role})
        return await self.logins.begin(user, claimed.tenant, "provider")

    async def _claimed(self, sealed: str, state: str, code: str, return_to: str) -> _Claimed:
        challenge = opened_challenge(self.settings.credential_pepper, _PURPOSE, sealed, self.clock.now())
        secrets = None if challenge is None else self._secrets(challenge.value)
        if secrets is None or not hmac.compare_digest(secrets.state.encode(), state.encode()):
            raise Unauthorized("This login did not begin in this browser, or is too old. Begin again.")
        claims = await self._provider().claims(secrets, return_to, code)
        return _claimed(claims, self.settings)

    def _provider(self) -> IdentityProvider:
        if self.provider is None:
            raise Unauthorized("No identity provider is set on this server.")
        return self.provider

    def _secrets(self, value: bytes) -> LoginSecrets:
        pepper = self.settings.credential_pepper.encode()
        state, nonce, verifier = (
            hmac.digest(pepper, b"provider-" + use + value, sha256).hex()
            for use in (b"state:", b"nonce:", b"verifier:")
        )
        return LoginSecrets(state, nonce, verifier)


def _claimed(claims: dict[str, Any], settings: Settings) -> _Claimed:
    """Return who a person is, by the claims that the operator has named.

    Raises:
        Unauthorized: a claim is missing, or does not fit.
    """
    name = claims.get(settings.oidc_name_claim)
    if not isinstance(name, str) or not re.fullmatch(USER_NAME_PATTERN, name.lower()):
        raise _no(settings.oidc_name_claim)
    # An address that the provider has not checked could be that of another person.
    if settings.oidc_name_claim == "email" and claims.get("email_verified") is not True:
        raise _no("email_verified")
    tenant = claims.get(settings.oidc_tenant_claim)
    if not isinstance(tenant, str):
        raise _no(settings.oidc_tenant_claim)
    role = claimed_role(claims.get(settings.oidc_role_claim))
    if role is None:
        raise _no(settings.oidc_role_claim)
    return _Claimed(tenant, name.lower(), role)


def _no(claim: str) -> Unauthorized:
    return Unauthorized(f"The identity provider gives you no {claim} that is valid here.")
