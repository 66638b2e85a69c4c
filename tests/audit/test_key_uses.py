"""The audit tells from where each API key is used: once a day for each address, whatever worker sees it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.audit import key_uses
from app.audit.key_uses import ADDRESSES_OF_KEY, KeyUses
from app.audit.store import AuditStore
from app.database.database import Database
from app.database.unit_of_work import PlatformWork
from app.errors import StoreUnavailable, Unauthorized
from app.live.connect import open_redis
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.web.access import Principal
from tests.support.api import Api, SetClock

NOWHERE = "unix:///nonexistent/redis.sock"
"""A Redis that is away."""


def of_tenant(tenant_id: int | None) -> Principal:
    """Return the caller of a new key."""
    owner = None if tenant_id is None else TenantId(tenant_id)
    return Principal(uuid4(), "4f2a9c", owner, frozenset({"read"}))


@asynccontextmanager
async def workers(api: Api, *redis_urls: str) -> AsyncIterator[tuple[SetClock, list[KeyUses]]]:
    """Yield the recorders of some workers, and their clock."""
    clock, database = SetClock(), api.services.storage.database
    clients = [open_redis(url) for url in redis_urls]
    yield clock, [KeyUses(database, client, clock) for client in clients]
    for client in clients:
        await client.aclose()


async def addresses(api: Api, tenant: TenantRecord) -> list[str]:
    """Return the addresses of the logins in the audit of a tenant, the oldest first."""
    async with api.services.storage.database.tenant(tenant.id) as work:
        entries = await AuditStore(work).page(1000)
    return [entry.details["address"] for entry in reversed(entries) if entry.act == "log_in"]


async def test_the_first_request_of_an_address_is_in_the_audit(
    api: Api, operator: TenantRecord, token: str
) -> None:
    for _ in range(3):
        assert (await api.call("GET", "/v1/charge-points", token)).status_code == 200
    assert (await api.call("GET", "/v1/charge-points", f"{token}x")).status_code == 401
    await api.app.state.services.get(KeyUses).flush()
    [entry] = (await api.call("GET", "/v1/audit", token)).json()["items"]
    [key] = (await api.call("GET", "/v1/api-keys", token)).json()["items"]
    assert (entry["actor"], entry["act"]) == (f"key:{token.split('_')[1]}", "log_in")
    assert entry["subject"] == f"/v1/api-keys/{key['id']}"
    assert entry["details"] == {"address": "127.0.0.1"}


async def test_each_address_and_each_day_has_one_entry(
    api: Api, operator: TenantRecord, redis_url: str
) -> None:
    async with workers(api, redis_url) as (clock, [worker]):
        key = of_tenant(operator.id)
        for address in ("192.0.2.1", "2001:db8::1", "192.0.2.1"):
            worker.note(key, address)
            await worker.flush()
        assert await addresses(api, operator) == ["192.0.2.1", "2001:db8::1"]
        clock.advance(timedelta(days=1).total_seconds())
        worker.note(key, "192.0.2.1")
        await worker.flush()
        assert await addresses(api, operator) == ["192.0.2.1", "2001:db8::1", "192.0.2.1"]


async def test_of_several_workers_one_writes_and_without_redis_each(
    api: Api, operator: TenantRecord, redis_url: str
) -> None:
    key = of_tenant(operator.id)
    async with workers(api, redis_url, redis_url, NOWHERE) as (_, recorders):
        for worker in recorders:
            worker.note(key, "192.0.2.1")
            await worker.flush()
    assert await addresses(api, operator) == ["192.0.2.1"] * 2


async def test_a_key_that_is_used_from_everywhere_does_not_fill_the_audit(
    api: Api, operator: TenantRecord, redis_url: str
) -> None:
    async with workers(api, redis_url) as (_, [worker]):
        stolen, other = of_tenant(operator.id), of_tenant(operator.id)
        for number in range(ADDRESSES_OF_KEY + 50):
            worker.note(stolen, f"2001:db8::{number:x}")
        worker.note(other, "192.0.2.1")
        await worker.flush()
    found = await addresses(api, operator)
    assert len(found) == ADDRESSES_OF_KEY + 1
    assert "192.0.2.1" in found


async def test_uses_wait_for_a_database_that_is_away(
    api: Api, operator: TenantRecord, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(database: Database) -> AbstractAsyncContextManager[PlatformWork]:
        raise StoreUnavailable

    async with workers(api, redis_url) as (_, [worker]):
        worker.note(of_tenant(operator.id), "192.0.2.1")
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(Database, "platform", away)
            await worker.flush()
        assert [line["event"] for line in logs] == ["key_uses_not_written"]
        await worker.close()
    assert await addresses(api, operator) == ["192.0.2.1"]


async def test_a_tenant_that_is_gone_does_not_hold_up_the_others(
    api: Api, operator: TenantRecord, redis_url: str
) -> None:
    async with workers(api, redis_url) as (_, [worker]):
        worker.note(of_tenant(2**40), "192.0.2.9")
        worker.note(of_tenant(operator.id), "192.0.2.1")
        await worker.flush()
    assert await addresses(api, operator) == ["192.0.2.1"]


async def test_a_key_of_the_platform_is_in_the_log(api: Api, redis_url: str) -> None:
    async with workers(api, redis_url) as (_, [worker]):
        key = of_tenant(None)
        with capture_logs() as logs:
            for _ in range(2):
                worker.note(key, "192.0.2.1")
            await worker.flush()
    assert [(line["event"], line["actor"], line["remote"]) for line in logs] == [
        ("platform_key_used", "key:4f2a9c", "192.0.2.1")
    ]


async def test_a_use_that_is_known_asks_nothing(
    api: Api, operator: TenantRecord, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    async with workers(api, redis_url) as (_, [worker]):
        key = of_tenant(operator.id)
        worker.note(key, "192.0.2.1")
        await worker.flush()
        monkeypatch.setattr(Database, "platform", lambda database: asked.append("database"))
        monkeypatch.setattr(Redis, "execute_command", lambda redis, *words: asked.append("redis"))
        worker.note(key, "192.0.2.1")
        await worker.flush()
        monkeypatch.undo()
    assert asked == []


async def test_a_refused_caller_is_not_noted(api: Api, operator: TenantRecord, redis_url: str) -> None:
    async def refusing(token: str | None, address: str) -> Principal:
        raise Unauthorized

    async def admitting(token: str | None, address: str) -> Principal:
        return of_tenant(operator.id)

    async with workers(api, redis_url) as (_, [worker]):
        with pytest.raises(Unauthorized):
            await worker.noted(refusing)("sm_x", "192.0.2.1")
        await worker.noted(admitting)("sm_y", "192.0.2.2")
        await worker.flush()
    assert await addresses(api, operator) == ["192.0.2.2"]


async def test_a_use_is_written_although_the_worker_was_stopped_in_between(
    api: Api, operator: TenantRecord, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workers(api, redis_url, redis_url) as (_, [worker, other]):
        worker.note(of_tenant(operator.id), "192.0.2.1")
        has_claimed, claim = asyncio.Event(), worker._redis.set

        async def claim_and_hang(*arguments: Any, **options: Any) -> None:
            await claim(*arguments, **options)
            has_claimed.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as patch:
            patch.setattr(worker._redis, "set", claim_and_hang)
            stopped = asyncio.ensure_future(worker.flush())
            await has_claimed.wait()
            stopped.cancel()
            await asyncio.wait([stopped])
        await worker.close()
        await other.close()
    assert await addresses(api, operator) == ["192.0.2.1"]


async def test_many_uses_of_one_tenant_hide_none_of_another(
    api: Api, operator: TenantRecord, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_uses, "_USES", 10)
    async with workers(api, redis_url) as (_, [worker]):
        for number in range(20):
            worker.note(of_tenant(None), f"198.51.100.{number}")
        worker.note(of_tenant(operator.id), "192.0.2.1")
        await worker.close()
    assert await addresses(api, operator) == ["192.0.2.1"]
