"""Several processes use one data directory: no order of their starts, stops and deaths loses the engines."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.request import urlopen

import asyncpg
import pytest

from app.server.embedded import start_embedded
from tests.support.engine_users import (
    EngineUser,
    count_visit,
    engine_processes,
    postgres_process,
    settings_of,
)
from tests.support.eventually import eventually
from tests.support.processes import TIMEOUT_S, command, environment, serving

pytestmark = pytest.mark.slow


async def _pending_signals(process_id: int) -> int:
    """Return the signals that a frozen process was sent, a bit for each."""
    status = await asyncio.to_thread(Path(f"/proc/{process_id}/status").read_text)
    return int(status.partition("ShdPnd:")[2].split()[0], 16)


async def _freeze_while_stopping(stack: AsyncExitStack, directory: Path) -> tuple[EngineUser, int]:
    """Return a process that waits for the end of PostgreSQL, and the frozen PostgreSQL."""
    user = await stack.enter_async_context(EngineUser.started(directory))
    assert await count_visit(*await user.urls()) == (1, 1)
    postgres = postgres_process(directory)
    os.kill(postgres, signal.SIGSTOP)
    stack.callback(_let_go, postgres)
    user.ask_to_end()
    await eventually(lambda: _pending_signals(postgres), lambda signals: signals >> (signal.SIGINT - 1) & 1)
    return user, postgres


def _let_go(process_id: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGCONT)


async def test_two_that_start_at_once_on_a_new_directory_share_the_engines(engine_directory: Path) -> None:
    async with EngineUser.started(engine_directory) as one, EngineUser.started(engine_directory) as other:
        urls = await asyncio.gather(one.urls(), other.urls())
        assert urls[0] == urls[1]
        assert await count_visit(*urls[0]) == (1, 1)
        assert set(await asyncio.gather(one.end(), other.end())) == {0}
    assert engine_processes(engine_directory) == set()


async def test_who_started_the_engines_leaves_them_to_those_that_use_them(engine_directory: Path) -> None:
    async with EngineUser.started(engine_directory) as first:
        urls = await first.urls()
        process_id = postgres_process(engine_directory)
        async with EngineUser.started(engine_directory) as second:
            assert await second.urls() == urls
            assert await first.end() == 0
            assert postgres_process(engine_directory) == process_id
            assert await count_visit(*urls) == (1, 1)
            assert await second.end() == 0
    assert engine_processes(engine_directory) == set()


@pytest.mark.timeout(300)
def test_of_two_servers_that_start_with_a_command_the_second_outlives_the_first(data_directory: Path) -> None:
    env = environment(
        data_directory / "data",
        STATIONMASTER_PORT="0",
        STATIONMASTER_LOG_LEVEL="error",
        STATIONMASTER_DRAIN_S="0",
    )
    first_command = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "init"], env=env, stdout=subprocess.DEVNULL
    )
    with serving(env) as (first, _), serving(env) as (second, url):
        assert first_command.wait(TIMEOUT_S) == 0
        first.terminate()
        assert first.wait(TIMEOUT_S) == 0
        with urlopen(f"{url}/health/ready") as answer:  # noqa: S310
            assert answer.status == 200
        assert command("tenant", "create", "north", env=env).returncode == 0
        second.terminate()
        assert second.wait(TIMEOUT_S) == 0
    assert engine_processes(data_directory / "data") == set()


async def test_a_command_without_redis_leaves_the_redis_of_the_server(engine_directory: Path) -> None:
    async with EngineUser.started(engine_directory, redis_url="unix:///nonexistent") as command:
        await command.urls()
        assert engine_processes(engine_directory) == {"postgres"}
        async with EngineUser.started(engine_directory) as server:
            urls = await server.urls()
            assert await command.end() == 0
            assert await count_visit(*urls) == (1, 1)
            assert await server.end() == 0
    assert engine_processes(engine_directory) == set()


async def test_who_comes_during_a_stop_of_the_engines_waits_and_starts_them(
    engine_directory: Path,
) -> None:
    async with AsyncExitStack() as stack:
        first, postgres = await _freeze_while_stopping(stack, engine_directory)
        second = await stack.enter_async_context(EngineUser.started(engine_directory))
        assert (await second.tells("engine_awaited"))["engine"] == "postgres"
        _let_go(postgres)
        assert await count_visit(*await second.urls()) == (2, 2)
        assert postgres_process(engine_directory) != postgres
        assert await first.process.wait() == 0
        assert await second.end() == 0
    assert engine_processes(engine_directory) == set()


async def test_a_server_killed_in_its_shutdown_leaves_an_engine_that_is_waited_for(
    engine_directory: Path,
) -> None:
    async with AsyncExitStack() as stack:
        first, postgres = await _freeze_while_stopping(stack, engine_directory)
        first.kill()
        await first.process.wait()
        second = await stack.enter_async_context(EngineUser.started(engine_directory))
        assert (await second.tells("engine_found"))["engine"] == "postgres"
        _let_go(postgres)
        assert await count_visit(*await second.urls()) == (2, 2)
        assert postgres_process(engine_directory) != postgres
        assert await second.end() == 0
    assert engine_processes(engine_directory) == set()


async def test_an_engine_that_dies_is_started_once_by_those_that_use_it(engine_directory: Path) -> None:
    async with EngineUser.started(engine_directory) as one, EngineUser.started(engine_directory) as other:
        urls, _ = await asyncio.gather(one.urls(), other.urls())
        postgres = postgres_process(engine_directory)
        os.kill(postgres, signal.SIGKILL)
        await eventually(lambda: _answers(urls[0]), bool)
        assert await count_visit(*urls) == (1, 1)
        log = (engine_directory / "postgres.log").read_text()
        # At the first start, and after the death.
        assert log.count("database system is ready to accept connections") == 2
        assert "lock file" not in log
        assert set(await asyncio.gather(one.end(), other.end())) == {0}
    assert engine_processes(engine_directory) == set()


async def _answers(database_url: str) -> bool:
    try:
        connection = await asyncpg.connect(database_url)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def test_a_set_up_that_was_killed_is_done_again_after_its_last_process_has_ended(
    engine_directory: Path,
) -> None:
    async with EngineUser.started(engine_directory) as first:
        # The first file of a set-up, which was taken for a finished one.
        version = engine_directory / "postgres.new/PG_VERSION"
        await eventually(lambda: asyncio.to_thread(version.exists), bool)
        first.kill()
        await first.process.wait()
    async with start_embedded(settings_of(engine_directory)) as engines:
        assert await count_visit(engines.database_url, engines.redis_url) == (1, 1)
    assert not (engine_directory / "postgres.new").exists()
