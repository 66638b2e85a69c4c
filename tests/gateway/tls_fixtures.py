"""The servers of the tests of TLS."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.raw_client import close_all
from tests.support.tls import Pki, TlsServer, serve_tls


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def secure(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI], pki: Pki
) -> AsyncIterator[TlsServer]:
    """A server with TLS that asks for no client certificates."""
    async for server in _served(pki.settings(settings), database, tenant, apps, "tls"):
        yield server


@pytest.fixture
async def mutual(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI], pki: Pki
) -> AsyncIterator[TlsServer]:
    """A server with TLS that asks for client certificates."""
    changed = pki.trusting(settings, tls_client_organization="Operator")
    async for server in _served(changed, database, tenant, apps, "mutual"):
        yield server


async def _served(
    settings: Settings, database: Database, tenant: TenantRecord, apps: dict[str, FastAPI], name: str
) -> AsyncIterator[TlsServer]:
    app = apps.setdefault(name, apps.get(name) or create_app(settings))
    async with serve_tls(app, settings) as (plain, tls, acceptors):
        try:
            yield TlsServer(tls, app, database, tenant, settings, plain, acceptors)
        finally:
            await close_all()
