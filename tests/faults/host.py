"""One machine of the rig: a server with its own ways to PostgreSQL and Redis, and its own clock."""

import os
import random
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from app.settings import Settings
from tests.faults.waiting import until
from tests.support.processes import gone
from tests.support.server import Served, serving
from tests.support.tcp_proxy import TcpProxy

_FAILPOINTS = {"PYTHONPATH": str(Path(__file__).with_name("failpoints"))}
_CLOCKS = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class HostClock:
    """The clock of a machine, which the library libfaketime sets for its processes."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.step(0)

    def step(self, seconds: int) -> None:
        """Set the clock so many seconds before or behind the true time."""
        self._file.write_text(f"{seconds:+d}\n")


def clock_library() -> Path | None:
    """Return libfaketime. None: it is not installed (Debian's package `libfaketime`)."""
    return next(Path("/").glob(_CLOCKS.removeprefix("/")), None)


class Host:
    """A server that the rig starts and ends. clock: None, if it has that of the machine."""

    def __init__(
        self, settings: Settings, log: Path, database: TcpProxy, redis: TcpProxy, clock: HostClock | None
    ) -> None:
        self.database = database
        self.redis = redis
        self.clock = clock
        self.settings = settings
        self._log = log
        self._stack = AsyncExitStack()
        self._served: Served | None = None

    @property
    def served(self) -> Served:
        """The running server."""
        if self._served is None:
            raise AssertionError("the server does not run")
        return self._served

    def url(self) -> str | None:
        """Return where the server can be reached, past all proxies. None: it does not run."""
        return None if self._served is None else self._served.url

    async def start(self) -> None:
        """Start the server."""
        environment = {**_FAILPOINTS, **(self.clock.environment if self.clock is not None else {})}
        self._served = await self._stack.enter_async_context(
            serving(self.settings, workers=self.settings.workers, log=self._log, environment=environment)
        )

    async def stop(self) -> None:
        """Ask the server to stop, and wait until it has."""
        served, self._served = self._served, None
        await self._stack.aclose()
        if served is not None and served.process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"the server ended with status {served.process.returncode}")

    async def kill(self) -> None:
        """Kill all processes of the server."""
        served, self._served = self.served, None
        await served.kill()
        await self._stack.aclose()

    async def kill_supervisor(self) -> None:
        """Kill the supervisor alone, and wait until its workers have noticed and ended."""
        served, self._served = self.served, None
        workers = served.workers()
        served.process.kill()
        await served.process.wait()
        await until(lambda: all(gone(worker) for worker in workers))
        await self._stack.aclose()

    async def end_worker(self, worker: int) -> None:
        """Kill a worker, and wait until another one has its place."""
        os.kill(worker, signal.SIGKILL)
        await self.replaced(worker)

    async def replaced(self, worker: int) -> None:
        """Wait until a worker has ended and another one has its place."""
        await until(lambda: gone(worker) and len(self.served.workers()) == self.settings.workers)

    def any_worker(self, chance: random.Random) -> int:
        """Choose a worker."""
        return chance.choice(sorted(self.served.workers()))
