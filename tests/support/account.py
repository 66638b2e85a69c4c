"""A tenant with a key, for tests that run the whole server."""

from dataclasses import dataclass

from app.cli.administration import create_key
from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord


@dataclass(frozen=True)
class Account:
    """A tenant and the token of a key with every scope that a tenant's developer has."""

    slug: str
    token: str


async def open_account(database: Database, settings: Settings, tenant: TenantRecord) -> Account:
    """Create the tenant and the key, and return them."""
    token = await create_key(
        database,
        settings.credential_pepper,
        tenant=tenant.slug,
        name="tests",
        scopes=("read", "command", "write"),
    )
    return Account(tenant.slug, token)
