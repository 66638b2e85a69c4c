"""The npm package `ocpp-rpc` as a charge point: all 39 messages over ws and wss, each effect over REST.

Its strict mode validates requests and answers in both directions. Its own schemas cover the security
extension, too, so no validator is added.
"""

from pathlib import Path

import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.node_packages import install_packages
from tests.system.clients.bench import Transport, site
from tests.system.clients.careless import careless_door, expect_violations
from tests.system.clients.exchange import exchange_all
from tests.system.clients.rpc_peer import PACKAGE_FILES, rpc_peer

# npm fetches the package the first time.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def packages(pytestconfig: pytest.Config) -> Path:
    """The packages that package-lock.json names, kept in the cache of pytest."""
    return install_packages(PACKAGE_FILES, pytestconfig.cache.mkdir("ocpp-rpc"))


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_all_messages_are_exchanged_with_the_package_ocpp_rpc(
    transport: Transport,
    database: Database,
    settings: Settings,
    tenant: TenantRecord,
    tmp_path: Path,
    packages: Path,
) -> None:
    async with (
        site(transport, database, settings, tenant, tmp_path) as opened,
        rpc_peer(opened.door, packages) as peer,
    ):
        await exchange_all(opened, peer, transport)


async def test_the_package_notices_what_breaks_the_schemas(packages: Path) -> None:
    async with careless_door() as door, rpc_peer(door, packages) as peer:
        await expect_violations(peer)
