"""Creates and lists tenants and API keys for the command line, directly in the database."""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import uuid4

from app.database.database import Database
from app.database.unit_of_work import PlatformWork
from app.errors import AppError, NotFound
from app.server.running import running_engines
from app.settings import Settings
from app.tenants.key_audit import audit_key
from app.tenants.records import ApiKeyRecord, TenantRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.types import Scope, TenantId
from app.users.service import LoginLinks, has_admin_who_can_log_in
from app.web.minted_keys import mint_key, secret_hash

TENANT_SCOPES: tuple[Scope, ...] = ("read", "command", "write")
FIRST_USER = "admin"
"""The user that a link logs in if none is named."""
_ACTOR = "command-line"
"""The name of the one who does it, in the audit."""
_PAGE = 200


class ArgumentError(Exception):
    """A command line argument is wrong. The text is one line and names the argument."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database with its newest schema, whether or not a server runs on it."""
    # Here, because a server asks for `first_login_link` only, and keeps what is loaded.
    from app.server.migration import bring_up_to_date

    async with running_engines(settings, with_redis=False) as complete:
        url = complete.database_url
        if url is None:
            raise AssertionError("the running engines have no database URL")
        await bring_up_to_date(url, settings.credential_pepper)
        database = await Database.open(url)
        try:
            yield database
        finally:
            await database.close()


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Read a list of scopes such as `read,write`.

    Raises:
        ArgumentError: a scope is unknown, or the list is empty; names --scopes.
    """
    known: tuple[Scope, ...] = get_args(Scope)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in known]
    if unknown or not wanted:
        raise ArgumentError(f"--scopes: {unknown[0] if unknown else text!r} is not one of {', '.join(known)}")
    return tuple(scope for scope in known if scope in wanted)


async def create_tenant(database: Database, slug: str, name: str | None) -> TenantRecord:
    """Create a tenant.

    Raises:
        Conflict: the slug is taken.
    """
    async with database.platform() as work:
        return await TenantStore(work).create(slug, name or slug)


async def list_tenants(database: Database) -> list[TenantRecord]:
    """Return all tenants in the order of their slugs."""
    found: list[TenantRecord] = []
    async with database.platform() as work:
        while True:
            page = await TenantStore(work).page(_PAGE, found[-1].slug if found else None)
            found.extend(page)
            if len(page) < _PAGE:
                return found


async def create_key(
    database: Database,
    pepper: str,
    *,
    tenant: str | None,
    name: str,
    scopes: Sequence[Scope],
    lifetime: timedelta | None = None,
) -> str:
    """Create an API key and return its token, which cannot be read again.

    tenant: its slug; None creates a key of the platform.

    Raises:
        NotFound: the tenant does not exist.
    """
    minted = mint_key(pepper)
    now = datetime.now(UTC)
    async with database.platform() as work:
        record = await _existing_tenant(work, tenant) if tenant is not None else None
        key = ApiKeyRecord(
            id=uuid4(),
            tenant_id=record.id if record is not None else None,
            name=name,
            prefix=minted.prefix,
            secret_hash=minted.secret_hash,
            scopes=tuple(scopes),
            expires_at=now + lifetime if lifetime is not None else None,
            revoked_at=None,
            created_at=now,
            last_used_at=None,
        )
        await ApiKeyStore(work).create(key)
        await audit_key(work, key, "create_api_key", _ACTOR, now)
    return minted.token


async def list_keys(database: Database, tenant: str | None) -> list[ApiKeyRecord]:
    """Return the keys of a tenant, the oldest first. tenant: its slug; None: the platform.

    Raises:
        NotFound: the tenant does not exist.
    """
    async with database.platform() as work:
        record = await _existing_tenant(work, tenant) if tenant is not None else None
        return await ApiKeyStore(work).list(None if record is None else record.id)


def key_line(key: ApiKeyRecord, now: datetime) -> str:
    """Return a key as one line, with tabs between prefix, name, scopes, state and last use."""
    if key.revoked_at is not None:
        state = "revoked"
    elif key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    else:
        state = "valid" if key.expires_at is None else f"valid until {key.expires_at:%Y-%m-%d}"
    used = "never used" if key.last_used_at is None else f"used {key.last_used_at:%Y-%m-%d}"
    return "\t".join((key.prefix, key.name, ",".join(key.scopes), state, used))


async def revoke_key(database: Database, prefix: str) -> ApiKeyRecord:
    """Revoke the key of a prefix, and return it. A second call changes nothing.

    Raises:
        NotFound: there is no such key.
    """
    async with database.platform() as work:
        record = await ApiKeyStore(work).find_by_prefix(prefix)
        if record is None:
            raise NotFound(f"There is no key with the prefix {prefix!r}.", "prefix")
        now = datetime.now(UTC)
        if await ApiKeyStore(work).revoke(record.id, now):
            await audit_key(work, record, "revoke_api_key", _ACTOR, now)
    return record


async def login_link(database: Database, settings: Settings, tenant: str, user: str, base_url: str) -> str:
    """Return a link that logs a user in to the console once. An unknown user is made, as an admin.

    Raises:
        NotFound: the tenant does not exist.
    """
    async with database.platform() as work:
        record = await TenantStore(work).by_slug(tenant)
    if record is None:
        raise NotFound(f"There is no tenant {tenant!r}.", "tenant")
    links = LoginLinks(settings.credential_pepper, settings.login_link_s)
    async with database.tenant(record.id) as tenant_work:
        token = await links.make_for(tenant_work, user, _ACTOR, datetime.now(UTC))
    return f"{base_url.rstrip('/')}/console/links/{token}"


async def first_login_link(settings: Settings, base_url: str) -> tuple[str, str] | None:
    """Return the slug of a tenant whose admin needs a link, and a link for it; None: no tenant needs one.

    Only the first tenants are looked at.

    Raises:
        NotFound: there is no tenant yet.
    """
    if settings.database_url is None:
        raise AssertionError("the running server has no database URL")
    database = await Database.open(settings.database_url)
    try:
        async with database.platform() as work:
            tenants = await TenantStore(work).page(_PAGE)
        if not tenants:
            raise NotFound("There is no tenant.")
        for tenant in tenants:
            if not await has_admin_who_can_log_in(database, TenantId(tenant.id)):
                return tenant.slug, await login_link(database, settings, tenant.slug, FIRST_USER, base_url)
    finally:
        await database.close()
    return None


async def key_works(database: Database, pepper: str, token: str, tenant: str) -> bool:
    """Check whether a token is still valid for a tenant: same database, same pepper, not revoked."""
    parts = token.split("_")
    if len(parts) != 3:
        return False
    try:
        async with database.platform() as work:
            key = await ApiKeyStore(work).find_by_prefix(parts[1])
            owner = await TenantStore(work).by_slug(tenant)
    except AppError:
        return False
    return (
        key is not None
        and owner is not None
        and key.tenant_id == owner.id
        and key.revoked_at is None
        and key.expires_at is None
        and hmac.compare_digest(key.secret_hash, secret_hash(pepper, parts[2]))
    )


async def _existing_tenant(work: PlatformWork, slug: str) -> TenantRecord:
    record = await TenantStore(work).by_slug(slug)
    if record is None:
        raise NotFound(f"There is no tenant {slug!r}.", "tenant")
    return record
