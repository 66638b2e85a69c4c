"""The embedded engines keep their data, end cleanly, and survive the death of their owner."""

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.server.embedded import start_embedded
from app.settings import Settings, SettingsError

_OWNER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from app.server.embedded import start_embedded
    from app.settings import Settings

    async def main():
        settings = Settings(database_url=None, redis_url=None, data_directory=Path(sys.argv[1]))
        async with start_embedded(settings) as engines:
            print(engines.database_url, engines.redis_url, flush=True)
            await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(main())
    """
)


def _settings(directory: Path) -> Settings:
    return Settings(database_url=None, redis_url=None, data_directory=directory)


def _engine_processes(directory: Path) -> set[str]:
    homes = {str(directory / name) for name in ("postgres", "redis")}
    found = set()
    for process in Path("/proc").iterdir():
        try:
            home = os.readlink(process / "cwd") if process.name.isdigit() else ""
        except OSError:
            continue
        if home in homes:
            found.add(Path(home).name)
    return found


def _rights_of_others(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o077 for path in directory.iterdir() if path.is_file()}


def _environments(directory: Path) -> dict[str, bytes]:
    files = {"postgres": "postgres/postmaster.pid", "redis": "redis/redis.pid"}
    processes = {name: (directory / file).read_text().split("\n", 1)[0] for name, file in files.items()}
    return {name: Path(f"/proc/{number}/environ").read_bytes() for name, number in processes.items()}


async def _count(database_url: str, redis_url: str) -> tuple[int, int]:
    """Add one to a number in each engine and return both."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("create table if not exists visits (at timestamptz default now())")
        await connection.execute("insert into visits default values")
        rows: int = await connection.fetchval("select count(*) from visits")
    finally:
        await connection.close()
    async with Redis.from_url(redis_url) as client:
        return rows, await client.incr("visits")


def _start_owner(directory: Path, **options: object) -> tuple["subprocess.Popen[str]", tuple[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        **options,  # type: ignore[call-overload]
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the owner ended at its start"
    database_url, redis_url = line.split()
    return process, (database_url, redis_url)


def _mode(path: str) -> int:
    return os.stat(path).st_mode & 0o777


def _end(process: "subprocess.Popen[str]") -> int:
    process.communicate("\n", timeout=30)
    return process.returncode


async def test_a_second_start_keeps_the_data_and_nothing_runs_in_between(engine_directory: Path) -> None:
    for visit in (1, 2):
        async with start_embedded(_settings(engine_directory)) as engines:
            assert _engine_processes(engine_directory) == {"postgres", "redis"}
            assert await _count(engines.database_url, engines.redis_url) == (visit, visit)
        assert _engine_processes(engine_directory) == set()


async def test_the_engines_run_with_the_promised_settings(engine_directory: Path) -> None:
    async with start_embedded(_settings(engine_directory)) as engines:
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
    process, urls = _start_owner(engine_directory)
    assert await _count(*urls) == (1, 1)
    process.kill()
    process.communicate()
    async with start_embedded(_settings(engine_directory)) as engines:
        assert await _count(engines.database_url, engines.redis_url) == (2, 2)
    assert _engine_processes(engine_directory) == set()


async def test_a_second_process_shares_the_engines_and_leaves_them_running(engine_directory: Path) -> None:
    async with start_embedded(_settings(engine_directory)) as engines:
        process, urls = _start_owner(engine_directory)
        assert urls == (engines.database_url, engines.redis_url)
        assert _end(process) == 0
        assert await _count(engines.database_url, engines.redis_url) == (1, 1)


@pytest.mark.parametrize("holder", ["none", "another process"])
async def test_a_stale_process_file_does_not_prevent_the_start(engine_directory: Path, holder: str) -> None:
    async with start_embedded(_settings(engine_directory)) as engines:
        await _count(engines.database_url, engines.redis_url)
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
        async with start_embedded(_settings(engine_directory)) as engines:
            assert (await _count(engines.database_url, engines.redis_url))[0] == 2
        assert other.returncode is None
        other.kill()
        await other.wait()
    else:
        async with start_embedded(_settings(engine_directory)) as engines:
            assert (await _count(engines.database_url, engines.redis_url))[0] == 2


@pytest.mark.slow
async def test_an_engine_that_dies_is_started_again(engine_directory: Path) -> None:
    async with start_embedded(_settings(engine_directory)) as engines:
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
    assert _engine_processes(engine_directory) == set()


async def _wait_for_another(redis: Redis, process_id: int) -> None:
    """Ask until another process answers; no event tells it."""
    while True:
        with suppress(RedisError):
            if (await redis.info("server"))["process_id"] != process_id:
                return
        await asyncio.sleep(0.1)


async def test_a_long_path_gets_a_socket_elsewhere(engine_directory: Path) -> None:
    deep = engine_directory / ("d" * 60) / ("e" * 60)
    async with start_embedded(_settings(deep)) as engines:
        assert await _count(engines.database_url, engines.redis_url) == (1, 1)
        assert _mode(unquote(engines.database_url.partition("host=")[2])) == 0o700


async def test_an_interrupted_set_up_is_done_again(engine_directory: Path) -> None:
    home = engine_directory / "postgres"
    (home / "base").mkdir(parents=True)
    (home / "postgresql.conf").write_text("half")
    async with start_embedded(_settings(engine_directory)) as engines:
        assert await _count(engines.database_url, engines.redis_url) == (1, 1)


async def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SettingsError, match=r"^STATIONMASTER_DATA_DIRECTORY: .*/file/data cannot be created"):
        async with start_embedded(_settings(blocked / "data")):
            pass


async def test_only_the_owner_reads_the_files_of_the_data_directory(engine_directory: Path) -> None:
    # An earlier version let others read its logs.
    (engine_directory / "redis.log").touch(0o644)
    async with start_embedded(_settings(engine_directory)):
        files = _rights_of_others(engine_directory)
    assert {"postgres.log", "redis.log"} <= files.keys()
    assert set(files.values()) == {0}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_the_engines_as_themselves(engine_directory: Path) -> None:
    account = pwd.getpwnam("nobody")
    try:
        subprocess.run([sys.executable, "-c", ""], user=account.pw_uid, check=True)
    except PermissionError:
        pytest.skip(f"{sys.executable} is closed to other users")
    os.chown(engine_directory, account.pw_uid, account.pw_gid)
    process, _ = _start_owner(engine_directory, user=account.pw_uid, group=account.pw_gid, extra_groups=[])
    assert (engine_directory / "postgres").stat().st_uid == account.pw_uid
    assert _end(process) == 0
    assert _engine_processes(engine_directory) == set()


async def test_the_engines_do_not_inherit_secrets(
    engine_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_CREDENTIAL_PEPPER", "canary")
    directory = engine_directory / "no secrets"
    async with start_embedded(_settings(directory)):
        assert _environments(directory).keys() == {"postgres", "redis"}
        assert not [name for name, text in _environments(directory).items() if b"canary" in text]
