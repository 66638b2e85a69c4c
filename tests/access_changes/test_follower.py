"""Every worker follows each end of an access, whichever statement has ended it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.access_changes.follower import AccessEnds, AccessFollower
from app.access_changes.store import delete_changes_before
from app.charge_points.records import BY_NOTHING, LoginProof
from app.charge_points.store import ChargePointStore
from app.connection import Connection
from app.tenants.records import ApiKeyRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.types import TenantId
from tests.support.live import SetClock, connection
from tests.support.store import NOW, ChargePointRecords

OLD, NEW, NEWER = (bytes([number]) * 32 for number in range(3))


@dataclass
class Worker:
    """A follower, and what it has ended."""

    follower: AccessFollower
    forgotten: int = 0
    checked: list[TenantId] = field(default_factory=list)
    closings: int = 0

    def ends(self) -> AccessEnds:
        def forget() -> None:
            self.forgotten += 1

        def close(_: Callable[[Connection], bool]) -> None:
            self.closings += 1

        return AccessEnds(forget, self.checked.append, close)


@pytest.fixture
async def workers(records: ChargePointRecords) -> list[Worker]:
    """Two workers that have read nothing yet."""
    found = [Worker(AccessFollower(records.database, SetClock())) for _ in range(2)]
    for worker in found:
        await worker.follower.begin(worker.ends())
    return found


async def followed(workers: list[Worker]) -> list[tuple[int, list[TenantId], int]]:
    for worker in workers:
        await worker.follower.follow()
    return [(worker.forgotten, worker.checked, worker.closings) for worker in workers]


def session_of(records: ChargePointRecords, epoch: int) -> Connection:
    found = connection(epoch, charge_point_id=records.record.id)
    found.tenant_id = TenantId(records.tenant.id)
    return found


async def set_credential(records: ChargePointRecords, credential_hash: bytes | None) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).set_credential(records.record.id, credential_hash)


async def log_in(records: ChargePointRecords, proof: LoginProof) -> int | None:
    batcher = records.storage.login_batcher
    return await batcher.next_epoch(records.tenant.id, records.record.id, NOW, 0, proof)


def a_key(tenant_id: int) -> ApiKeyRecord:
    prefix = uuid.uuid4().hex[:12]
    return ApiKeyRecord(uuid.uuid4(), tenant_id, "k", prefix, bytes(32), ("read",), None, None, NOW, None)


async def test_a_revoked_key_is_forgotten_once_on_every_worker(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    key = a_key(records.tenant.id)
    async with records.database.platform() as work:
        await ApiKeyStore(work).create(key)
        await ApiKeyStore(work).touch(key.id, NOW)
    assert await followed(workers) == [(0, [], 0)] * 2
    async with records.database.platform() as work:
        await ApiKeyStore(work).revoke(key.id, NOW)
    assert await followed(workers) == [(1, [records.tenant.id], 0)] * 2
    assert await followed(workers) == [(1, [records.tenant.id], 0)] * 2


async def test_a_transaction_that_commits_late_is_not_missed(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    slow, fast = a_key(records.tenant.id), a_key(records.tenant.id)
    async with records.database.platform() as work:
        await ApiKeyStore(work).create(slow)
        await ApiKeyStore(work).create(fast)
    async with records.database.platform() as held:
        await ApiKeyStore(held).revoke(slow.id, NOW)
        async with records.database.platform() as work:
            await ApiKeyStore(work).revoke(fast.id, NOW)
        assert (await followed(workers))[0][0] == 1
        assert (await followed(workers))[0][0] == 1
    assert (await followed(workers))[0][0] == 2


async def test_a_replaced_credential_ends_the_connections_before(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    await set_credential(records, OLD)
    epoch = await log_in(records, LoginProof("secret", OLD))
    assert epoch is not None
    await followed(workers)
    assert not workers[0].follower.has_ended(session_of(records, epoch))
    await set_credential(records, NEW)
    assert [closings for *_, closings in await followed(workers)] == [2, 2]
    for worker in workers:
        assert worker.follower.has_ended(session_of(records, epoch))
        assert not worker.follower.has_ended(session_of(records, epoch + 1))


async def test_a_login_that_was_judged_by_the_old_credential_is_not_completed(
    records: ChargePointRecords,
) -> None:
    await set_credential(records, OLD)
    judged = LoginProof("secret", OLD)
    await set_credential(records, NEW)
    assert await log_in(records, judged) is None
    assert await log_in(records, BY_NOTHING) is None
    assert await log_in(records, LoginProof("secret", NEW)) is not None


async def test_a_login_without_credential_is_not_completed_after_that_has_ended(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    identity = records.record.identity
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).update(identity, no_credential=True)
    epoch = await log_in(records, BY_NOTHING)
    assert epoch is not None
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).update(identity, no_credential=False)
    await followed(workers)
    assert workers[1].follower.has_ended(session_of(records, epoch))
    assert await log_in(records, BY_NOTHING) is None


async def test_the_connection_that_has_changed_its_own_key_stays(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    await set_credential(records, OLD)
    await followed(workers)
    epoch = await log_in(records, LoginProof("secret", OLD))
    assert epoch is not None
    async with records.database.tenant(records.tenant.id) as work:
        store = ChargePointStore(work)
        await store.set_pending_credential(records.record.id, NEWER, NOW + timedelta(days=1))
    assert await log_in(records, LoginProof("secret", NEWER)) == epoch + 1
    async with records.database.tenant(records.tenant.id) as work:
        assert await ChargePointStore(work).promote_pending(records.record.id, NEWER)
    await followed(workers)
    assert not workers[0].follower.has_ended(session_of(records, epoch))


async def test_a_deleted_charge_point_has_no_connections(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        assert await ChargePointStore(work).delete(records.record.identity)
    await followed(workers)
    assert workers[0].follower.has_ended(session_of(records, 0))


async def test_a_tenant_is_kept_out_until_it_is_let_in_again(
    records: ChargePointRecords, workers: list[Worker]
) -> None:
    async def change(**columns: Any) -> None:
        async with records.database.platform() as work:
            await TenantStore(work).update(records.tenant.slug, **columns)

    await change(suspended_at=NOW, suspension_reason="The bill was not paid.")
    assert await followed(workers) == [(1, [records.tenant.id], 1)] * 2
    assert all(worker.follower.has_ended(session_of(records, 99)) for worker in workers)
    await change(name="Another name")
    await change(suspended_at=None, suspension_reason=None)
    await followed(workers)
    assert not any(worker.follower.has_ended(session_of(records, 99)) for worker in workers)


async def test_changes_are_deleted_after_a_day(records: ChargePointRecords, workers: list[Worker]) -> None:
    await set_credential(records, OLD)
    async with records.database.platform() as work:
        (now,) = (await work.connection.execute(text("select now()"))).one()
        await delete_changes_before(work, now - timedelta(minutes=1))
    assert (await followed(workers))[0][2] == 1
    async with records.database.platform() as work:
        await delete_changes_before(work, now + timedelta(minutes=1))
        count = await work.connection.scalar(text("select count(*) from access_changes"))
    assert count == 0
