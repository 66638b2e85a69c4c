"""Reads what the database says about itself, and writes the clock of this host."""

from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.database.partitions import newest_ends
from app.database.prepared import Connection
from app.health.records import DatabaseFacts

PEPPER_MARK: Final = "pepper_mark"
_SEEN_LATELY: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=1)

_STATE: Final = """
    select clock_timestamp() as now, pg_is_in_recovery() as is_standby,
        current_setting('transaction_read_only') = 'on' as is_read_only,
        (select version_num from alembic_version) as revision,
        (select value from server_facts where name = $1) as pepper_mark
"""

_NOTE: Final = """
    with noted as (
        insert into server_clocks (host, difference_s, noted_at) values ($1, $2, now())
        on conflict (host) do update set difference_s = excluded.difference_s, noted_at = excluded.noted_at
    )
    delete from server_clocks where noted_at < now() - $3::interval
"""

_OTHERS: Final = """
    select host, difference_s from server_clocks where host <> $1 and noted_at > now() - $2::interval
"""

_CLAIM: Final = "insert into server_facts (name, value) values ($1, $2) on conflict (name) do nothing"
_MARK: Final = "select value from server_facts where name = $1"


async def read_facts(connection: Connection, host: str, clock: Clock, ids_used: float) -> DatabaseFacts:
    """Read the facts about the database. If it can be written, write the clock of this host, which proves it.

    Args:
        connection: outside of a transaction.
        host: the name of this host, which other hosts see.
        clock: of this host.
        ids_used: see `DatabaseFacts`.
    """
    before = clock.now()
    state = await connection.fetchrow(_STATE, PEPPER_MARK)
    if state is None:
        raise AssertionError("a query without a table has one row")
    # The database has looked at its clock somewhere in between.
    middle = before + (clock.now() - before) / 2
    difference_s = (middle - state["now"]).total_seconds()
    others: dict[str, float] = {}
    if not (state["is_standby"] or state["is_read_only"]):
        await connection.execute(_NOTE, host, difference_s, _KEPT)
        others = {row[0]: row[1] for row in await connection.fetch(_OTHERS, host, _SEEN_LATELY)}
    return DatabaseFacts(
        is_standby=state["is_standby"],
        is_read_only=state["is_read_only"],
        revision=state["revision"],
        pepper_mark=state["pepper_mark"],
        ids_used=ids_used,
        clock_difference_s=difference_s,
        other_differences_s=others,
        partition_ends=await newest_ends(connection),
    )


async def claim_pepper_mark(connection: Connection, mark: str) -> str:
    """Leave the mark of a pepper if the database has none yet, and return the one that it has."""
    await connection.execute(_CLAIM, PEPPER_MARK, mark)
    found: str = await connection.fetchval(_MARK, PEPPER_MARK)
    return found
