"""Creates and lists tenants and API keys for the command line, directly in the database."""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import uuid4

from app.database.database import Database
from app.errors import AppError, NotFound
from app.server.migration import bring_up_to_date
from app.server.running import running_engines
from app.settings import Settings
from app.tenants.records import ApiKeyRecord, TenantRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.types import Scope
from app.web.tokens import mint_key, secret_hash

TENANT_SCOPES: tuple[Scope, ...] = ("read", "command", "write")
_PAGE = 200


class ArgumentError(Exception):
    """A command line argument is wrong. The text is one line and names the argument."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database with its newest schema, whether or not a server runs on it."""
    async with running_engines(settings, with_redis=False) as complete:
        url = complete.database_url
        if url is None:
            raise AssertionError("the running engines have no database URL")
        await bring_up_to_date(url)
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
        record = await TenantStore(work).by_slug(tenant) if tenant is not None else None
        if tenant is not None and record is None:
            raise NotFound(f"There is no tenant {tenant!r}.", "tenant")
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
    return minted.token


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
