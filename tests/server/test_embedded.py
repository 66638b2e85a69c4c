"""The embedded engines keep their data, end cleanly, and survive the death of their owner."""

import asyncio
import os
import pwd
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.server.embedded import start_embedded
from app.settings import SettingsError
from tests.support.engine_users import EngineUser, count_visit, engine_processes, settings_of


def _rights_of_others(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o077 for path in directory.iterdir() if path.is_file()}


def _environments(directory: Path) -> dict[str, bytes]:
    files = {"postgres": "postgres/postmaster.pid", "redis": "redis/redis.pid"}
    processes = {name: (directory / file).read_text().split("\n", 1)[0] for name, file in files.items()}
    return {name: Path(f"/proc/{number}/environ").read_bytes() for name, number in processes.items()}


def _mode(path: str) -> int:
    return os.stat(path).st_mode & 0o777


async def test_a_second_start_keeps_the_data_and_nothing_runs_in_between(engine_directory: Path) -> None:
    for visit in (1, 2):
        async with start_embedded(settings_of(engine_directory)) as engines:
            assert engine_processes(engine_directory) == {"postgres", "redis"}
            assert await count_visit(engines.database_url, engines.redis_url) == (visit, visit)
        assert engine_processes(engine_directory) == set()


async def test_the_engines_run_with_the_promised_settings(engine_directory: Path) -> None:
    async with start_embedded(settings_of(engine_directory)) as engines:
        connection = await asyncpg.connect(engines.database_url)
        for name, value in (
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("listen_addresses", ""),
            ("checkpoint_timeout", "30min"),
            ("wal_compression", "pglz"),
        ):
            assert await connection.fetchval(f"show {name}") == value
        await connection.close()
        async with Redis.from_url(engines.redis_url) as client:
            assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
            assert (await client.config_get("appendonly"))["appendonly"] == "yes"


async def test_a_killed_owner_leaves_engines_that_the_next_one_takes_over(engine_directory: Path) -> None:
    async with EngineUser.started(engine_directory) as user:
        assert await count_visit(*await user.urls()) == (1, 1)
        user.kill()
    async with start_embedded(settings_of(engine_directory)) as engines:
        assert await count_visit(engines.database_url, engines.redis_url) == (2, 2)
    assert engine_processes(engine_directory) == set()


async def test_a_second_process_shares_the_engines_and_leaves_them_running(engine_directory: Path) -> None:
    async with start_embedded(settings_of(engine_directory)) as engines:
        async with EngineUser.started(engine_directory) as user:
            assert await user.urls() == (engines.database_url, engines.redis_url)
            assert await user.end() == 0
        assert await count_visit(engines.database_url, engines.redis_url) == (1, 1)


@pytest.mark.parametrize("holder", ["none", "another process"])
async def test_a_stale_process_file_does_not_prevent_the_start(engine_directory: Path, holder: str) -> None:
    async with start_embedded(settings_of(engine_directory)) as engines:
        await count_visit(engines.database_url, engines.redis_url)
        processes = [engine_directory / "postgres/postmaster.pid", engine_directory / "redis/redis.pid"]
        for path in processes:
            os.kill(int(path.read_text().split("\n", 1)[0]), signal.SIGKILL)
    stale = processes[0].read_text().split("\n")
    assert stale[0].isdigit()
    if holder == "another process":
        # As in a new container: the number now belongs to another process of the engines' own user.
        account = processes[0].stat().st_uid
        other = await asyncio.create_subprocess_exec("sleep", "60", user=account)
        processes[0].write_text("\n".join([str(other.pid), *stale[1:]]))
        async with start_embedded(settings_of(engine_directory)) as engines:
            assert (await count_visit(engines.database_url, engines.redis_url))[0] == 2
        assert other.returncode is None
        other.kill()
        await other.wait()
    else:
        async with start_embedded(settings_of(engine_directory)) as engines:
            assert (await count_visit(engines.database_url, engines.redis_url))[0] == 2


async def test_a_stale_lock_of_the_socket_does_not_prevent_the_start(engine_directory: Path) -> None:
    async with start_embedded(settings_of(engine_directory)):
        account = (engine_directory / "postgres").stat().st_uid
    other = await asyncio.create_subprocess_exec("sleep", "60", user=account)
    lock = engine_directory / "postgres/.s.PGSQL.5432.lock"
    lock.write_text(f"{other.pid}\n{engine_directory}/postgres\n1\n5432\n")
    async with start_embedded(settings_of(engine_directory)) as engines:
        assert await count_visit(engines.database_url, engines.redis_url) == (1, 1)
    assert other.returncode is None
    other.kill()
    await other.wait()


@pytest.mark.slow
async def test_an_engine_that_dies_is_started_again(engine_directory: Path) -> None:
    async with start_embedded(settings_of(engine_directory)) as engines:
        redis = Redis.from_url(engines.redis_url)
        try:
            await redis.set("kept", "yes")
            first = (await redis.info("server"))["process_id"]
            await redis.config_set("appendfsync", "always")
            await redis.set("kept", "still")
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(40):
                await _wait_for_another(redis, first)
            assert await redis.get("kept") == b"still"
        finally:
            await redis.aclose()
    assert engine_processes(engine_directory) == set()


async def _wait_for_another(redis: Redis, process_id: int) -> None:
    """Ask until another process answers; no event tells it."""
    while True:
        with suppress(RedisError):
            if (await redis.info("server"))["process_id"] != process_id:
                return
        await asyncio.sleep(0.1)


async def test_a_long_path_gets_a_socket_elsewhere(engine_directory: Path) -> None:
    deep = engine_directory / ("d" * 60) / ("e" * 60)
    async with start_embedded(settings_of(deep)) as engines:
        assert await count_visit(engines.database_url, engines.redis_url) == (1, 1)
        assert _mode(unquote(engines.database_url.partition("host=")[2])) == 0o700


async def test_an_interrupted_set_up_is_done_again(engine_directory: Path) -> None:
    home = engine_directory / "postgres"
    (home / "base").mkdir(parents=True)
    (home / "postgresql.conf").write_text("half")
    async with start_embedded(settings_of(engine_directory)) as engines:
        assert await count_visit(engines.database_url, engines.redis_url) == (1, 1)


async def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SettingsError, match=r"^STATIONMASTER_DATA_DIRECTORY: .*/file/data cannot be created"):
        async with start_embedded(settings_of(blocked / "data")):
            pass


async def test_only_the_owner_reads_the_files_of_the_data_directory(engine_directory: Path) -> None:
    # An earlier version let others read its logs.
    (engine_directory / "redis.log").touch(0o644)
    async with start_embedded(settings_of(engine_directory)):
        files = _rights_of_others(engine_directory)
    assert {"postgres.log", "redis.log"} <= files.keys()
    assert set(files.values()) == {0}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_an_ordinary_user_runs_the_engines_as_themselves(engine_directory: Path) -> None:
    account = pwd.getpwnam("nobody")
    try:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "", user=account.pw_uid)
        assert await process.wait() == 0
    except PermissionError:
        pytest.skip(f"{sys.executable} is closed to other users")
    os.chown(engine_directory, account.pw_uid, account.pw_gid)
    options: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    async with EngineUser.started(engine_directory, **options) as user:
        await user.urls()
        assert (engine_directory / "postgres").stat().st_uid == account.pw_uid
        assert await user.end() == 0
    assert engine_processes(engine_directory) == set()


async def test_the_engines_do_not_inherit_secrets(
    engine_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_CREDENTIAL_PEPPER", "canary")
    directory = engine_directory / "no secrets"
    async with start_embedded(settings_of(directory)):
        assert _environments(directory).keys() == {"postgres", "redis"}
        assert not [name for name, text in _environments(directory).items() if b"canary" in text]
