"""Faults of the processes of servers, and of the clock of a machine."""

import asyncio
import contextlib
import os
import signal
from random import Random

from tests.faults.site import Site

_HOUR_S = 3600


async def worker_killed(site: Site, chance: Random) -> None:
    """Kill a worker."""
    host = chance.choice(site.hosts)
    await host.end_worker(host.any_worker(chance))


async def worker_killed_after_commit(site: Site, chance: Random) -> None:
    """Kill a worker between a commit and its answers: the charge points send what is stored again."""
    host = chance.choice(site.hosts)
    worker = host.any_worker(chance)
    os.kill(worker, signal.SIGUSR1)
    # The charge points spread over all workers again, so that this one has some of them.
    site.door.cut()
    await host.replaced(worker)


async def worker_stalled(site: Site, chance: Random) -> None:
    """Suspend a worker for a while. Its supervisor may lose patience meanwhile."""
    worker = chance.choice(site.hosts).any_worker(chance)
    os.kill(worker, signal.SIGSTOP)
    try:
        await site.fleet.hold(chance)
    finally:
        _let_go_on(worker)


async def worker_hung(site: Site, chance: Random) -> None:
    """Suspend a worker for good: its supervisor kills it."""
    host = chance.choice(site.hosts)
    worker = host.any_worker(chance)
    os.kill(worker, signal.SIGSTOP)
    await host.replaced(worker)


async def supervisor_killed(site: Site, chance: Random) -> None:
    """Kill the supervisor of a server. Its workers end by themselves."""
    host = chance.choice(site.hosts)
    await host.kill_supervisor()
    await host.start()


async def server_killed(site: Site, chance: Random) -> None:
    """Kill all processes of a server, as a machine that fails does."""
    host = chance.choice(site.hosts)
    await host.kill()
    await site.fleet.hold(chance)
    await host.start()


async def all_killed(site: Site, chance: Random) -> None:
    """Kill everything: both servers and the engines."""
    await asyncio.gather(*(host.kill() for host in site.hosts))
    await asyncio.gather(site.database.end(signal.SIGKILL), site.redis.end(signal.SIGKILL))
    await asyncio.gather(*(host.start() for host in site.hosts))


async def deployed(site: Site, chance: Random) -> None:
    """Stop each server in order and start it again, one after the other."""
    for host in chance.sample(site.hosts, len(site.hosts)):
        await host.stop()
        await host.start()


async def clock_stepped(site: Site, chance: Random) -> None:
    """Set the clock of a machine to another time, and back."""
    [clock] = [host.clock for host in site.hosts if host.clock is not None]
    clock.step(chance.choice((-26, -1, 1, 26)) * _HOUR_S)
    try:
        await site.fleet.hold(chance)
    finally:
        clock.step(0)


def _let_go_on(worker: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGCONT)
