"""A migration, and the way back, keep what is stored in a database of an earlier version."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.commands.rules import has_effects
from app.composition import command_effects
from app.database.database import driver_arguments
from app.database.migrations.upgrading import configuration
from app.ocpp import messages_of, pack_samples
from app.server.migration import MigrationError, bring_up_to_date
from app.settings import Settings
from tests.support.engines import with_database
from tests.support.protocol import OCPP16

_OLD_DATABASE = "of_an_earlier_version"


@pytest.fixture
async def old_url(database_url: str) -> AsyncIterator[str]:
    """An empty database of its own."""
    server = await asyncpg.connect(database_url)
    await server.execute(f"create database {_OLD_DATABASE}")
    yield with_database(database_url, _OLD_DATABASE)
    await server.execute(f"drop database {_OLD_DATABASE} with (force)")
    await server.close()


async def _go_to(url: str, revision: str, way: Any) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args=driver_arguments(url, "test"), poolclass=NullPool
    )

    def work(connection: Connection) -> None:
        way(configuration(connection), revision)
        connection.commit()

    async with engine.connect() as connection:
        await connection.run_sync(work)
    await engine.dispose()


async def test_frames_become_runs_and_frames_again(old_url: str) -> None:
    await _go_to(old_url, "0005", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute(
        """
        insert into frames values
            (11, 1, 2, '2026-05-01 10:00:00.100Z', 'in', 'a', '[{"kind": "x"}]', 'c'),
            (12, 1, 2, '2026-05-01 10:00:00.200Z', 'out', 'b', null, 'c'),
            (13, 1, 2, '2026-05-01 10:00:01.000Z', 'in', 'a second later', null, 'c'),
            (14, 1, 2, '2026-05-01 10:00:00.300Z', 'in', 'another socket', null, 'd'),
            (15, 1, 3, '2026-05-01 10:00:00.300Z', 'in', 'another charge point', null, 'c')
        """
    )
    frames = await connection.fetch("select * from frames order by charge_point_id, at, text")
    await _go_to(old_url, "0006", command.upgrade)
    runs = await connection.fetch("select * from frame_runs order by id")
    assert [run["texts"] for run in runs] == [
        ["a", "b"],
        ["a second later"],
        ["another socket"],
        ["another charge point"],
    ]
    assert (runs[0]["directions"], runs[0]["at"]) == (["in", "out"], runs[0]["times"][1])
    assert runs[0]["deviations"] == ['[{"kind": "x"}]', None]
    await _go_to(old_url, "0005", command.downgrade)
    assert await connection.fetch("select * from frames order by charge_point_id, at, text") == frames
    await connection.close()


@pytest.mark.slow
async def test_tags_of_contracts_lose_the_hyphens_of_their_keys(old_url: str) -> None:
    await _go_to(old_url, "0036", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute("insert into tenants (slug, name, created_at) values ('a', 'A', now())")
    keys = ("de-8aa-ca2b3c4d5-n", "de-8aa-cb2b3c4d5-n", "de8aacb2b3c4d5n", "ab-12", "de-8aa-c1-n")
    for key in keys:
        await connection.execute(
            """
            insert into id_tags (tenant_id, id_tag, id_tag_key, status, created_at, updated_at)
            values ((select id from tenants), $1, $1, 'Accepted', now(), now())
            """,
            key,
        )
    await _go_to(old_url, "0037", command.upgrade)
    rows = await connection.fetch("select id_tag, id_tag_key from id_tags")
    stored = {row["id_tag"]: row["id_tag_key"] for row in rows}
    # The tenant has the second one in both spellings: they stay apart.
    assert stored == {key: key for key in keys} | {keys[0]: "de8aaca2b3c4d5n"}
    await _go_to(old_url, "0036", command.downgrade)
    await connection.close()


async def test_open_commands_get_to_know_whether_they_have_effects(old_url: str) -> None:
    await _go_to(old_url, "0006", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute("insert into tenants (slug, name, created_at) values ('t', 'T', now())")
    await connection.execute(
        """
        insert into charge_points (tenant_id, identity, registration_status, created_at, updated_at)
            values (1, 'CP-1', 'Accepted', now(), now())
        """
    )
    messages = messages_of(OCPP16, "central_system")
    for message in messages:
        request = message["examples"]["request"]
        for payload in (request, {**request, "chargingProfile": {}}):
            for state in ("queued", "sent", "accepted"):
                await connection.execute(
                    """
                    insert into commands (id, tenant_id, charge_point_id, action, payload, state, created_at,
                        deadline_at, timeout_s, issued_by)
                    values (gen_random_uuid(), 1, 1, $1, $2, $3, now(), now(), 30, 'test')
                    """,
                    message["action"],
                    json.dumps(payload),
                    state,
                )
    before = await connection.fetch("select * from commands order by id")
    # Effects that came later mark their open commands, too.
    await _go_to(old_url, "head", command.upgrade)
    effects = command_effects(Settings(credential_pepper="pepper"))
    rows = await connection.fetch("select action, payload, state, has_effects from commands")
    assert len(rows) == 6 * len(messages)
    for row in rows:
        known = has_effects(effects.triggers, row["action"], json.loads(row["payload"]))
        assert row["has_effects"] is (known and row["state"] != "accepted")
    await _go_to(old_url, "0006", command.downgrade)
    assert await connection.fetch("select * from commands order by id") == before
    await connection.close()


async def test_open_commands_make_firmware_jobs_from_now_on(old_url: str) -> None:
    await _go_to(old_url, "0020", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute(
        """
        insert into tenants (slug, name, created_at) values ('t', 'T', now());
        insert into charge_points (tenant_id, identity, registration_status, created_at, updated_at)
            values (1, 'CP-1', 'Accepted', now(), now());
        insert into commands (id, tenant_id, charge_point_id, action, payload, state, created_at, deadline_at,
            timeout_s, issued_by)
        select gen_random_uuid(), 1, id, action, '{}', state, now(), now(), 30, 'test' from charge_points,
            unnest(array['UpdateFirmware', 'SignedUpdateFirmware', 'Reset']) as action,
            unnest(array['queued', 'sent', 'accepted']) as state
        """
    )
    await _go_to(old_url, "0025", command.upgrade)
    rows = await connection.fetch("select action, state, has_effects from commands")
    assert len(rows) == 9
    for row in rows:
        expected = row["action"].endswith("UpdateFirmware") and row["state"] != "accepted"
        assert row["has_effects"] is expected
    await _go_to(old_url, "0020", command.downgrade)
    assert await connection.fetchval("select count(*) from commands") == 9
    await connection.close()


async def test_a_database_with_the_newest_schema_needs_no_alembic(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "app.database.migrations.upgrading", None)
    await bring_up_to_date(database_url, "pepper of the tests")


def test_the_process_that_migrates_loads_no_alembic_before_it_is_needed() -> None:
    code = "import sys, app.server.migration; print('alembic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


async def test_a_database_of_a_newer_version_is_left_alone(old_url: str) -> None:
    connection = await asyncpg.connect(old_url)
    await connection.execute("create table alembic_version (version_num varchar(32) primary key)")
    await connection.execute("insert into alembic_version values ('9999')")
    with pytest.raises(MigrationError, match=r"DATABASE_URL: .* newer version"):
        await bring_up_to_date(old_url, "pepper of the tests")
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    assert [table["tablename"] for table in tables] == ["alembic_version"]
    await connection.close()


_OLD_ROWS = """
    insert into tenants (slug, name, created_at) values ('t', 'T', now()), ('u', 'U', now());
    insert into charge_points (tenant_id, identity, registration_status, created_at, updated_at)
        values (1, 'CP-1', 'Accepted', now(), now()), (2, 'CP-1', 'Accepted', now(), now());
    insert into connectors (tenant_id, charge_point_id, connector_id, status, error_code, reported_at,
        received_at, effective_at) values (1, 1, 1, 'Available', 'NoError', now(), now(), now());
    insert into id_tags (tenant_id, id_tag, id_tag_key, status, created_at, updated_at)
        values (1, 'TAG', 'tag', 'Accepted', now(), now());
    insert into transactions (id, tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, id_tag_info)
        select number, 1 + number % 2, 1 + number % 2, 1, 'TAG', 'tag', now(), now(), now(), number, '{}'
        from generate_series(1, 9) as number;
    insert into meter_values
        select 1, 1, 1, 2, moment, now(), 'periodic', '[]', 7
        from unnest('{1970-01-01Z, 2026-05-01Z, 2999-01-01Z}'::timestamptz[]) as moment;
    insert into orphan_records (tenant_id, charge_point_id, kind, action, payload, received_at, digest)
        values (2, 2, 'invalid', 'StartTransaction', '{}', now(), 3);
    insert into frame_runs values (1, 1, 1, 'c', now(), '{}', '{}', '{}', null);
"""
_KEPT_TABLES = (
    "charge_points", "connectors", "id_tags", "transactions", "meter_values", "orphan_records", "frame_runs",
)  # fmt: skip


async def _rows_of(connection: "asyncpg.Connection[Any]") -> dict[str, list[str]]:
    """Return the rows of each table as JSON, because its columns may come in another order."""
    query = "select to_json(found)::text from {} as found order by 1"
    return {table: [row[0] for row in await connection.fetch(query.format(table))] for table in _KEPT_TABLES}


async def test_keys_by_tenant_keep_every_row_and_go_on_counting(old_url: str) -> None:
    await _go_to(old_url, "0007", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute(_OLD_ROWS)
    before = await _rows_of(connection)
    await _go_to(old_url, "0008", command.upgrade)
    assert await _rows_of(connection) == before
    counted = await connection.fetch("select * from transaction_ids order by tenant_id")
    assert [tuple(row) for row in counted] == [(1, 9), (2, 10)]
    await _go_to(old_url, "0007", command.downgrade)
    assert await _rows_of(connection) == before
    assert await connection.fetchval("select nextval('transaction_id_seq')") == 10
    await connection.close()


async def test_remote_starts_without_effect_get_a_time_for_it(old_url: str) -> None:
    await _go_to(old_url, "0020", command.upgrade)
    connection = await asyncpg.connect(old_url)
    await connection.execute(
        """
        insert into tenants (id, slug, name, strict_protocol, default_registration, created_at)
            overriding system value values (1, 'a', 'a', false, 'Accepted', now());
        insert into charge_points (id, tenant_id, identity, registration_status, no_credential, epoch,
                created_at, updated_at)
            overriding system value values (1, 1, 'CP', 'Accepted', false, 0, now(), now());
        insert into commands (tenant_id, id, charge_point_id, action, payload, state, created_at,
            deadline_at, finished_at, timeout_s, issued_by, effect)
        select 1, gen_random_uuid(), 1, action, '{}', 'accepted', '2026-05-01Z', '2026-05-01Z',
            finished_at, 30, 'test', effect::jsonb
        from (values
            ('RemoteStartTransaction', '2026-05-01Z'::timestamptz, null),
            ('RemoteStopTransaction', '2026-05-01Z', null),
            ('RemoteStartTransaction', null, null),
            ('RemoteStartTransaction', '2026-05-01Z', '{"observed": "none"}'),
            ('Reset', '2026-05-01Z', null)
        ) as old (action, finished_at, effect)
        """
    )
    await _go_to(old_url, "0022", command.upgrade)
    rows = await connection.fetch(
        "select action, effect_due_at::date::text from commands where effect_due_at is not null order by 1"
    )
    assert [tuple(row) for row in rows] == [
        ("RemoteStartTransaction", "2026-05-01"),
        ("RemoteStopTransaction", "2026-05-02"),
    ]
    effects = await connection.fetch("select effect ->> 'observed' from commands where effect is not null")
    assert [row[0] for row in effects] == ["no_effect"]
    await connection.execute("update commands set state = 'waiting' where action = 'Reset'")
    await _go_to(old_url, "0020", command.downgrade)
    states = await connection.fetch("select state from commands where action = 'Reset'")
    assert [row["state"] for row in states] == ["cancelled"]
    await connection.close()


async def test_packed_rows_are_beside_old_ones_and_samples_survive_the_way_back(old_url: str) -> None:
    await _go_to(old_url, "0074", command.upgrade)
    connection = await asyncpg.connect(old_url)
    old = '[{"value": "1",  "unit":"Wh"}]'
    insert = """
        insert into meter_values (tenant_id, charge_point_id, connector_id, sampled_at, received_at, context,
            {column}, digest)
        values (1, 1, 1, '2026-05-01Z', now(), 'periodic', $1, {digest})
    """
    await connection.execute(insert.format(column="sampled_values", digest=1), old)
    await connection.execute(
        "insert into frame_runs values (1, 1, 1, 'c', now(), array[now()], array['in'], array['x'], null)"
    )
    await _go_to(old_url, "0080", command.upgrade)
    packed = '[{"value":"2"}, {"value":"3\u00e9"}]'
    await connection.execute(insert.format(column="packed_values", digest=2), pack_samples(packed))
    await connection.execute(
        "insert into frame_runs (id, tenant_id, charge_point_id, at, packed) values (2, 1, 1, now(), '')"
    )
    samples = "select sampled_values::text from meter_values order by digest"
    assert [row[0] for row in await connection.fetch(samples)] == [old, None]
    assert await connection.fetchval("select string_agg(texts[1], '' order by id) from frame_runs") == "x"
    await _go_to(old_url, "0074", command.downgrade)
    assert [row[0] for row in await connection.fetch(samples)] == [old, packed]
    assert [row[0] for row in await connection.fetch("select texts from frame_runs")] == [["x"]]
    await connection.close()


async def test_events_keep_their_positions_when_new_ones_are_made_of_their_ids(old_url: str) -> None:
    await _go_to(old_url, "0085", command.upgrade)
    connection = await asyncpg.connect(old_url)
    insert = """
        insert into events (id, tenant_id, position, type, version, occurred_at, data)
        values ($1, 1, $2, 'transaction.started', 1, now(), '{"id": 7}')
    """
    await connection.execute("select setval('event_ids', 3), setval('event_positions', 40)")
    for event_id, position in ((1, None), (2, 40), (3, None)):
        await connection.execute(insert, event_id, position)
    positions = "select position from events order by id"
    await _go_to(old_url, "0087", command.upgrade)
    assert [row[0] for row in await connection.fetch(positions)] == [41, 40, 42]
    assert await connection.fetchval("select position from transaction_positions") == 42
    # A server of before cannot number: an event would have two positions.
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetchval("select nextval('event_positions')")
    assert await connection.fetchval("select nextval('event_ids')") == 43
    assert await connection.fetchval("select first_id from event_numbering") == 43
    for event_id in (43, 44, 45, 46):
        await connection.execute(insert, event_id, None)
    await connection.execute("update event_numbering set last_id = 45, last_position = 45 * 65536 + 1")
    await connection.execute("insert into missing_event_ids values (43, 44, now(), 0)")
    await connection.execute("insert into late_events values (1, 43, 45 * 65536 + 1, now())")
    await connection.execute(
        "update late_events set recorded_at = (select recorded_at from events where id = 43)"
    )
    await _go_to(old_url, "0086", command.downgrade)
    assert [row[0] for row in await connection.fetch(positions)] == [
        41,
        40,
        42,
        45 * 65536 + 1,
        None,
        45 * 65536,
        None,
    ]
    assert await connection.fetchval("select nextval('event_positions')") == 45 * 65536 + 2
    # Up again: new ids lie behind all positions, once more.
    await _go_to(old_url, "0087", command.upgrade)
    assert await connection.fetchval("select max(position) from events") == 45 * 65536 + 4
    assert await connection.fetchval("select first_id from event_numbering") == 45 * 65536 + 5
    await _go_to(old_url, "0086", command.downgrade)
    await connection.execute("select setval('event_positions', 1::bigint << 47)")
    with pytest.raises(DBAPIError, match="bigint out of range"):
        await _go_to(old_url, "0087", command.upgrade)
    await connection.close()
