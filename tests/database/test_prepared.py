"""Connections that run one statement at a time: few, opened again when they end, and never blocked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.database import prepared as module
from app.database.prepared import Prepared
from app.database.statements import Statement
from app.errors import InvalidInput, StoreUnavailable
from app.settings import Settings

_PID = Statement(text("select pg_backend_pid() as pid"))
_SLOW_PID = Statement(text("select pg_backend_pid() as pid from (select pg_sleep(0.2)) as slept"))
_LONG = Statement(text("select pg_sleep(60)"))
_FAULTY = Statement(text("select 1 / cast(:zero as integer)"))
_PURPOSE = "prepared of a test"
_OF_PURPOSE = f"where application_name = 'stationmaster {_PURPOSE}' and datname = current_database()"


@asynccontextmanager
async def prepared_on(settings: Settings) -> AsyncIterator[Prepared]:
    prepared = Prepared(str(settings.database_url), _PURPOSE)
    try:
        yield prepared
    finally:
        await prepared.close()


@asynccontextmanager
async def operator_on(settings: Settings) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(settings.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def come_true(settings: Settings, condition: str) -> None:
    """Wait until so many of the connections are as a condition says."""
    async with operator_on(settings) as operator, asyncio.timeout(20):
        while not await operator.fetchval(f"select {condition} from pg_stat_activity {_OF_PURPOSE}"):  # noqa: S608
            # The view is a snapshot for the length of a transaction, and each of these is one.
            continue


async def pids(prepared: Prepared, statement: Statement, times: int) -> list[int]:
    found = await asyncio.gather(*(prepared.rows(statement, {}) for _ in range(times)))
    return [rows[0]["pid"] for rows in found]


async def test_one_after_the_other_shares_a_connection_and_a_crowd_takes_turns(settings: Settings) -> None:
    async with prepared_on(settings) as prepared:
        assert len({(await pids(prepared, _PID, 1))[0] for _ in range(5)}) == 1
        crowd = await pids(prepared, _SLOW_PID, 20)
        assert (len(crowd), len(set(crowd))) == (20, 8)


async def test_all_connections_may_end_at_once(settings: Settings) -> None:
    async with prepared_on(settings) as prepared:
        before = set(await pids(prepared, _SLOW_PID, 4))
        await come_true(settings, "count(pg_terminate_backend(pid)) = 4")
        assert set(await pids(prepared, _PID, 1)) & before == set()


async def test_a_faulty_statement_costs_no_connection(settings: Settings) -> None:
    async with prepared_on(settings) as prepared:
        (before,) = await pids(prepared, _PID, 1)
        with pytest.raises(InvalidInput):
            await prepared.rows(_FAULTY, {"zero": 0})
        assert await pids(prepared, _PID, 1) == [before]


async def test_who_gives_up_leaves_nothing_running(settings: Settings) -> None:
    async with prepared_on(settings) as prepared:
        asked = [asyncio.ensure_future(prepared.rows(_LONG, {})) for _ in range(8)]
        await come_true(settings, "count(*) filter (where state = 'active') = 8")
        for one in asked:
            one.cancel()
        await asyncio.wait(asked)
        await come_true(settings, "count(*) filter (where state = 'active') = 0")
        # All eight turns are free again.
        assert len(set(await pids(prepared, _SLOW_PID, 8))) == 8


async def test_a_server_that_says_nothing_is_asked_on_other_connections_next_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with prepared_on(settings) as prepared:
        before = set(await pids(prepared, _SLOW_PID, 4))

        async def silent(*_: object) -> None:
            raise TimeoutError

        with monkeypatch.context() as patch:
            patch.setattr(asyncpg.Connection, "fetch", silent)
            with pytest.raises(StoreUnavailable):
                await prepared.rows(_PID, {})
        assert set(await pids(prepared, _SLOW_PID, 4)) & before == set()


async def test_the_server_itself_ends_what_takes_too_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STATEMENT_S", 0.2)
    async with prepared_on(settings) as prepared:
        (before,) = await pids(prepared, _PID, 1)
        with pytest.raises(StoreUnavailable):
            await prepared.rows(_LONG, {})
        assert await pids(prepared, _PID, 1) == [before]


async def test_what_was_idle_for_long_is_not_trusted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with prepared_on(settings) as prepared:
        (before,) = await pids(prepared, _PID, 1)
        monkeypatch.setattr(module, "_IDLE_S", 0.0)
        assert await pids(prepared, _PID, 1) != [before]


async def test_connections_that_end_again_and_again_are_the_database_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(*_: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    monkeypatch.setattr(asyncpg.Connection, "fetch", ended)
    async with prepared_on(settings) as prepared:
        with pytest.raises(StoreUnavailable):
            await prepared.rows(_PID, {})


async def test_what_is_closed_answers_nobody(settings: Settings) -> None:
    async with prepared_on(settings) as prepared:
        await pids(prepared, _PID, 1)
    with pytest.raises(StoreUnavailable):
        await prepared.rows(_PID, {})
    await come_true(settings, "count(*) = 0")
