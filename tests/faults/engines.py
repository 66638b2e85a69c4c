"""PostgreSQL and Redis of the rig: processes that it may kill, freeze, and replace by a standby."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from redis.asyncio import Redis

from app.server.embedded.account import account_for, as_user, own_directory
from app.server.embedded.postgres import Postgres
from app.server.embedded.process import Engine, running, runs_in
from app.server.embedded.redis_server import RedisServer
from tests.faults.waiting import until, until_asked
from tests.support.processes import children_of
from tests.support.tcp_proxy import Streams


class RunningEngine:
    """An embedded engine, which is started again when it dies."""

    def __init__(self, engine: Engine, socket: Path) -> None:
        self._engine = engine
        self._socket = socket
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Its URL, past all proxies."""
        return self._engine.url

    async def dial(self) -> Streams:
        """Open a connection to it, for a proxy."""
        return await asyncio.open_unix_connection(str(self._socket))

    async def start(self) -> None:
        """Start it."""
        await self._stack.enter_async_context(running(self._engine))

    async def stop(self) -> None:
        """Stop it for good."""
        await self._stack.aclose()

    async def end(self, number: signal.Signals) -> None:
        """End it by a signal, and wait until it runs again."""
        before = self._process_id()
        os.kill(before, number)
        await until(lambda: self._engine.process_id() not in (None, before))
        await until_asked(self._engine.is_ready)

    def freeze(self) -> list[int]:
        """Suspend all its processes, and return them."""
        first = self._process_id()
        found = [first, *children_of(first)]
        for process in found:
            _signal(process, signal.SIGSTOP)
        return found

    def thaw(self, processes: list[int]) -> None:
        """Let its processes go on."""
        for process in processes:
            _signal(process, signal.SIGCONT)

    def _process_id(self) -> int:
        process = self._engine.process_id()
        if process is None:
            raise AssertionError(f"{self._engine.name} does not run")
        return process


class Database(RunningEngine):
    """PostgreSQL, which a standby may replace."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._generation = 1
        first = self._of_generation(1)
        super().__init__(first, _socket_of(first))

    async def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def replicate(self) -> Postgres:
        """Start a standby, and let each commit wait for it. Return the standby."""
        self._generation += 1
        standby = self._of_generation(self._generation)
        await asyncio.to_thread(self._copy, standby)
        # PostgreSQL does not start again while the system keeps the id of its dead process.
        threading.Thread(target=_spawn(standby).wait, daemon=True).start()
        await self.execute("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        connection = await asyncpg.connect(self.url)

        async def is_synchronous() -> bool:
            states = await connection.fetch("select sync_state from pg_stat_replication")
            return [row["sync_state"] for row in states] == ["sync"]

        try:
            await until_asked(is_synchronous)
        finally:
            await connection.close()
        return standby

    async def promote(self, standby: Postgres) -> None:
        """Kill this server, and let the standby take its place."""
        process, home = self._process_id(), self._engine.home
        os.kill(process, signal.SIGKILL)
        # Nothing starts it again from here on.
        await self.stop()
        await until(lambda: not runs_in(process, home))
        self._engine, self._socket = standby, _socket_of(standby)
        await self.execute("select pg_promote()")
        await self.start()
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)

    def _of_generation(self, number: int) -> Postgres:
        return Postgres(self._directory / f"postgres-{number}", account_for(self._directory))

    def _copy(self, standby: Postgres) -> None:
        """Make the data of a standby, and tell it to follow this server."""
        own_directory(standby.home, standby.account)
        program = Path(standby.command()[0]).with_name("pg_basebackup")
        subprocess.run(
            [
                program,
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--dbname",
                self.url,
                "--pgdata",
                standby.home,
            ],
            cwd=standby.home,
            check=True,
            stderr=subprocess.DEVNULL,
            **as_user(standby.account),
        )
        # The copy of the lock of the socket names the other server.
        _socket_of(standby).with_suffix(".5432.lock").unlink()


class RedisEngine(RunningEngine):
    """Redis."""

    def __init__(self, directory: Path) -> None:
        engine = RedisServer(directory / "redis", account_for(directory))
        super().__init__(engine, Path(unquote(engine.url.removeprefix("unix://"))))

    async def flush(self) -> None:
        """Let it forget everything."""
        async with Redis.from_url(self.url) as client:
            await client.flushall()


def _socket_of(engine: Postgres) -> Path:
    [directory] = parse_qs(urlsplit(engine.url).query)["host"]
    return Path(directory) / ".s.PGSQL.5432"


def _spawn(standby: Postgres) -> "subprocess.Popen[bytes]":
    with standby.home.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            standby.command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=standby.home,
            start_new_session=True,
            **as_user(standby.account),
        )


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
