"""Processes that use the embedded engines of a data directory, as servers and commands do."""

import asyncio
import json
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from redis.asyncio import Redis

from app.settings import Settings

_DEADLINE_S: Final = 60.0
_PROGRAM: Final = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from app.logs import setup_logging
    from app.server.embedded import start_embedded
    from app.settings import Settings

    async def main():
        settings = Settings(
            database_url=None, redis_url=sys.argv[2] or None, data_directory=Path(sys.argv[1])
        )
        async with start_embedded(settings) as engines:
            print(engines.database_url, engines.redis_url, flush=True)
            await asyncio.to_thread(sys.stdin.readline)

    setup_logging("info", "json")
    asyncio.run(main())
    """
)


def settings_of(directory: Path) -> Settings:
    """Return settings with both engines embedded."""
    return Settings(database_url=None, redis_url=None, data_directory=directory)


def engine_processes(directory: Path) -> set[str]:
    """Return the names of the engines of which a process runs."""
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


async def count_visit(database_url: str, redis_url: str) -> tuple[int, int]:
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


def postgres_process(directory: Path) -> int:
    """Return the process id of the embedded PostgreSQL."""
    return int((directory / "postgres/postmaster.pid").read_text().split("\n", 1)[0])


@dataclass(frozen=True, slots=True)
class EngineUser:
    """A process that uses the engines until it is told to end."""

    process: asyncio.subprocess.Process

    @classmethod
    @asynccontextmanager
    async def started(
        cls, directory: Path, *, redis_url: str = "", **options: Any
    ) -> AsyncIterator["EngineUser"]:
        """Start one, and kill it at the end of the block if it still runs.

        redis_url: another Redis than the embedded one.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(directory), redis_url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            **options,
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def urls(self) -> tuple[str, str]:
        """Wait until it has its engines, and return their URLs."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_DEADLINE_S):
            words = (await self.process.stdout.readline()).decode().split()
        assert len(words) == 2, await self.log()
        return words[0], words[1]

    async def tells(self, event: str) -> dict[str, Any]:
        """Wait for a line of its log with that event, and return the line."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_DEADLINE_S):
            async for line in self.process.stderr:
                told: dict[str, Any] = json.loads(line)
                if told["event"] == event:
                    return told
        raise AssertionError(f"it ended without {event}")

    async def log(self) -> str:
        """Return what is left of its log; it has to end."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_DEADLINE_S):
            return (await self.process.stderr.read()).decode()

    def ask_to_end(self) -> None:
        """Tell it to end, and do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def end(self) -> int:
        """Tell it to end, and return its exit status."""
        self.ask_to_end()
        async with asyncio.timeout(_DEADLINE_S):
            return await self.process.wait()

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
