"""The audit over REST: what was done by hand, the newest first, each tenant its own."""

import asyncpg
import pytest

from app.audit.records import NewAuditEntry
from app.audit.store import insert_entries
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api
from tests.web.test_listings import pages

PATH = "/v1/audit"


async def _note(database_url: str, *entries: NewAuditEntry) -> None:
    connection = await asyncpg.connect(database_url)
    await insert_entries(connection, entries)
    await connection.close()


@pytest.mark.parametrize("limit", [1, 2, 200])
async def test_entries_are_listed_and_paged(
    api: Api, operator: TenantRecord, token: str, database_url: str, limit: int
) -> None:
    other = await api.tenant()
    entry = NewAuditEntry(operator.id, NOW, "key:a", "end_transaction", "/v1/transactions/1", "First\x00.")
    second = NewAuditEntry(operator.id, NOW, "key:b", "attach_orphan_record", "/v1/x", "Second.", {"n": 1})
    foreign = NewAuditEntry(other.id, NOW, "key:c", "end_transaction", "/v1/x", "Foreign.")
    await _note(database_url, entry, foreign, second)
    listed = await pages(api, PATH, token, limit=limit)
    assert [(one["actor"], one["reason"], one["details"]) for one in listed] == [
        ("key:b", "Second.", {"n": 1}),
        ("key:a", "First\ufffd.", {}),
    ]


async def test_it_needs_the_scope_to_read(api: Api, operator: TenantRecord) -> None:
    key = await api.key(operator, "write")
    assert (await api.call("GET", PATH, key)).status_code == 403
