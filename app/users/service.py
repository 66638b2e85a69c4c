"""The use cases of users: log in and out, links, passwords, and the list of people of a tenant."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Final

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import (
    Conflict,
    FieldViolation,
    InvalidInput,
    NotFound,
    TenantSuspended,
    TooManyRequests,
    Unauthorized,
)
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.token_buckets import TokenBuckets
from app.types import Json, TenantId
from app.users.passwords import Passwords
from app.users.records import LoginMethod, NewLogin, Role, SessionRecord, SignedIn, UserRecord, UserUpdate
from app.users.rules import (
    can_administer,
    changed_user,
    is_over,
    keeps_an_admin,
    must_record_seen,
    password_fault,
)
from app.users.store import LoginStore, UserStore

_KEYS: Final = 4096
"""Addresses and users whose failed logins are counted."""
_WRONG: Final = "The tenant, the user or the password is wrong."


def hashed_token(pepper: str, token: str) -> bytes:
    """Return the stored form of the token of a session or a link. It has 256 bits, so one HMAC is enough."""
    return hmac.digest(pepper.encode(), b"login:" + token.encode(), sha256)


@dataclass(frozen=True, slots=True)
class LoginLinks:
    """Makes the tokens of links that log a user in once. life_s: seconds for which a link works."""

    pepper: str
    life_s: float

    async def make(self, work: TenantWork, user: UserRecord, now: datetime) -> str:
        """Make a token for a user who is locked against changes."""
        token = secrets.token_urlsafe(32)
        expires_at = now + timedelta(seconds=self.life_s)
        await UserStore(work).add_link(hashed_token(self.pepper, token), user.id, now, expires_at)
        return token

    async def make_for(self, work: TenantWork, name: str, actor: str, now: datetime) -> str:
        """Make a token for the user of this name, and keep in the audit who did it.

        An unknown user is made, as an admin.
        """
        store = UserStore(work)
        # Servers that start at the same time ask for the same user.
        await store.lock_roles()
        user = await store.by_name(name, to_change=True)
        if user is None:
            user = await store.create(name, "admin", now)
            await note_act(work, now, actor, "create_user", name, {"role": user.role})
        await note_act(work, now, actor, "create_login_link", name)
        return await self.make(work, user, now)


async def has_admin_who_can_log_in(database: Database, tenant_id: TenantId) -> bool:
    """Tell whether a tenant has an admin with a password or a passkey, who needs no link."""
    async with database.tenant(tenant_id) as work:
        store = UserStore(work)
        for user in await store.list():
            if can_administer(user) and (user.password_hash or await store.passkeys(user.id)):
                return True
    return False


class LoginService:
    """Logs people in and out of the console."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._passwords = Passwords(settings.password_checks_waiting_limit)
        self._addresses = TokenBuckets(settings.login_failures_per_minute, _KEYS)
        self._users = TokenBuckets(settings.user_login_failures_per_minute, _KEYS)

    @property
    def session_longest_s(self) -> float:
        """Seconds after which a session ends whatever happens."""
        return self._settings.console_session_longest_s

    async def by_link(self, token: str, address: str) -> NewLogin:
        """Log in by a link, which then works no longer.

        Raises:
            NotFound: there is no such link, it was used, or its time is over.
            TooManyRequests: this address has tried too many.
        """
        now = self._clock.now()
        self.refuse_flood_of(address)
        async with self._database.platform() as work:
            found = await LoginStore(work).take_link(self._hashed(token), now)
        if found is None:
            self.count_failure_of(address)
            raise NotFound("This link was used, or its time is over. Ask for a new one.")
        return await self.begin(*found, "link")

    async def by_password(self, tenant: str, name: str, password: str, address: str) -> NewLogin:
        """Log in by a password. An unknown user gets the same answer, after the same time.

        Raises:
            Unauthorized: the tenant, the user or the password is wrong.
            TooManyRequests: too many tries from this address or for this user, or too many at once.
        """
        address_key, user_key = (address,), (tenant, name)
        self._refuse_flood(self._addresses, address_key)
        self._refuse_flood(self._users, user_key)
        # Before the check, so that tries at the same time count, too.
        self._addresses.take(address_key, self._clock.monotonic())
        self._users.take(user_key, self._clock.monotonic())
        async with self._database.platform() as work:
            found = await LoginStore(work).user(tenant, name)
        stored = None if found is None else found[0].password_hash
        if not await self._passwords.is_right(stored, password) or found is None:
            raise Unauthorized(_WRONG)
        self._addresses.take(address_key, self._clock.monotonic(), -1.0)
        self._users.take(user_key, self._clock.monotonic(), -1.0)
        return await self.begin(*found, "password")

    async def signed_in(self, token: str) -> SignedIn | None:
        """Return the person of a cookie; None: the session is unknown, or over.

        Raises:
            TenantSuspended: the tenant is kept out.
        """
        token_hash, now = self._hashed(token), self._clock.now()
        async with self._database.platform() as work:
            found = await LoginStore(work).session(token_hash)
        if found is None or is_over(found.session, now, self._settings.console_session_idle_s):
            return None
        if found.suspension_reason is not None:
            raise TenantSuspended(found.suspension_reason)
        tenant_id = TenantId(found.session.tenant_id)
        if must_record_seen(found.session, now):
            async with self._database.tenant(tenant_id) as work:
                await UserStore(work).touch_session(token_hash, now)
        csrf_token = hmac.new(token.encode(), b"csrf", sha256).hexdigest()
        return SignedIn(tenant_id, found.tenant_slug, found.user, found.session.method, csrf_token)

    async def log_out(self, token: str) -> None:
        """End the session of a cookie. An unknown one changes nothing."""
        token_hash = self._hashed(token)
        async with self._database.platform() as work:
            found = await LoginStore(work).session(token_hash)
        if found is not None:
            async with self._database.tenant(found.session.tenant_id) as tenant_work:
                await UserStore(tenant_work).delete_session(token_hash)

    async def log_out_everywhere(self, person: SignedIn) -> None:
        """End all sessions of a person, and withdraw the links."""
        async with self._database.tenant(person.tenant_id) as work:
            await UserStore(work).delete_sessions(person.user.id)
            await self._audit(work, person.actor, "end_user_sessions", person.user.name)

    async def set_password(self, person: SignedIn, password: str, old_password: str | None) -> NewLogin:
        """Set the person's own password. All sessions end; the returned one begins.

        old_password: needed if the person has a password, unless the session began with a link.

        Raises:
            InvalidInput: the new password is too weak, or the old one is wrong.
            TooManyRequests: too many wrong tries.
        """
        if fault := password_fault(password, person.user.name, person.tenant_slug):
            raise InvalidInput([FieldViolation("/password", "weak_password", fault)])
        if person.user.password_hash is not None and person.method != "link":
            await self._check_old(person, old_password or "")
        password_hash = await self._passwords.hash(password)
        async with self._database.tenant(person.tenant_id) as work:
            store = UserStore(work)
            await store.update(person.user.id, password_hash=password_hash)
            await store.delete_sessions(person.user.id)
            await self._audit(work, person.actor, "set_password", person.user.name)
        changed = replace(person.user, password_hash=password_hash)
        return await self.begin(changed, person.tenant_slug, "password")

    async def _check_old(self, person: SignedIn, password: str) -> None:
        key = (person.tenant_slug, person.user.name)
        self._refuse_flood(self._users, key)
        self._users.take(key, self._clock.monotonic())
        if not await self._passwords.is_right(person.user.password_hash, password):
            raise InvalidInput([FieldViolation("/old_password", "wrong_password", "is wrong")])
        self._users.take(key, self._clock.monotonic(), -1.0)

    def refuse_flood_of(self, address: str) -> None:
        """Refuse a login if too many from this address have failed.

        Raises:
            TooManyRequests: they have.
        """
        self._refuse_flood(self._addresses, (address,))

    def count_failure_of(self, address: str) -> None:
        """Count a failed login of an address."""
        self._addresses.take((address,), self._clock.monotonic())

    async def begin(self, user: UserRecord, tenant_slug: str, method: LoginMethod) -> NewLogin:
        """Begin a session of a user who has proved to be one. method: how.

        Raises:
            Unauthorized: the user is locked, was just deleted, or has just got another password.
        """
        token, now = secrets.token_urlsafe(32), self._clock.now()
        expires_at = now + timedelta(seconds=self._settings.console_session_longest_s)
        session = SessionRecord(user.tenant_id, self._hashed(token), user.id, method, now, now, expires_at)
        async with self._database.tenant(user.tenant_id) as work:
            store = UserStore(work)
            present = await store.by_name(user.name, to_change=True)
            if present is None or present.id != user.id or present.locked_at is not None:
                raise Unauthorized("An admin has locked this user.")
            if method == "password" and present.password_hash != user.password_hash:
                raise Unauthorized(_WRONG)
            await store.add_session(session)
            ended = await store.keep_sessions(user.id, self._settings.console_sessions_per_user_limit)
            LIMITS_HIT.labels("console_sessions").inc(ended)
            await store.update(user.id, last_login_at=now)
            await self._audit(work, f"user:{user.name}", "log_in", user.name, {"method": method})
        return NewLogin(token, tenant_slug, user)

    def _hashed(self, token: str) -> bytes:
        return hashed_token(self._settings.credential_pepper, token)

    def _refuse_flood(self, buckets: TokenBuckets, key: tuple[str, ...]) -> None:
        wait_s = buckets.retry_after_s(key, self._clock.monotonic())
        if wait_s > 0.0:
            LIMITS_HIT.labels("console_logins").inc()
            raise TooManyRequests("Too many logins have failed. Wait a minute.", max(1, ceil(wait_s)))

    async def _audit(
        self, work: TenantWork, actor: str, act: Act, name: str, details: Json | None = None
    ) -> None:
        await note_act(work, self._clock.now(), actor, act, name, details)


@dataclass(frozen=True, slots=True)
class UserService:
    """The people of a tenant, as an admin manages them."""

    database: Database
    clock: Clock
    settings: Settings

    async def list(self, tenant_id: TenantId) -> list[UserRecord]:
        """Return all users in the order of their names."""
        async with self.database.tenant(tenant_id) as work:
            return await UserStore(work).list()

    async def create(self, tenant_id: TenantId, actor: str, name: str, role: Role) -> UserRecord:
        """Create a user, who logs in first by a link.

        Raises:
            Conflict: the name is taken.
        """
        async with self.database.tenant(tenant_id) as work:
            return await self._create(work, actor, name, role, self.clock.now())

    async def create_with_link(
        self, tenant_id: TenantId, actor: str, name: str, role: Role
    ) -> tuple[UserRecord, str]:
        """Create a user, and the token of the link by which the user logs in first.

        Raises:
            Conflict: the name is taken.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            user = await self._create(work, actor, name, role, now)
            return user, await self._links().make(work, user, now)

    async def get(self, tenant_id: TenantId, name: str) -> UserRecord:
        """Return one user.

        Raises:
            NotFound: there is no such user.
        """
        async with self.database.tenant(tenant_id) as work:
            return await self._existing(work, name)

    async def change(
        self,
        tenant_id: TenantId,
        actor: str,
        name: str,
        change: UserUpdate,
        compare: Callable[[UserRecord], None] = lambda _: None,
    ) -> UserRecord:
        """Change the role of a user, which counts from the next request on, or lock the user.

        compare: is called with the user before the change, and may raise. Sessions and links of a user who
        becomes locked end at once.

        Raises:
            NotFound: there is no such user.
            Conflict: no admin would be left who may log in.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = UserStore(work)
            await store.lock_roles()
            user = await self._existing(work, name)
            compare(user)
            changed = changed_user(user, change, now)
            if not keeps_an_admin(await store.list(), user, changed):
                raise _last_admin()
            await store.update(user.id, role=changed.role, locked_at=changed.locked_at)
            if changed.locked_at is not None:
                await store.delete_sessions(user.id)
            details = {"role": changed.role, "locked": changed.locked_at is not None}
            await note_act(work, now, actor, "change_user", name, details)
        return changed

    async def delete(self, tenant_id: TenantId, actor: str, name: str) -> None:
        """Delete a user, whose sessions end at once.

        Raises:
            NotFound: there is no such user.
            Conflict: it is the last admin.
        """
        async with self.database.tenant(tenant_id) as work:
            store = UserStore(work)
            await store.lock_roles()
            user = await self._existing(work, name)
            if not keeps_an_admin(await store.list(), user, None):
                raise _last_admin()
            await store.delete(user.id)
            await note_act(work, self.clock.now(), actor, "delete_user", name)

    async def login_link(self, tenant_id: TenantId, actor: str, name: str) -> str:
        """Make the token of a link that logs a user in once, also one who has lost the password.

        Raises:
            NotFound: there is no such user.
        """
        async with self.database.tenant(tenant_id) as work:
            user = await self._existing(work, name)
            now = self.clock.now()
            token = await self._links().make(work, user, now)
            await note_act(work, now, actor, "create_login_link", name)
        return token

    async def _create(self, work: TenantWork, actor: str, name: str, role: Role, now: datetime) -> UserRecord:
        user = await UserStore(work).create(name, role, now)
        await note_act(work, now, actor, "create_user", name, {"role": role})
        return user

    def _links(self) -> LoginLinks:
        return LoginLinks(self.settings.credential_pepper, self.settings.login_link_s)

    async def _existing(self, work: TenantWork, name: str) -> UserRecord:
        user = await UserStore(work).by_name(name, to_change=True)
        if user is None:
            raise NotFound(f"There is no user {name!r}.", "name")
        return user


def _last_admin() -> Conflict:
    return Conflict("The last admin stays: make another user an admin first.", "name")


async def note_act(
    work: TenantWork, now: datetime, actor: str, act: Act, name: str, details: Json | None = None
) -> None:
    """Keep an act in the audit. name: of the user whom it is about."""
    subject = f"/v1/users/{name}"
    await AuditStore(work).add(NewAuditEntry(work.tenant_id, now, actor, act, subject, "", details or {}))
