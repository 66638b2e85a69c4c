"""Reads and writes what connections change at charge points: login, epoch, boot, last-seen time.

After an outage thousands of charge points connect at the same time. So requests are collected, and each batch
is one statement on arrays and one transaction. A row that another transaction has locked is skipped
(`skip locked`), and then written by a statement of its own: the rest of the batch does not wait for it.

Two rare steps of a login are not here, because each needs a unit of work: `promote_pending` of
`charge_points.store`, and the look at earlier transactions (`gateway.admission`).
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self

import asyncpg

from app.batcher import Batcher
from app.charge_points.records import BOOT_TEXTS, BootFacts, LastSeen, Login, LoginLookup, Registration
from app.database.failures import Failure, failure_of, translated_errors
from app.database.text import clean_optional

_BATCH = 500
"""The most charge points of one statement, which takes PostgreSQL some milliseconds."""

_BATCHES = 4
"""The most batches that run at the same time: one of each kind."""

_SINGLE_ROWS = 4
"""The most locked rows that are waited for at the same time."""

_TIMEOUT_S = 10.0
_CLOSE_S = 5.0

_FIND = """
    select asked.place, tenant.id, tenant.slug, tenant.strict_protocol, point.id, point.identity,
        point.registration_status, point.credential_hash, point.pending_credential_hash, point.pending_until,
        point.no_credential, point.heartbeat_interval_s, point.vendor, point.model, point.firmware_version
    from unnest($1::text[], $2::text[]) with ordinality as asked (slug, identity, place)
    join tenants as tenant on tenant.slug = asked.slug
    -- One look for any case, so that it takes the same time for a right identity and for an unknown one.
    left join lateral (
        select * from charge_points where tenant_id = tenant.id and lower(identity) = lower(asked.identity)
        order by identity = asked.identity desc limit 1
    ) as point on true
"""

_Row = tuple[Any, ...]


class LoginBatcher:
    """The statements of one worker about the connections of charge points, in batches.

    Each method returns after its commit.

    Raises:
        StoreUnavailable: the database is away or too slow. The change may or may not be done.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._logins: Batcher[tuple[str, str], LoginLookup] = Batcher(self._find, _BATCH)
        single_rows = asyncio.Semaphore(_SINGLE_ROWS)
        self._epochs = _Update(
            pool,
            single_rows,
            {"at": "timestamptz"},
            "epoch = point.epoch + 1, connected_at = asked.at, last_seen_at = asked.at",
            "point.epoch",
        )
        self._boots = _Update(
            pool,
            single_rows,
            {"at": "timestamptz", **dict.fromkeys(BOOT_TEXTS, "text")},
            "booted_at = asked.at, last_seen_at = asked.at, updated_at = now(), "
            + ", ".join(f"{name} = asked.{name}" for name in BOOT_TEXTS),
            "point.registration_status, point.heartbeat_interval_s",
        )
        self._last_seen = _Update(
            pool,
            single_rows,
            {"at": "timestamptz", "skew_s": "double precision"},
            "last_seen_at = greatest(point.last_seen_at, asked.at), "
            "clock_skew_s = coalesce(asked.skew_s, point.clock_skew_s)",
        )

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return a batcher that connects when it needs a connection."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=_BATCHES + _SINGLE_ROWS,
            # No statement here leaves a setting or a lock behind, so there is nothing to reset.
            reset=_reset_nothing,
            timeout=_TIMEOUT_S,
            command_timeout=_TIMEOUT_S,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": "stationmaster connections",
                "jit": "off",
                # Each statement names the keys of its rows. The planner would read a small table whole.
                "enable_seqscan": "off",
                "synchronous_commit": "on",
            },
        )
        return cls(await pool)

    async def close(self) -> None:
        """Run all requests that wait, then disconnect."""
        for batcher in (self._logins, self._epochs.batcher, self._boots.batcher, self._last_seen.batcher):
            await batcher.drain()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def find(self, tenant_slug: str, identity: str) -> LoginLookup:
        """Return what a login needs to know."""
        return await self._logins.add((tenant_slug, identity))

    async def next_epoch(self, tenant_id: int, charge_point_id: int, at: datetime) -> int | None:
        """Return the epoch of a new session, higher than all before; None: the charge point was deleted.

        The number does not depend on what Redis remembers.
        """
        found = await self._epochs.write((charge_point_id, tenant_id, at))
        return None if found is None else found[1]

    async def record_boot(
        self, tenant_id: int, charge_point_id: int, facts: BootFacts
    ) -> Registration | None:
        """Store the facts of a BootNotification (OCPP 1.6 4.2). None: the charge point was deleted."""
        texts = [clean_optional(getattr(facts, name)) for name in BOOT_TEXTS]
        found = await self._boots.write((charge_point_id, tenant_id, facts.at, *texts))
        return None if found is None else Registration(found[1], found[2])

    async def record_last_seen(self, times: Sequence[LastSeen]) -> None:
        """Store when charge points were last seen."""
        rows = [(seen.charge_point_id, seen.tenant_id, seen.at, seen.clock_skew_s) for seen in times]
        await self._last_seen.write_all(rows)

    async def _find(self, asked: list[tuple[str, str]]) -> list[LoginLookup]:
        found = [LoginLookup()] * len(asked)
        for place, *columns in await _fetch(self._pool, _FIND, asked):
            identity = asked[place - 1][1]
            login = Login(*columns)
            if login.identity == identity:
                found[place - 1] = LoginLookup(True, login)
            else:
                found[place - 1] = LoginLookup(True, None, login.identity)
        return found


class _Update:
    """One kind of change to charge points: many rows in one statement, or one row that is locked.

    A row begins with the ids of charge point and tenant. An answer begins with the id of the charge point.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        single_rows: asyncio.Semaphore,
        columns: dict[str, str],
        assignments: str,
        returning: str = "point.id",
    ) -> None:
        """Build the two statements.

        Args:
            columns: name and SQL type of each value after the ids.
            assignments: SQL that sets columns of `point` to values of `asked`.
            returning: SQL of the columns that an answer has after the id.
        """
        self._pool = pool
        self._single_rows = single_rows
        types = ["bigint", "bigint", *columns.values()]
        arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(types, 1))
        # This text is made of our own constants only.
        self._waiting_sql = f"""
            update charge_points as point set {assignments}
            from unnest({arrays}) as asked (id, tenant_id, {", ".join(columns)}),
                lateral (
                    select tenant_id, id from charge_points
                    where tenant_id = asked.tenant_id and id = asked.id
                    for no key update
                ) as held
            where point.tenant_id = held.tenant_id and point.id = held.id returning point.id, {returning}
        """  # noqa: S608
        self._skipping_sql = self._waiting_sql.replace("for no key update", "for no key update skip locked")
        self.batcher: Batcher[_Row, asyncpg.Record | None] = Batcher(self._write, _BATCH)

    async def write(self, row: _Row) -> asyncpg.Record | None:
        """Write one row in a batch with others; None: the charge point does not exist."""
        found = await self.batcher.add(row)
        if found is None:
            # The row does not exist, or another transaction has locked it.
            found = await self._write_single(row)
        return found

    async def write_all(self, rows: list[_Row]) -> None:
        """Write many rows. A row whose charge point does not exist is skipped."""
        found = await asyncio.gather(*map(self.batcher.add, rows))
        await asyncio.gather(
            *(self._write_single(row) for row, one in zip(rows, found, strict=True) if one is None)
        )

    async def _write(self, rows: list[_Row]) -> list[asyncpg.Record | None]:
        found: list[asyncpg.Record | None] = [None] * len(rows)
        left = list(enumerate(rows))
        while left:
            # An UPDATE changes each row once, so duplicates go into a second statement.
            place_of: dict[int, int] = {}
            duplicates = []
            for place, row in left:
                if place_of.setdefault(row[0], place) != place:
                    duplicates.append((place, row))
            for record in await _fetch(
                self._pool, self._skipping_sql, [rows[place] for place in place_of.values()]
            ):
                found[place_of[record[0]]] = record
            left = duplicates
        return found

    async def _write_single(self, row: _Row) -> asyncpg.Record | None:
        async with self._single_rows:
            return next(iter(await _fetch(self._pool, self._waiting_sql, [row])), None)


async def _fetch(pool: "asyncpg.Pool[Any]", query: str, rows: Sequence[_Row]) -> Iterable[asyncpg.Record]:
    """Run a query whose arguments are the columns of the rows, as arrays."""
    async with translated_errors():
        try:
            return await _fetch_once(pool, query, rows)
        except Exception as error:
            if isinstance(error, TimeoutError) or failure_of(error) is not Failure.UNAVAILABLE:
                raise
        # The pool may hand out a connection that the server has just ended. Each query here may run twice.
        return await _fetch_once(pool, query, rows)


async def _fetch_once(pool: "asyncpg.Pool[Any]", query: str, rows: Sequence[_Row]) -> list[asyncpg.Record]:
    async with pool.acquire() as connection:
        found: list[asyncpg.Record] = await connection.fetch(query, *zip(*rows, strict=True))
        return found


async def _reset_nothing(connection: object) -> None:
    pass
