"""Bulks of commands that are issued in the console, with real commands."""

import re
from collections.abc import AsyncIterator

import pytest

from app.bulk_commands.service import BulkCommandService
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from tests.support.api import Api, open_api
from tests.support.console import ConsoleSite, Visitor


@pytest.fixture
async def api(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    """Open the API with real commands."""
    async with open_api(storage, redis_url, settings) as opened:
        yield opened


@pytest.fixture
async def dispatcher(site: ConsoleSite, operator: TenantRecord) -> Visitor:
    """Return the browser of an operator."""
    return await site.logged_in(operator, "operator")


async def test_a_bulk_is_issued_to_those_that_are_named(
    site: ConsoleSite, operator: TenantRecord, dispatcher: Visitor, charge_point: ChargePointId
) -> None:
    await site.api.charge_point(operator, "RDAM-2")
    assert "/console/jobs/bulk-commands/new/Reset" in (await dispatcher.get("/jobs/bulk-commands/new")).text
    address = "/jobs/bulk-commands/new/Reset"
    key = re.search(r'name="idempotency_key" value="([^"]+)"', (await dispatcher.get(address)).text)
    assert key is not None
    form = {
        "payload.type": "Soft",
        "charge_points": "RDAM-2\nRDAM-1",
        "when_offline": "queue",
        "expires_in": "600",
        "idempotency_key": key[1],
    }
    made = await dispatcher.submit(address, **form)
    bulks, tenant_id = site.services.get(BulkCommandService), TenantId(operator.id)
    [bulk] = await bulks.page(tenant_id, 9, None)
    assert made.location == f"/console/jobs/bulk-commands/{bulk.record.id}"
    assert (bulk.record.action, bulk.record.payload, bulk.record.total) == ("Reset", {"type": "Soft"}, 2)
    assert (bulk.record.when_offline, bulk.record.issued_by) == ("queue", "user:operator")
    # The button was pressed twice.
    assert (await dispatcher.submit(address, **form)).location == made.location
    assert len(await bulks.page(tenant_id, 9, None)) == 1


@pytest.mark.parametrize(
    ("chosen", "total"),
    [({"all": "true"}, 2), ({"filter.prefix": "RDAM-"}, 1), ({"filter.search": "els"}, 1)],
)
async def test_a_bulk_finds_its_charge_points(
    site: ConsoleSite,
    operator: TenantRecord,
    dispatcher: Visitor,
    charge_point: ChargePointId,
    chosen: dict[str, str],
    total: int,
) -> None:
    await site.api.charge_point(operator, "ELSE-1")
    made = await dispatcher.submit("/jobs/bulk-commands/new/ClearCache", **chosen)
    assert made.status == 303
    [bulk] = await site.services.get(BulkCommandService).page(TenantId(operator.id), 9, None)
    assert bulk.record.total == total


@pytest.mark.parametrize(
    ("form", "detail"),
    [
        ({}, "Identities: name some, say what they have in common, or take all"),
        (
            {"all": "true", "charge_points": "RDAM-1"},
            "All charge points: is ticked, and some are chosen, too",
        ),
        ({"charge_points": "RDAM-1\nNOWHERE"}, "Identities: number 2 there is no charge point"),
        ({"charge_points": "RDAM-1", "payload.type": "Medium"}, "type: "),
        ({"charge_points": "RDAM-1", "timeout_s": "soon"}, "Time for an answer: is not a whole number"),
        ({"filter.prefix": "X"}, "it finds no charge point"),
    ],
)
async def test_a_refused_bulk_says_which_field_is_wrong(
    dispatcher: Visitor, charge_point: ChargePointId, form: dict[str, str], detail: str
) -> None:
    refused = await dispatcher.submit("/jobs/bulk-commands/new/Reset", **{"payload.type": "Soft", **form})
    assert refused.status == 422
    assert detail in refused.text
