"""The repositories: what each row promises, and that no tenant sees another's."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.charge_points.records import BootFacts, ChargePointFilter, LastSeen, StatusReport
from app.charge_points.store import ChargePointStore, ConnectorStore
from app.commands.records import SentFacts
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.errors import Conflict, InvalidInput
from app.frame_log.records import FrameFilter
from app.frame_log.store import FrameStore
from app.id_tags.records import AuthorizationPolicyRecord, IdTagFilter, NewIdTag, UnknownTagPolicy
from app.id_tags.service import Authorizer
from app.id_tags.store import AuthorizationPolicyStore, IdTagStore, find_presented
from app.settings import Settings
from app.tenants.records import ApiKeyRecord, TenantRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.transactions.store.reading import TransactionStore
from app.types import ChargePointId, TenantId
from tests.support.recorded import put_command
from tests.support.statuses import record_status
from tests.support.store import NOW, ChargePointRecords, RecordsMaker, make_command

_HOUR = timedelta(hours=1)


def _key(tenant_id: int | None = None, **changes: Any) -> ApiKeyRecord:
    key = ApiKeyRecord(
        uuid4(), tenant_id, "key", uuid4().hex[:8], b"hash", ("read", "command"), None, None, NOW, None
    )
    return replace(key, **changes)


async def test_tenants_are_created_found_changed_and_deleted(database: Database) -> None:
    async with database.platform() as work:
        created = await TenantStore(work).create("acme", "Acme", default_registration="Pending")
        assert await TenantStore(work).by_slug("acme") == await TenantStore(work).get(created.id) == created
        changed = await TenantStore(work).update("acme", strict_protocol=True)
        assert changed == replace(created, strict_protocol=True)
        assert created.slug in [tenant.slug for tenant in await TenantStore(work).page(100)]
        assert created.slug not in [tenant.slug for tenant in await TenantStore(work).page(100, after="acme")]
    with pytest.raises(Conflict):
        async with database.platform() as work:
            await TenantStore(work).create("acme", "Another")
    async with database.platform() as work:
        assert await TenantStore(work).delete(created.id)
        assert not await TenantStore(work).delete(created.id)
        assert await TenantStore(work).update("acme", name="x") is None


async def test_a_deleted_tenant_takes_everything_with_it(records: ChargePointRecords) -> None:
    started = await records.storage.ledger.start_transaction(records.start())
    await records.storage.ledger.meter_values(records.readings("1", transaction_id=started.transaction_id))
    async with records.database.platform() as work:
        assert await TenantStore(work).delete(records.tenant.id)
    async with records.database.tenant(records.tenant.id) as tenant_work:
        assert await TransactionStore(tenant_work).page(10) == []
        assert await ChargePointStore(tenant_work).page(10) == []


async def test_keys_are_found_by_prefix_and_revoked_once(database: Database, tenant: TenantRecord) -> None:
    async with database.platform() as work:
        admin = await ApiKeyStore(work).create(_key(scopes=("admin",)))
        assert await ApiKeyStore(work).find_by_prefix(admin.prefix) == admin
        assert admin in await ApiKeyStore(work).list(None)
        await ApiKeyStore(work).touch(admin.id, NOW)
        assert await ApiKeyStore(work).revoke(admin.id, NOW)
        assert not await ApiKeyStore(work).revoke(admin.id, NOW)
        revoked = await ApiKeyStore(work).find_by_prefix(admin.prefix)
        assert revoked == replace(admin, revoked_at=NOW, last_used_at=NOW)
        own = await ApiKeyStore(work).create(_key(tenant_id=tenant.id))
        assert own.tenant_id == tenant.id
        assert await ApiKeyStore(work).list(tenant.id) == [own]


async def test_charge_points_are_created_found_changed_and_deleted(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        points = ChargePointStore(work)
        assert await points.get("CP-1") == records.record
        assert await points.get("cp-1") is None
        changed = await points.update("CP-1", name="Yard", heartbeat_interval_s=60)
        assert changed is not None
        assert (changed.name, changed.heartbeat_interval_s) == ("Yard", 60)
        with pytest.raises(TypeError):
            await points.update("CP-1", epoch=9)
        await points.create("CP-2", registration_status="Pending")
        await points.create("X_1")
        assert [point.identity for point in await points.page(2)] == ["CP-1", "CP-2"]
        assert [point.identity for point in await points.page(9, "CP-1")] == ["CP-2", "X_1"]
        pending = ChargePointFilter(registration_status="Pending")
        assert [point.identity for point in await points.page(9, None, pending)] == ["CP-2"]
        prefixed = ChargePointFilter(identity_prefix="X_")
        assert [point.identity for point in await points.page(9, None, prefixed)] == ["X_1"]
        assert await points.delete("CP-2")
        assert not await points.delete("CP-2")
    with pytest.raises(Conflict, match="CP-1"):
        async with records.database.tenant(records.tenant.id) as work:
            await ChargePointStore(work).create("CP-1")


async def test_a_charge_point_with_transactions_is_not_deleted(records: ChargePointRecords) -> None:
    await records.storage.ledger.start_transaction(records.start())
    async with records.database.tenant(records.tenant.id) as work:
        with pytest.raises(Conflict):
            await ChargePointStore(work).delete("CP-1")
        assert await ChargePointStore(work).get("CP-1") is not None


async def test_a_boot_is_kept_with_text_that_can_be_stored(records: ChargePointRecords) -> None:
    facts = BootFacts(NOW, "Vendor\x00", "Model\ud800", firmware_version="1.0")
    login_batcher = records.storage.login_batcher
    registration = await login_batcher.record_boot(records.tenant.id, records.record.id, facts)
    assert registration == ("Accepted", None)
    async with records.database.tenant(records.tenant.id) as work:
        stored = await ChargePointStore(work).get("CP-1")
    assert stored is not None
    assert (stored.vendor, stored.model, stored.booted_at) == ("Vendor\ufffd", "Model\ufffd", NOW)


async def test_a_pending_credential_is_promoted_or_dropped(records: ChargePointRecords) -> None:
    async def credentials() -> tuple[bytes | None, bytes | None, datetime | None]:
        login = (await records.storage.login_batcher.find(records.tenant.slug, "CP-1")).login
        assert login is not None
        return login.credential_hash, login.pending_credential_hash, login.pending_until

    points: Any
    async with records.database.tenant(records.tenant.id) as work:
        points = ChargePointStore(work)
        await points.set_credential(records.record.id, b"old")
        assert not await points.promote_pending(records.record.id, b"new")
        await points.set_pending_credential(records.record.id, b"new", NOW + _HOUR)
    assert await credentials() == (b"old", b"new", NOW + _HOUR)
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).drop_pending(records.record.id, b"older")
        assert not await ChargePointStore(work).promote_pending(records.record.id, b"older")
    assert await credentials() == (b"old", b"new", NOW + _HOUR)
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).drop_pending(records.record.id, b"new")
    assert await credentials() == (b"old", None, None)
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).set_pending_credential(records.record.id, b"new", NOW + _HOUR)
        assert await ChargePointStore(work).promote_pending(records.record.id, b"new")
    assert await credentials() == (b"new", None, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(NOW, NOW + _HOUR, id="newer"),
        pytest.param(NOW, NOW, id="the same second"),
        pytest.param(NOW, NOW - _HOUR, id="a clock that was set back"),
        pytest.param(NOW + 1000 * _HOUR, NOW + _HOUR, id="after a time from the future"),
        pytest.param(NOW, datetime.fromisoformat("1970-01-01T00:01Z"), id="a clock never set"),
    ],
)
async def test_the_status_that_came_last_counts(
    records: ChargePointRecords, first: datetime, second: datetime
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        for at, name, epoch in ((first, "Available", 1), (second, "Charging", 1), (first, "Faulted", 0)):
            report = StatusReport(1, name, "NoError", at, NOW, epoch)
            recorded = await record_status(work.rows, work.tenant_id, records.record.id, report, 64)
            assert recorded.is_stored is (epoch == 1), "a connection that ended does not report any more"
        [connector] = await ConnectorStore(work).for_charge_point(records.record.id)
    assert connector.status == "Charging"


async def test_connectors_are_created_on_sight_up_to_the_limit(
    records: ChargePointRecords, settings: Settings
) -> None:
    limit = settings.connectors_per_charge_point
    async with records.database.tenant(records.tenant.id) as work:

        async def report(connector_id: int, status: str = "Available") -> bool:
            report = StatusReport(connector_id, status, "NoError", NOW, NOW, 1)
            recorded = await record_status(work.rows, work.tenant_id, records.record.id, report, 64)
            return recorded.is_stored

        assert all([await report(number) for number in range(limit + 1)])
        assert not await report(limit + 1)
        assert await report(limit, "Faulted")
        assert not await report(-1)
        assert not await report(2**31)
        stored = await ConnectorStore(work).for_charge_point(records.record.id)
    assert [connector.connector_id for connector in stored] == list(range(limit + 1))
    assert stored[-1].status == "Faulted"


async def test_id_tags_are_one_in_any_case(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        tags = IdTagStore(work)
        created = await tags.create(NewIdTag("Abc", note="card", max_active_transactions=2))
        assert await tags.get("aBC") == created
        assert [tag.id_tag for tag in await tags.page(9)] == ["Abc", "TAG-1"]
        assert [tag.id_tag for tag in await tags.page(9, "abc")] == ["TAG-1"]
        assert [tag.id_tag for tag in await tags.page(9, None, IdTagFilter(prefix="AB"))] == ["Abc"]
        assert await tags.page(9, None, IdTagFilter(status="Blocked")) == []
        changed = await tags.update("ABC", status="Blocked")
        assert changed is not None
        assert changed.status == "Blocked"
        assert await tags.delete("abc")
        assert not await tags.delete("abc")
        assert await tags.update("abc", note=None) is None
    with pytest.raises(Conflict, match="tag-1"):
        async with records.database.tenant(records.tenant.id) as work:
            await IdTagStore(work).create(NewIdTag("tag-1"))


async def test_authorize_answers_in_wire_form(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("GROUPED", parent_id_tag="PARENT", expires_at=NOW + _HOUR))
        await IdTagStore(work).create(NewIdTag("ONE", max_active_transactions=1))
    start = records.storage.ledger.start_transaction
    await start(records.start(id_tag="one"))
    here = ChargePointId(records.record.id)
    ask = partial(Authorizer(records.storage.message_steps).authorize, TenantId(records.tenant.id), here)
    assert (await start(records.start(id_tag="tag-1", connector_id=3))).id_tag_info == {"status": "Accepted"}
    assert await ask("UNKNOWN\x00", NOW) == {"status": "Invalid"}
    grouped = {"expiryDate": "2026-03-01T13:00:00.000Z", "parentIdTag": "PARENT"}
    assert await ask("GROUPED", NOW) == {"status": "Accepted", **grouped}
    assert await ask("GROUPED", NOW + _HOUR) == {"status": "Expired", **grouped}
    assert await ask("ONE", NOW) == {"status": "Accepted"}
    assert (await start(records.start(id_tag="ONE", connector_id=2))).id_tag_info["status"] == "ConcurrentTx"


@pytest.mark.parametrize("own", [None, "refuse", "accept", "free_charging"])
@pytest.mark.parametrize("of_tenant", [None, "accept"])
async def test_one_statement_finds_what_the_stores_find(
    records: ChargePointRecords, own: UnknownTagPolicy | None, of_tenant: UnknownTagPolicy | None
) -> None:
    point = ChargePointId(records.record.id)
    keys = ("group", "member", "alone", "self", "here", "tag-1", "unknown", "")
    async with records.database.tenant(records.tenant.id) as work:
        tags, policies = IdTagStore(work), AuthorizationPolicyStore(work)
        await tags.create(NewIdTag("GROUP", status="Blocked"))
        await tags.create(NewIdTag("MEMBER", parent_id_tag="group", expires_at=NOW))
        await tags.create(NewIdTag("ALONE", parent_id_tag="ABSENT", note="card"))
        await tags.create(NewIdTag("SELF", parent_id_tag="self"))
        await tags.create(NewIdTag("HERE"), [point])
        if of_tenant is not None:
            await policies.put(AuthorizationPolicyRecord(of_tenant))
        await policies.put_own(point, own)
        policy = (await policies.own_policy(point)).unknown_id_tags
        expected = {key: (await tags.get(key), policy) for key in keys}
    steps, tenant_id = records.storage.message_steps, TenantId(records.tenant.id)
    for key, (tag, unknown_id_tags) in expected.items():
        known = None if tag is None else replace(tag, charge_points=None, is_group=key == "group")
        assert await find_presented(steps, tenant_id, point, key) == (known, unknown_id_tags), key


async def test_no_tenant_sees_or_changes_the_rows_of_another(
    records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    database = records.database
    started = await records.storage.ledger.start_transaction(records.start())
    number = started.transaction_id
    await records.storage.ledger.meter_values(records.readings("1", transaction_id=number))
    await records.storage.ledger.stop_transaction(records.stop(-1, stopped_at=NOW - _HOUR))
    command = make_command(records, idempotency_key="key")
    report = StatusReport(1, "Available", "NoError", NOW, NOW, 1)
    async with database.tenant(records.tenant.id) as work:
        transaction = await TransactionStore(work).get(number)
        await put_command(work, command)
        await record_status(work.rows, work.tenant_id, records.record.id, report, 64)
        await ConfigurationStore(work).put(records.record.id, "Key", "1", None, NOW)
    assert transaction is not None
    async with database.platform() as platform:
        stranger = await TenantStore(platform).create(f"{records.tenant.slug}-other", "Other")
    own = records.record.id
    await records.storage.login_batcher.record_last_seen([LastSeen(stranger.id, own, NOW)])
    assert await records.storage.login_batcher.next_epoch(stranger.id, own, NOW) is None
    assert (
        await records.storage.login_batcher.record_boot(stranger.id, own, BootFacts(NOW, "stolen", None))
        is None
    )
    later = replace(report, status="Faulted", reported_at=NOW + _HOUR, received_at=NOW + _HOUR)
    # A reference bears the tenant, so PostgreSQL itself refuses a row at a charge point of another one.
    with pytest.raises(IntegrityError):
        async with database.tenant(stranger.id) as work:
            await record_status(work.rows, work.tenant_id, own, later, 64)
    with pytest.raises(IntegrityError):
        async with database.tenant(stranger.id) as work:
            await ConfigurationStore(work).put(own, "Key", "stolen", None, NOW + _HOUR)
    async with database.tenant(stranger.id) as work:
        assert await ChargePointStore(work).get("CP-1") is None
        assert await ChargePointStore(work).update("CP-1", name="stolen") is None
        assert not await ChargePointStore(work).delete("CP-1")
        await ChargePointStore(work).set_credential(own, b"stolen")
        assert await ConnectorStore(work).for_charge_point(own) == []
        assert await IdTagStore(work).get("TAG-1") is None
        assert await TransactionStore(work).get(number) is None
        assert await TransactionStore(work).page(9) == []
        assert await TransactionStore(work).meter_values(transaction, 9) == []
        assert await TransactionStore(work).meter_values_of_charge_point(own, 9) == []
        assert await TransactionStore(work).orphan_records(9) == []
        assert await CommandStore(work).get(command.id) is None
        assert await CommandStore(work).page(9) == []
        assert await CommandSteps(work.rows, work.tenant_id).finish(command.id, End("cancelled"), NOW) is None
        assert not await CommandSteps(work.rows, work.tenant_id).sent(command.id, SentFacts("stolen", 1, NOW))
        assert not await CommandStore(work).late(command.id, {})
        assert await ConfigurationStore(work).for_charge_point(own) == []
        assert await FrameStore(work).runs(own, FrameFilter(), None, 9) == []
    authorize = Authorizer(records.storage.message_steps).authorize
    foreign = await authorize(TenantId(stranger.id), ChargePointId(own), "TAG-1", NOW)
    assert foreign["status"] == "Invalid"
    async with database.tenant(records.tenant.id) as work:
        point = await ChargePointStore(work).get("CP-1")
        [connector] = await ConnectorStore(work).for_charge_point(own)
        [setting] = await ConfigurationStore(work).for_charge_point(own)
    assert point is not None
    assert (point.name, point.credential_hash, point.vendor) == (None, None, None)
    assert (connector.status, setting.value) == ("Available", "1")


async def test_a_tag_of_another_tenant_authorizes_nothing(records: ChargePointRecords) -> None:
    database = records.database
    async with database.platform() as platform:
        stranger = await TenantStore(platform).create(f"{records.tenant.slug}-tags", "Other")
    async with database.tenant(stranger.id) as work:
        await IdTagStore(work).create(NewIdTag("FOREIGN"))
    answer = await records.storage.ledger.start_transaction(records.start(id_tag="FOREIGN"))
    assert answer.id_tag_info == {"status": "Invalid"}


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
async def test_text_that_cannot_be_stored_is_refused_as_input(records: ChargePointRecords, name: str) -> None:
    with pytest.raises(InvalidInput):
        async with records.database.tenant(records.tenant.id) as work:
            await ChargePointStore(work).update("CP-1", name=name)


async def test_a_number_that_cannot_be_stored_is_refused_as_input(records: ChargePointRecords) -> None:
    with pytest.raises(InvalidInput):
        async with records.database.tenant(records.tenant.id) as work:
            await IdTagStore(work).update("TAG-1", max_active_transactions=2**80)


async def test_an_error_rolls_the_work_back(records: ChargePointRecords) -> None:
    async def fail_after_a_change() -> None:
        async with records.database.tenant(records.tenant.id) as work:
            await ChargePointStore(work).update("CP-1", name="half")
            raise LookupError

    with pytest.raises(LookupError):
        await fail_after_a_change()
    async with records.database.tenant(records.tenant.id) as work:
        point = await ChargePointStore(work).get("CP-1")
    assert point is not None
    assert point.name is None


async def test_the_text_of_an_error_shows_no_values(database: Database) -> None:
    canary = "canary"
    with pytest.raises(DBAPIError) as failed:
        async with database.platform() as work:
            await work.connection.execute(text("select nowhere from tenants where slug = :x"), {"x": canary})
    assert "nowhere" in str(failed.value)
    assert canary not in str(failed.value)
