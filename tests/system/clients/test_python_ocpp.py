"""The PyPI package `ocpp` as a charge point: all 39 messages over ws and wss, each effect over REST.

The package validates requests and answers in both directions by the official JSON Schemas.
"""

from pathlib import Path

import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.system.clients.bench import Transport, site
from tests.system.clients.careless import careless_door, expect_violations
from tests.system.clients.exchange import exchange_all
from tests.system.clients.python_peer import python_peer

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_all_messages_are_exchanged_with_the_package_ocpp(
    transport: Transport, database: Database, settings: Settings, tenant: TenantRecord, tmp_path: Path
) -> None:
    async with (
        site(transport, database, settings, tenant, tmp_path) as opened,
        python_peer(opened.door) as peer,
    ):
        await exchange_all(opened, peer, transport)


async def test_the_package_notices_what_breaks_the_schemas() -> None:
    async with careless_door() as door, python_peer(door) as peer:
        await expect_violations(peer)
