"""Reads and writes what connections change at charge points: login, epoch, boot, last-seen time.

After an outage thousands of charge points connect at the same time. So requests are collected, and each batch
is one statement on arrays and one transaction. A row that another transaction has locked is skipped
(`skip locked`), and then written by a statement of its own: the rest of the batch does not wait for it.

Two rare steps of a login are not here, because each needs a unit of work: `promote_pending` of
`charge_points.store`, and the look at earlier transactions (`gateway.admission`).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Self, cast

import asyncpg

from app.batcher import Batcher
from app.charge_points.records import (
    BOOT_TEXTS,
    BY_CERTIFICATE,
    BootFacts,
    LastSeen,
    Login,
    LoginLookup,
    LoginProof,
    Registration,
)
from app.clock import utc_text
from app.database.connecting import StationConnection, connect, keep_settings
from app.database.failures import Failure, failure_of, translated_errors
from app.database.text import clean_optional
from app.events.payloads import ChargePointBootedEvent, ConnectionClosedEvent, ConnectionOpenedEvent
from app.events.writer import event_insert
from app.logs import get_logger

_BATCH = 500
"""The most charge points of one statement, which takes PostgreSQL some milliseconds."""

_BATCHES = 4
"""The most batches that run at the same time: one of each kind."""

_SINGLE_ROWS = 4
"""The most locked rows that are waited for at the same time."""

_CLOSED_EPOCHS = 4
"""Connections of a charge point whose end is known to be told: more than end while a statement repeats."""

_TIMEOUT_S = 10.0
_SETTINGS = {
    "jit": "off",
    # Each statement names the keys of its rows. The planner would read a small table whole.
    "enable_seqscan": "off",
    "synchronous_commit": "on",
}
_CLOSE_S = 5.0

_TRIES_AGAIN: Final = {
    # A deadlock with another transaction ends one of the two, and the other goes on.
    Failure.CONFLICT: 5,
    # The pool may hand out a connection that the server has just ended.
    Failure.UNAVAILABLE: 1,
    Failure.DATA: 0,
}
_CONFLICT_PAUSE_S = 0.05
_LOG = get_logger(__name__)

_FIND = """
    select asked.place, tenant.id, tenant.slug, tenant.strict_protocol, point.id, point.identity,
        point.registration_status, point.credential_hash, point.pending_credential_hash, point.pending_until,
        point.no_credential, point.heartbeat_interval_s, point.vendor, point.model, point.firmware_version,
        tenant.minimum_security_profile, point.minimum_security_profile,
        tenant.suspension_reason
    from unnest($1::text[], $2::text[]) with ordinality as asked (slug, identity, place)
    join tenants as tenant on tenant.slug = asked.slug
    -- One look for any case, so that it takes the same time for a right identity and for an unknown one.
    left join lateral (
        select * from charge_points where tenant_id = tenant.id and lower(identity) = lower(asked.identity)
        order by identity = asked.identity desc limit 1
    ) as point on true
"""

_NOTED = """
    select asked.tenant_id, asked.id as charge_point_id, now() as occurred_at, {data} as data
    from updated as point join asked on asked.id = point.id
"""
# A statement runs again if its answer was lost: what it has told already has no second event.
_NOTED_ONCE = _NOTED + "where not point.was_told"

_WAS_TOLD = "(asked.closed_epoch is null or asked.closed_epoch = any(held.closed_epochs))"

_Row = tuple[Any, ...]


class LoginBatcher:
    """The statements of one worker about the connections of charge points, in batches.

    Each method returns after its commit.

    Raises:
        StoreUnavailable: the database is away or too slow. The change may or may not be done.
    """

    def __init__(
        self, pool: "asyncpg.Pool[Any]", events_committed: Callable[[], None] = lambda: None
    ) -> None:
        self._pool = pool
        self._events_committed = events_committed
        self._logins: Batcher[tuple[str, str], LoginLookup] = Batcher(self._find, _BATCH)
        single_rows = asyncio.Semaphore(_SINGLE_ROWS)
        self._epochs = _Update(
            pool,
            single_rows,
            {"at": "timestamptz", "profile": "smallint", "event": "text", "proof": "bytea", "by": "text"},
            "epoch = point.epoch + 1, connected_at = asked.at, last_seen_at = asked.at, "
            "security_profile = asked.profile, "
            # The whitepaper's A05.FR.09: not lower again. In one statement, so that no crash is in between.
            "minimum_security_profile = greatest(point.minimum_security_profile, asked.profile)",
            "point.epoch",
            event_insert(
                ConnectionOpenedEvent,
                _NOTED.format(
                    data="json_build_object('epoch', point.epoch, 'security_profile', asked.profile, "
                    "'connected_at', asked.event)"
                ),
            ),
            # The credential may have been replaced since it was judged.
            "case asked.by when 'secret' then asked.proof in (credential_hash, pending_credential_hash) "
            "when 'nothing' then no_credential else true end",
        )
        self._boots = _Update(
            pool,
            single_rows,
            {"at": "timestamptz", **dict.fromkeys(BOOT_TEXTS, "text"), "event": "text"},
            "booted_at = asked.at, last_seen_at = asked.at, updated_at = now(), "
            + ", ".join(f"{name} = asked.{name}" for name in BOOT_TEXTS),
            "point.registration_status, point.heartbeat_interval_s, "
            "held.booted_at is not distinct from asked.at as was_told",
            event_insert(ChargePointBootedEvent, _NOTED_ONCE.format(data="asked.event::json")),
        )
        self._last_seen = _Update(
            pool,
            single_rows,
            {
                "at": "timestamptz",
                "skew_s": "double precision",
                "closed_epoch": "bigint",
                "event": "text",
            },
            "last_seen_at = greatest(point.last_seen_at, asked.at), "
            "clock_skew_s = coalesce(asked.skew_s, point.clock_skew_s), "
            f"closed_epochs = case when {_WAS_TOLD} then held.closed_epochs "
            f"else (asked.closed_epoch || held.closed_epochs)[1:{_CLOSED_EPOCHS}] "
            "end",
            f"point.last_seen_at, {_WAS_TOLD} as was_told",
            event_insert(ConnectionClosedEvent, _NOTED_ONCE.format(data="asked.event::json")),
        )

    @classmethod
    async def open(
        cls,
        url: str,
        events_committed: Callable[[], None] = lambda: None,
        connections: int = _BATCHES + _SINGLE_ROWS,
    ) -> Self:
        """Return a batcher that connects when it needs a connection.

        events_committed: called after each commit that may have written events; connections: at most.
        """

        async def connect_one(*_: object, **__: object) -> StationConnection:
            return await connect(
                url, "connections", _SETTINGS, timeout_s=_TIMEOUT_S, command_timeout_s=_TIMEOUT_S
            )

        pool = asyncpg.create_pool(
            connect=connect_one,
            min_size=0,
            max_size=connections,
            # No statement here leaves a setting or a lock behind, so there is nothing to reset.
            reset=_reset_nothing,
        )
        return cls(await pool, events_committed)

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

    async def next_epoch(
        self,
        tenant_id: int,
        charge_point_id: int,
        at: datetime,
        security_profile: int = 0,
        proof: LoginProof = BY_CERTIFICATE,
    ) -> int | None:
        """Return the epoch of a new session, higher than all before.

        None: the charge point was deleted, or its credential was replaced after the login was judged. The
        number does not depend on what Redis remembers. The minimum profile of the charge point rises to
        `security_profile`.

        Args:
            proof: what the login was judged by.
        """
        row = (
            charge_point_id,
            tenant_id,
            at,
            security_profile,
            utc_text(at),
            proof.credential_hash,
            proof.by,
        )
        found = await self._epochs.write(row)
        self._events_committed()
        return None if found is None else found[1]

    async def record_boot(
        self, tenant_id: int, charge_point_id: int, facts: BootFacts
    ) -> Registration | None:
        """Store the facts of a BootNotification (OCPP 1.6 4.2). None: the charge point was deleted."""
        texts = {name: clean_optional(getattr(facts, name)) for name in BOOT_TEXTS}
        event = ChargePointBootedEvent(**texts, booted_at=facts.at).text()
        found = await self._boots.write((charge_point_id, tenant_id, facts.at, *texts.values(), event))
        self._events_committed()
        return None if found is None else Registration(found[1], found[2])

    async def record_last_seen(self, times: Sequence[LastSeen]) -> None:
        """Store when charge points were last seen, and which connections have ended."""
        rows = [
            (
                seen.charge_point_id,
                seen.tenant_id,
                seen.at,
                seen.clock_skew_s,
                None if seen.closed is None else seen.closed.epoch,
                _closed_event(seen),
            )
            for seen in times
        ]
        await self._last_seen.write_all(rows)
        if any(seen.closed is not None for seen in times):
            self._events_committed()

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


def _closed_event(seen: LastSeen) -> str | None:
    if seen.closed is None:
        return None
    return ConnectionClosedEvent(
        epoch=seen.closed.epoch,
        connected_at=seen.closed.connected_at,
        last_seen_at=seen.at,
        code=seen.closed.code,
    ).text()


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
        returning: str,
        event: str,
        condition: str = "true",
    ) -> None:
        """Build the two statements.

        Args:
            columns: name and SQL type of each value after the ids.
            assignments: SQL that sets columns of `point` to values of `asked`.
            returning: SQL of the columns that an answer has after the id.
            event: SQL that writes events of `updated` and `asked`.
            condition: SQL that a locked row of `charge_points` must fulfil.
        `held` is the row before the change.
        """
        self._pool = pool
        self._single_rows = single_rows
        types = ["bigint", "bigint", *columns.values()]
        arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(types, 1))
        # This text is made of our own constants only.
        self._waiting_sql = f"""
            with asked as (
                select * from unnest({arrays}) as asked (id, tenant_id, {", ".join(columns)})
            ), updated as (
                update charge_points as point set {assignments}
                from asked, lateral (
                    select tenant_id, id, booted_at, closed_epochs from charge_points
                    where tenant_id = asked.tenant_id and id = asked.id and {condition}
                    for no key update
                ) as held
                where point.tenant_id = held.tenant_id and point.id = held.id
                returning point.id, {returning}
            ), noted as ({event})
            select * from updated
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
    """Run a query whose arguments are the columns of the rows, as arrays. Each query here may run twice."""
    async with translated_errors():
        failures: Counter[Failure] = Counter()
        while True:
            try:
                return await _fetch_once(pool, query, rows)
            except Exception as error:
                failure = failure_of(error)
                failures[failure] += 1
                if isinstance(error, TimeoutError) or failures[failure] > _TRIES_AGAIN[failure]:
                    raise
                if failure is Failure.CONFLICT:
                    _LOG.info("login_batch_conflict", rows=len(rows), error=str(error))
                    await asyncio.sleep(random.uniform(0.0, _CONFLICT_PAUSE_S))  # noqa: S311 - jitter, not a secret


async def _fetch_once(pool: "asyncpg.Pool[Any]", query: str, rows: Sequence[_Row]) -> list[asyncpg.Record]:
    async with pool.acquire() as connection:
        async with keep_settings(cast(StationConnection, connection)):
            found: list[asyncpg.Record] = await connection.fetch(query, *zip(*rows, strict=True))
        return found


async def _reset_nothing(connection: object) -> None:
    pass
