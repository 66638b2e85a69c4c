"""SQL of users, their sessions and login links."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from app.database.repository import Repository, columns_of
from app.database.schema import TENANTS
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.types import TenantId
from app.users import tables
from app.users.records import FoundPasskey, FoundSession, NewPasskey, PasskeyRecord, SessionRecord, UserRecord

_USERS = tables.users
_SESSIONS = tables.user_sessions
_LINKS = tables.login_links
_PASSKEYS = tables.passkeys
_USER_COLUMNS = columns_of(UserRecord, _USERS)
_SESSION_COLUMNS = columns_of(SessionRecord, _SESSIONS)
_PASSKEY_COLUMNS = columns_of(PasskeyRecord, _PASSKEYS)


class UserStore(Repository):
    """The users of one tenant."""

    async def create(self, name: str, role: str, now: datetime) -> UserRecord:
        """Create a user without a password.

        Raises:
            Conflict: the name is taken.
        """
        values = {"tenant_id": self.tenant_id, "name": name, "role": role, "created_at": now}
        try:
            row = await self.connection.execute(insert(_USERS).values(values).returning(*_USER_COLUMNS))
        except IntegrityError as error:
            if "uq_users_name" not in str(error):
                raise
            raise Conflict(f"The user {name!r} exists already.", "name") from None
        return UserRecord(*row.one())

    async def lock_roles(self) -> None:
        """Let changes of roles in a tenant wait for each other: two must not remove the last two admins."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('users'), :key)"), {"key": self.tenant_id % 2**31}
        )

    async def list(self) -> list[UserRecord]:
        """Return all users in the order of their names."""
        statement = select(*_USER_COLUMNS).where(_USERS.c.tenant_id == self.tenant_id)
        return [UserRecord(*row) for row in await self.connection.execute(statement.order_by(_USERS.c.name))]

    async def by_name(self, name: str, *, to_change: bool = False) -> UserRecord | None:
        """Return the user of this name. to_change: lock the row until the end of the transaction."""
        statement = select(*_USER_COLUMNS).where(_USERS.c.tenant_id == self.tenant_id, _USERS.c.name == name)
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else UserRecord(*row)

    async def update(self, user_id: int, **changes: Any) -> None:
        """Change columns of a user."""
        await self.connection.execute(update(_USERS).where(*self._is_user(user_id)).values(changes))

    async def delete(self, user_id: int) -> None:
        """Delete a user, with the sessions and links."""
        await self.connection.execute(delete(_USERS).where(*self._is_user(user_id)))

    async def add_session(self, session: SessionRecord) -> None:
        """Store a new session, and delete those of the tenant whose time is over."""
        over = delete(_SESSIONS).where(
            _SESSIONS.c.tenant_id == self.tenant_id, _SESSIONS.c.expires_at <= session.created_at
        )
        await self.connection.execute(over)
        values = {column.name: getattr(session, column.name) for column in _SESSIONS.columns}
        await self.connection.execute(insert(_SESSIONS).values(values))

    async def keep_sessions(self, user_id: int, limit: int) -> int:
        """End all sessions of a user but those that were used last, and return how many ended."""
        is_own = and_(_SESSIONS.c.tenant_id == self.tenant_id, _SESSIONS.c.user_id == user_id)
        last_used = (_SESSIONS.c.seen_at.desc(), _SESSIONS.c.created_at.desc(), _SESSIONS.c.token_hash)
        kept = select(_SESSIONS.c.token_hash).where(is_own).order_by(*last_used).limit(limit)
        ended = delete(_SESSIONS).where(is_own, _SESSIONS.c.token_hash.not_in(kept))
        return (await self.connection.execute(ended)).rowcount

    async def touch_session(self, token_hash: bytes, now: datetime) -> None:
        """Record that a session was used."""
        statement = update(_SESSIONS).where(
            _SESSIONS.c.tenant_id == self.tenant_id, _SESSIONS.c.token_hash == token_hash
        )
        await self.connection.execute(statement.values(seen_at=now))

    async def delete_session(self, token_hash: bytes) -> None:
        """End one session."""
        await self.connection.execute(
            delete(_SESSIONS).where(
                _SESSIONS.c.tenant_id == self.tenant_id, _SESSIONS.c.token_hash == token_hash
            )
        )

    async def delete_sessions(self, user_id: int) -> None:
        """End all sessions of a user, and withdraw the links."""
        for table in (_SESSIONS, _LINKS):
            await self.connection.execute(
                delete(table).where(table.c.tenant_id == self.tenant_id, table.c.user_id == user_id)
            )

    async def add_link(self, token_hash: bytes, user_id: int, now: datetime, expires_at: datetime) -> None:
        """Store a link that logs a user in once, and delete those of the tenant whose time is over."""
        await self.connection.execute(
            delete(_LINKS).where(_LINKS.c.tenant_id == self.tenant_id, _LINKS.c.expires_at <= now)
        )
        values = {
            "tenant_id": self.tenant_id,
            "token_hash": token_hash,
            "user_id": user_id,
            "created_at": now,
            "expires_at": expires_at,
        }
        await self.connection.execute(insert(_LINKS).values(values))

    async def passkeys(self, user_id: int) -> Sequence[PasskeyRecord]:
        """Return the passkeys of a user, the oldest first."""
        statement = select(*_PASSKEY_COLUMNS).where(
            _PASSKEYS.c.tenant_id == self.tenant_id, _PASSKEYS.c.user_id == user_id
        )
        rows = await self.connection.execute(statement.order_by(_PASSKEYS.c.id))
        return [PasskeyRecord(*row) for row in rows]

    async def add_passkey(self, user_id: int, passkey: NewPasskey, now: datetime) -> None:
        """Store a passkey.

        Raises:
            Conflict: it is stored already.
        """
        values = {**asdict(passkey), "tenant_id": self.tenant_id, "user_id": user_id, "created_at": now}
        added = upsert(_PASSKEYS).values(values).on_conflict_do_nothing().returning(_PASSKEYS.c.id)
        if (await self.connection.execute(added)).one_or_none() is None:
            raise Conflict("This passkey is known already.")

    async def use_passkey(self, number: int, sign_count: int, asked_at: datetime, now: datetime) -> bool:
        """Record a use of a passkey. False: it was deleted, or was used since it was asked for.

        Many passkeys do not count, so that the counter alone would let an answer in again. asked_at: when the
        challenge was made.
        """
        statement = update(_PASSKEYS).where(
            _PASSKEYS.c.tenant_id == self.tenant_id,
            _PASSKEYS.c.id == number,
            or_(_PASSKEYS.c.sign_count < sign_count, _PASSKEYS.c.sign_count == 0),
            or_(_PASSKEYS.c.last_used_at.is_(None), _PASSKEYS.c.last_used_at <= asked_at),
        )
        used = statement.values(sign_count=sign_count, last_used_at=now).returning(_PASSKEYS.c.id)
        return (await self.connection.execute(used)).one_or_none() is not None

    async def delete_passkey(self, user_id: int, number: int) -> str | None:
        """Delete a passkey of a user, and return its name; None: there is none."""
        statement = delete(_PASSKEYS).where(
            _PASSKEYS.c.tenant_id == self.tenant_id, _PASSKEYS.c.user_id == user_id, _PASSKEYS.c.id == number
        )
        row = (await self.connection.execute(statement.returning(_PASSKEYS.c.name))).one_or_none()
        return None if row is None else str(row.name)

    def _is_user(self, user_id: int) -> tuple[Any, ...]:
        return _USERS.c.tenant_id == self.tenant_id, _USERS.c.id == user_id


class LoginStore:
    """The reads of a login, whose tenant is not known yet. They need a unit of work above the tenants."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def session(self, token_hash: bytes) -> FoundSession | None:
        """Return the session of a cookie, with its user and tenant, whether or not it is over."""
        joined = _SESSIONS.join(
            _USERS, and_(_USERS.c.tenant_id == _SESSIONS.c.tenant_id, _USERS.c.id == _SESSIONS.c.user_id)
        ).join(TENANTS, TENANTS.c.id == _SESSIONS.c.tenant_id)
        statement = (
            select(*_SESSION_COLUMNS, *_USER_COLUMNS, TENANTS.c.slug, TENANTS.c.suspension_reason)
            .select_from(joined)
            .where(_SESSIONS.c.token_hash == token_hash)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        if row is None:
            return None
        first = len(_SESSION_COLUMNS)
        return FoundSession(SessionRecord(*row[:first]), UserRecord(*row[first:-2]), *row[-2:])

    async def user(self, tenant_slug: str, name: str) -> tuple[UserRecord, str] | None:
        """Return the user of this name, with the slug of the tenant."""
        statement = (
            select(*_USER_COLUMNS)
            .select_from(_USERS.join(TENANTS, TENANTS.c.id == _USERS.c.tenant_id))
            .where(TENANTS.c.slug == tenant_slug, _USERS.c.name == name)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else (UserRecord(*row), tenant_slug)

    async def tenant(self, slug: str) -> TenantId | None:
        """Return the tenant of a slug; None: there is none."""
        found = await self.connection.scalar(select(TENANTS.c.id).where(TENANTS.c.slug == slug))
        return None if found is None else TenantId(found)

    async def passkey(self, credential_id: bytes) -> FoundPasskey | None:
        """Return the passkey that a browser names, with its user and tenant."""
        joined = _PASSKEYS.join(
            _USERS, and_(_USERS.c.tenant_id == _PASSKEYS.c.tenant_id, _USERS.c.id == _PASSKEYS.c.user_id)
        ).join(TENANTS, TENANTS.c.id == _PASSKEYS.c.tenant_id)
        statement = (
            select(*_PASSKEY_COLUMNS, *_USER_COLUMNS, TENANTS.c.slug)
            .select_from(joined)
            .where(_PASSKEYS.c.credential_id == credential_id)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        if row is None:
            return None
        first = len(_PASSKEY_COLUMNS)
        return FoundPasskey(PasskeyRecord(*row[:first]), UserRecord(*row[first:-1]), row[-1])

    async def take_link(self, token_hash: bytes, now: datetime) -> tuple[UserRecord, str] | None:
        """Delete a link, and return its user with the slug of the tenant; None: there is no valid one."""
        taken = (
            delete(_LINKS)
            .where(_LINKS.c.token_hash == token_hash, _LINKS.c.expires_at > now)
            .returning(_LINKS.c.tenant_id, _LINKS.c.user_id)
        )
        found = (await self.connection.execute(taken)).one_or_none()
        if found is None:
            return None
        statement = (
            select(*_USER_COLUMNS, TENANTS.c.slug)
            .select_from(_USERS.join(TENANTS, TENANTS.c.id == _USERS.c.tenant_id))
            .where(_USERS.c.tenant_id == found.tenant_id, _USERS.c.id == found.user_id)
        )
        row = (await self.connection.execute(statement)).one()
        return UserRecord(*row[:-1]), row[-1]
