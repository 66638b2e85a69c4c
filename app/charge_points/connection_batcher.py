"""Comings and goings of charge points: login, number of the session, boot, last sign of life.

After an outage thousands come at once. So what comes together is one statement on arrays, a transaction by
itself, and no unit of work for each. A row that somebody else holds locked is passed over (`skip locked`) and
written on its own: one row must not keep everybody waiting.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self

import asyncpg

from app.batcher import Batcher
from app.charge_points.records import BOOT_TEXTS, BootFacts, Login, Registration, SignOfLife
from app.database.failures import Failure, failure_of, translated_errors
from app.database.text import clean_optional

_BATCH = 500
"""Charge points of one statement: some milliseconds of PostgreSQL."""

_KINDS = 4
"""Statements that may be under way at the same time: one of each kind."""

_ALONE = 4
"""Rows that may be waited for at the same time, because somebody holds them."""

_TIMEOUT_S = 10.0
_CLOSE_S = 5.0

_FIND = """
    select asked.place, tenant.id, tenant.slug, tenant.strict_protocol, point.id, point.identity,
        point.registration_status, point.credential_hash, point.pending_credential_hash, point.pending_until,
        point.no_credential, point.heartbeat_interval_s
    from unnest($1::text[], $2::text[]) with ordinality as asked (slug, identity, place)
    join tenants as tenant on tenant.slug = asked.slug
    -- A subquery, so that the planner uses the whole key: it might go through all of a tenant instead.
    cross join lateral (
        select * from charge_points where tenant_id = tenant.id and identity = asked.identity limit 1
    ) as point
"""

_Row = tuple[Any, ...]


class ConnectionBatcher:
    """The record of one worker's comings and goings. Each method returns after its commit.

    Raises:
        StoreUnavailable: the database is away or too slow; what was asked for may be done or not.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._logins: Batcher[tuple[str, str], Login | None] = Batcher(self._find, _BATCH)
        alone = asyncio.Semaphore(_ALONE)
        self._epochs = _Update(
            pool,
            alone,
            {"at": "timestamptz"},
            "epoch = point.epoch + 1, connected_at = asked.at, last_seen_at = asked.at",
            "point.epoch",
        )
        self._boots = _Update(
            pool,
            alone,
            {"at": "timestamptz", **dict.fromkeys(BOOT_TEXTS, "text")},
            "booted_at = asked.at, last_seen_at = asked.at, updated_at = now(), "
            + ", ".join(f"{name} = asked.{name}" for name in BOOT_TEXTS),
            "point.registration_status, point.heartbeat_interval_s",
        )
        self._signs = _Update(
            pool,
            alone,
            {"at": "timestamptz", "skew_s": "double precision"},
            "last_seen_at = greatest(point.last_seen_at, asked.at), "
            "clock_skew_s = coalesce(asked.skew_s, point.clock_skew_s)",
        )

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return one that connects as it is needed."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=_KINDS + _ALONE,
            # Nothing here leaves a setting or a lock behind that would have to be reset.
            reset=_leave_as_it_is,
            timeout=_TIMEOUT_S,
            command_timeout=_TIMEOUT_S,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": "stationmaster connections",
                "jit": "off",
                # Each statement has the keys of its rows. A small table the planner would rather read whole.
                "enable_seqscan": "off",
                "synchronous_commit": "on",
            },
        )
        return cls(await pool)

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        for gathering in (self._logins, self._epochs.gathering, self._boots.gathering, self._signs.gathering):
            await gathering.drain()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def find(self, tenant_slug: str, identity: str) -> Login | None:
        """Return what is known of a charge point that wants in; None: no such tenant or charge point."""
        return await self._logins.add((tenant_slug, identity))

    async def next_epoch(self, tenant_id: int, charge_point_id: int, at: datetime) -> int | None:
        """Number a new session: higher than each before, whatever Redis remembers. None: it was deleted."""
        found = await self._epochs.write((charge_point_id, tenant_id, at))
        return None if found is None else found[1]

    async def record_boot(
        self, tenant_id: int, charge_point_id: int, facts: BootFacts
    ) -> Registration | None:
        """Keep what a BootNotification said (OCPP 1.6 4.2). None: the charge point was deleted meanwhile."""
        texts = [clean_optional(getattr(facts, name)) for name in BOOT_TEXTS]
        found = await self._boots.write((charge_point_id, tenant_id, facts.at, *texts))
        return None if found is None else Registration(found[1], found[2])

    async def heard(self, signs: Sequence[SignOfLife]) -> None:
        """Note when charge points were last heard."""
        await self._signs.write_all([(s.charge_point_id, s.tenant_id, s.at, s.clock_skew_s) for s in signs])

    async def _find(self, asked: list[tuple[str, str]]) -> list[Login | None]:
        found: list[Login | None] = [None] * len(asked)
        for place, *columns in await _fetch(self._pool, _FIND, asked):
            found[place - 1] = Login(*columns)
        return found


class _Update:
    """One kind of change to charge points: of many in one statement, or of one that somebody holds locked.

    Rows begin with the ids of charge point and tenant; answers begin with the id of the charge point.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        alone: asyncio.Semaphore,
        columns: dict[str, str],
        assignments: str,
        returning: str = "point.id",
    ) -> None:
        """columns: name and type of what follows the ids; assignments: SQL on `point` and `asked`."""
        self._pool = pool
        self._alone = alone
        types = ["bigint", "bigint", *columns.values()]
        arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(types, 1))
        # Only our own constants stand in it.
        self._waiting = f"""
            update charge_points as point set {assignments}
            from unnest({arrays}) as asked (id, tenant_id, {", ".join(columns)}),
                lateral (
                    select id from charge_points where id = asked.id and tenant_id = asked.tenant_id
                    for no key update
                ) as held
            where point.id = held.id returning point.id, {returning}
        """  # noqa: S608
        self._skipping = self._waiting.replace("for no key update", "for no key update skip locked")
        self.gathering: Batcher[_Row, asyncpg.Record | None] = Batcher(self._write, _BATCH)

    async def write(self, row: _Row) -> asyncpg.Record | None:
        """Write one row, together with those of others; None: there is no such charge point."""
        found = await self.gathering.add(row)
        if found is None:
            # There is no such row, or another transaction holds it locked.
            found = await self._write_alone(row)
        return found

    async def write_all(self, rows: list[_Row]) -> None:
        """Write many rows; there may be no such charge point."""
        found = await asyncio.gather(*map(self.gathering.add, rows))
        await asyncio.gather(
            *(self._write_alone(row) for row, one in zip(rows, found, strict=True) if one is None)
        )

    async def _write(self, rows: list[_Row]) -> list[asyncpg.Record | None]:
        found: list[asyncpg.Record | None] = [None] * len(rows)
        left = list(enumerate(rows))
        while left:
            # An update changes a row once, whatever it is joined to: who comes twice has a second turn.
            turn: dict[int, int] = {}
            again = []
            for place, row in left:
                if turn.setdefault(row[0], place) != place:
                    again.append((place, row))
            for record in await _fetch(self._pool, self._skipping, [rows[place] for place in turn.values()]):
                found[turn[record[0]]] = record
            left = again
        return found

    async def _write_alone(self, row: _Row) -> asyncpg.Record | None:
        async with self._alone:
            return next(iter(await _fetch(self._pool, self._waiting, [row])), None)


async def _fetch(pool: "asyncpg.Pool[Any]", query: str, rows: Sequence[_Row]) -> Iterable[asyncpg.Record]:
    """Run a query whose arguments are the columns of the rows, as arrays."""
    async with translated_errors():
        try:
            return await _ask(pool, query, rows)
        except Exception as error:
            if isinstance(error, TimeoutError) or failure_of(error) is not Failure.UNAVAILABLE:
                raise
        # The pool may give a connection that the server has just ended. All of this may be done twice.
        return await _ask(pool, query, rows)


async def _ask(pool: "asyncpg.Pool[Any]", query: str, rows: Sequence[_Row]) -> list[asyncpg.Record]:
    async with pool.acquire() as connection:
        found: list[asyncpg.Record] = await connection.fetch(query, *zip(*rows, strict=True))
        return found


async def _leave_as_it_is(connection: object) -> None:
    pass
