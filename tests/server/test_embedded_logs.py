"""The logs of the embedded engines are bounded, and hold no lines about what happens every day."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from app.server.embedded import start_embedded
from app.server.embedded.engine_log import LIMIT_BYTES, is_full, open_log, rotate
from tests.support.engine_users import postgres_process, settings_of
from tests.support.eventually import eventually


def test_a_log_that_was_put_aside_goes_on_at_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    assert not is_full(path)
    with open_log(path) as engine:
        engine.write(b"x" * LIMIT_BYTES)
        engine.flush()
        assert not is_full(path)
        engine.write(b"x")
        engine.flush()
        assert is_full(path)
        rotate(path)
        engine.write(b"next\n")
    assert path.read_bytes() == b"next\n"
    kept = tmp_path / "engine.log.1"
    assert kept.stat().st_size == LIMIT_BYTES + 1
    assert [file.stat().st_mode & 0o077 for file in (path, kept)] == [0, 0]


@pytest.mark.slow
async def test_the_logs_of_engines_that_run_are_put_aside(engine_directory: Path) -> None:
    logs = [engine_directory / f"{name}.log" for name in ("postgres", "redis")]
    async with start_embedded(settings_of(engine_directory)) as engines:
        for log in logs:
            with open_log(log) as much:
                much.write(b"x" * LIMIT_BYTES)
        for log in logs:
            await eventually(partial(asyncio.to_thread, is_full, log), lambda full: not full)
            kept = log.with_name(f"{log.name}.1")
            assert kept.stat().st_size > LIMIT_BYTES
        connection = await asyncpg.connect(engines.database_url)
        await connection.execute("select pg_log_backend_memory_contexts(pg_backend_pid())")
        await connection.close()
    text = logs[0].read_bytes()
    assert b"logging memory contexts" in text
    assert b"\0" not in text


@pytest.mark.slow
async def test_ordinary_refusals_leave_no_line(engine_directory: Path) -> None:
    async with start_embedded(settings_of(engine_directory)) as engines:
        connection = await asyncpg.connect(engines.database_url)
        await connection.execute("create table tags (id_tag text primary key)")
        await connection.execute("insert into tags values ('04A2B3C4')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into tags values ('04A2B3C4')")
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute("set statement_timeout = 1; select pg_sleep(60)")
        await connection.execute("checkpoint")
        await connection.close()
        os.kill(postgres_process(engine_directory), signal.SIGKILL)
    # The second start replays the log, and is asked meanwhile whether it is ready.
    async with start_embedded(settings_of(engine_directory)):
        pass
    text = (engine_directory / "postgres.log").read_text()
    assert "database system was not properly shut down" in text
    for word in ("04A2B3C4", "ERROR", "FATAL", "STATEMENT", "checkpoint starting"):
        assert word not in text, text
