"""Faults of PostgreSQL and Redis, and of their data."""

import signal
from random import Random

from tests.faults.engines import RunningEngine
from tests.faults.fleet import Fleet
from tests.faults.site import Site


async def database_restarted(site: Site, chance: Random) -> None:
    """Restart PostgreSQL: it ends all sessions."""
    await site.database.end(chance.choice((signal.SIGINT, signal.SIGQUIT)))


async def database_killed(site: Site, chance: Random) -> None:
    """Kill PostgreSQL: it has to recover."""
    await site.database.end(signal.SIGKILL)


async def database_frozen(site: Site, chance: Random) -> None:
    """Suspend PostgreSQL for a while."""
    await _frozen(site.database, site.fleet, chance)


async def redis_killed(site: Site, chance: Random) -> None:
    """Kill Redis."""
    await site.redis.end(signal.SIGKILL)


async def redis_flushed(site: Site, chance: Random) -> None:
    """Let Redis forget everything."""
    await site.redis.flush()


async def redis_frozen(site: Site, chance: Random) -> None:
    """Suspend Redis for a while."""
    await _frozen(site.redis, site.fleet, chance)


async def disk_full(site: Site, chance: Random) -> None:
    """Fill the disk of PostgreSQL, until charge points notice."""
    if site.disk is None:
        raise AssertionError("the disk cannot be filled")
    site.disk.fill()
    try:
        await site.fleet.gave_up(chance.randint(1, 5))
    finally:
        site.disk.free()


async def standby_promoted(site: Site, chance: Random) -> None:
    """Replicate synchronously for a while, then kill PostgreSQL and promote the standby."""
    standby = await site.database.replicate()
    await site.fleet.everyone_answered()
    await site.database.promote(standby)


async def next_schema(site: Site, chance: Random) -> None:
    """Migrate to a schema of a newer version, which only adds, and later to one that removes it again.

    The servers that run are then those of the older version.
    """
    tables = ("transactions", "meter_values", "charge_points", "orphan_records")
    patient = "set lock_timeout = '3s'"
    added = (f"alter table {table} add column of_the_next_version text default 'new'" for table in tables)
    await site.database.execute(patient, *added)
    try:
        await site.fleet.everyone_answered()
    finally:
        dropped = (f"alter table {table} drop column if exists of_the_next_version" for table in tables)
        await site.database.execute(patient, *dropped)


async def _frozen(engine: RunningEngine, fleet: Fleet, chance: Random) -> None:
    processes = engine.freeze()
    try:
        await fleet.hold(chance)
    finally:
        engine.thaw(processes)
