"""Deleting a tenant keeps its bills, and nothing else."""

import pytest
from sqlalchemy import text

from app.cli.administration import create_key
from app.tenants.rules import DELETED, KEPT_TABLES
from app.tenants.store import TenantStore
from tests.support.api import Api
from tests.system.contract.conftest import OwnedResources, make_owned

TENANTS = "/v1/tenants"


@pytest.fixture
async def owned(api: Api) -> OwnedResources:
    """A tenant with one of everything, billing records included."""
    return await make_owned(api)


async def rows_of(api: Api, tenant_id: int) -> dict[str, int]:
    """Return how many rows of a tenant each table has; tables without any are left out."""
    async with api.services.storage.database.platform() as work:
        tables = await work.connection.scalars(
            text(
                "select table_name::text from information_schema.columns "
                "join pg_class on relname = table_name "
                "where table_schema = 'public' and column_name = 'tenant_id' and not relispartition"
            )
        )
        counts = {}
        for table in list(tables):
            count = text(f'select count(*) from "{table}" where tenant_id = :id')  # noqa: S608 - of the catalog
            counts[table] = int(await work.connection.scalar(count, {"id": tenant_id}))
    # Changes of accesses are for the workers, and go after a day.
    return {table: count for table, count in counts.items() if count and table != "access_changes"}


async def test_only_what_belongs_to_bills_stays(api: Api, owned: OwnedResources, platform_token: str) -> None:
    other = await make_owned(api)
    before, others = await rows_of(api, owned.tenant.id), await rows_of(api, other.tenant.id)
    unbilled = await api.charge_point(owned.tenant, "UNBILLED")
    path = f"{TENANTS}/{owned.tenant.slug}"
    assert (await api.call("DELETE", path, platform_token)).status_code == 204
    after = await rows_of(api, owned.tenant.id)
    assert after.keys() <= KEPT_TABLES - {"access_changes"}
    for table in ("transactions", "meter_values", "orphan_records", "charge_points"):
        assert after[table] == before[table], table
    async with api.services.storage.database.platform() as work:
        left = await work.connection.execute(
            text("select id, credential_hash, labels from charge_points where tenant_id = :id"),
            {"id": owned.tenant.id},
        )
        assert [(row[0] != unbilled, row[1], row[2]) for row in left] == [(True, None, {})]
        acts = await work.connection.scalars(
            text("select act from audit where tenant_id = :id order by id"), {"id": owned.tenant.id}
        )
        assert list(acts) == ["end_transaction", "delete_tenant"]
    assert await rows_of(api, other.tenant.id) == others


async def test_a_deleted_tenant_is_kept_out_and_its_bills_can_be_read_later(
    api: Api, owned: OwnedResources, platform_token: str
) -> None:
    path = f"{TENANTS}/{owned.tenant.slug}"
    assert (await api.call("GET", "/v1/transactions", owned.token)).status_code == 200
    assert (await api.call("DELETE", path, platform_token)).status_code == 204
    shown = (await api.call("GET", path, platform_token)).json()
    assert (shown["suspension_reason"], shown["deleted_at"] is not None) == (DELETED, True)
    assert (await api.call("GET", "/v1/transactions", owned.token)).status_code == 401
    database, settings = api.services.storage.database, api.services.settings
    token = await create_key(
        database, settings.credential_pepper, tenant=owned.tenant.slug, name="k", scopes=("read",)
    )
    refused = await api.call("GET", "/v1/transactions", token)
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    again = await api.call("POST", TENANTS, platform_token, json={"slug": owned.tenant.slug, "name": "B"})
    assert again.status_code == 409
    assert (
        await api.call("PATCH", path, platform_token, json={"suspension_reason": None})
    ).status_code == 200
    bills = await api.call("GET", "/v1/transactions", token)
    assert [bill["charge_point"] for bill in bills.json()["items"]] == [owned.values["identity"]]


async def test_a_tenant_without_bills_is_gone(api: Api, platform_token: str) -> None:
    tenant = await api.tenant()
    await api.charge_point(tenant)
    path = f"{TENANTS}/{tenant.slug}"
    assert (await api.call("DELETE", path, platform_token)).status_code == 204
    assert (await api.call("GET", path, platform_token)).status_code == 404
    assert await rows_of(api, tenant.id) == {}
    async with api.services.storage.database.platform() as work:
        assert await TenantStore(work).by_slug(tenant.slug) is None
