"""StartTransaction in the ledger: the same start gets the same answer, and a tag's limit holds under races.

Order of work on the starts of a batch: find what is known; judge the tags (limited ones under a lock); link
the remote start that asked for it; insert; join a stop that came first. Whoever loses the race on the unique
key reads the winner's row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import asyncpg
import orjson

from app.database.text import clean_text, json_text
from app.id_tags.batch_store import TagKey, find_id_tags
from app.id_tags.records import IdTagRecord
from app.id_tags.rules import fold_id_tag, id_tag_info
from app.transactions.records import TIME_UNREADABLE, TransactionStart, TransactionStarted
from app.transactions.store import statements as sql
from app.transactions.store.meter_values import Connection
from app.transactions.store.waiting_stops import join_waiting_stops
from app.types import Json

# With a hash of its text it stands in the key for a time that could not be read: the key of a retry must not
# depend on its arrival, and another session has another text.
_UNREADABLE_KEY = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE_KEY_BYTES = 6
# Clocks that were never set begin in 1970 or 2000; such times say nothing about order.
_PLAUSIBLE_FROM = datetime(2015, 1, 1, tzinfo=UTC)
# Older than this at its arrival, a start was queued offline: its tag is judged by the reported time.
_ONLINE_WITHIN = timedelta(minutes=5)
REPLAYED = "replayed"
"""Flag: the start came long after it happened, and its tag was judged by the reported time."""

_Key = tuple[int, int, int, str, datetime, int]


@dataclass(slots=True)
class _New:
    """A start that is not known yet, while its answer is put together."""

    start: TransactionStart
    key: _Key
    id_tag: str
    flags: tuple[str, ...]
    info: Json
    command_id: UUID | None = None


async def write_starts(
    connection: Connection, starts: Sequence[TransactionStart], remote_start_window: timedelta
) -> list[TransactionStarted]:
    """Record starts and return their answers in the same order, inside the caller's transaction."""
    keys = [_key(start) for start in starts]
    answers = await _find(connection, dict.fromkeys(keys))
    new = {key: start for key, start in zip(keys, starts, strict=True) if key not in answers}
    if new:
        inserted = await _insert(connection, await _judge(connection, new, remote_start_window))
        answers |= inserted
        lost = [key for key in new if key not in inserted]
        if lost:
            answers |= await _find(connection, lost)
    # The first of several equal starts in one batch made the row; the others are repetitions of it.
    seen: set[_Key] = set()
    ordered = []
    for key in keys:
        answer = answers[key]
        ordered.append(
            TransactionStarted(answer.transaction_id, answer.id_tag_info, True) if key in seen else answer
        )
        seen.add(key)
    return ordered


def _key(start: TransactionStart) -> _Key:
    return (
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        fold_id_tag(clean_text(start.id_tag)),
        _unreadable_key(start) if TIME_UNREADABLE in start.flags else start.started_at,
        start.meter_start_wh,
    )


def _unreadable_key(start: TransactionStart) -> datetime:
    text = orjson.dumps(start.raw.get("timestamp"))
    number = int.from_bytes(blake2b(text, digest_size=_UNREADABLE_KEY_BYTES).digest(), "big")
    return _UNREADABLE_KEY + timedelta(microseconds=number)


async def _find(connection: Connection, keys: Iterable[_Key]) -> dict[_Key, TransactionStarted]:
    wanted = list(keys)
    rows = await connection.fetch(sql.FIND_STARTS, *zip(*wanted, strict=True))
    return {
        wanted[row["number"] - 1]: TransactionStarted(row["id"], orjson.loads(row["id_tag_info"]), True)
        for row in rows
    }


async def _judge(
    connection: Connection, starts: Mapping[_Key, TransactionStart], window: timedelta
) -> list[_New]:
    tag_keys = sorted({(key[0], key[3]) for key in starts})
    tags = await find_id_tags(connection, tag_keys)
    running = await _running(connection, [key for key in tag_keys if _is_limited(tags.get(key))])
    judged = []
    for key, start in starts.items():
        tag_key = (key[0], key[3])
        judged_at, flags = _judged_at(start)
        others = [place for place in running.get(tag_key, ()) if not _is_ended_by(place, start)]
        info = id_tag_info(tags.get(tag_key), judged_at, len(others))
        if info["status"] == "Accepted" and tag_key in running:
            running[tag_key].append((start.charge_point_id, start.connector_id, start.started_at))
        judged.append(_New(start, key, clean_text(start.id_tag), flags, info))
    await _link_remote_starts(connection, judged, window)
    return judged


def _is_limited(tag: IdTagRecord | None) -> bool:
    return tag is not None and tag.max_active_transactions is not None


def _judged_at(start: TransactionStart) -> tuple[datetime, tuple[str, ...]]:
    """Return the time at which the tag counts: ours, but the reported one for what was queued offline."""
    reported = start.started_at
    if _PLAUSIBLE_FROM <= reported < start.received_at - _ONLINE_WITHIN:
        return reported, (*start.flags, REPLAYED)
    return start.received_at, start.flags


def _is_ended_by(place: tuple[int, int, datetime], start: TransactionStart) -> bool:
    """A connector carries one transaction: a later start on it shows that the one before is over."""
    return place[:2] == (start.charge_point_id, start.connector_id) and place[2] < start.started_at


async def _running(
    connection: Connection, limited: Sequence[TagKey]
) -> dict[TagKey, list[tuple[int, int, datetime]]]:
    """Return where the limited tags charge now; their rows stay locked until the commit."""
    running: dict[TagKey, list[tuple[int, int, datetime]]] = {key: [] for key in limited}
    if limited:
        columns = list(zip(*limited, strict=True))
        await connection.execute(sql.LOCK_ID_TAGS, *columns)
        # A statement of its own: its snapshot must be younger than the lock.
        for row in await connection.fetch(sql.FIND_RUNNING, *columns):
            place = (row["charge_point_id"], row["connector_id"], row["started_at"])
            running[row["tenant_id"], row["id_tag_key"]].append(place)
    return running


async def _link_remote_starts(connection: Connection, new: Sequence[_New], window: timedelta) -> None:
    """Give each start the newest open RemoteStartTransaction that asked for it; one command starts one."""
    charge_points = list({item.start.charge_point_id for item in new})
    oldest = min(item.start.received_at for item in new) - window
    rows = await connection.fetch(sql.FIND_REMOTE_STARTS, charge_points, oldest)
    free = sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)
    for item in new:
        found = next((row for row in free if _asked_for(row, item, window)), None)
        if found is not None:
            item.command_id = found["id"]
            free.remove(found)


def _asked_for(row: asyncpg.Record, item: _New, window: timedelta) -> bool:
    start, created_at = item.start, row["created_at"]
    if row["charge_point_id"] != start.charge_point_id or row["tenant_id"] != start.tenant_id:
        return False
    if row["id_tag"] is None or fold_id_tag(row["id_tag"]) != item.key[3]:
        return False
    if row["connector_id"] is not None and row["connector_id"] != str(start.connector_id):
        return False
    if REPLAYED in item.flags and start.started_at < created_at - _ONLINE_WITHIN:
        return False
    return bool(created_at >= start.received_at - window)


async def _insert(connection: Connection, new: Sequence[_New]) -> dict[_Key, TransactionStarted]:
    rows = await connection.fetch(sql.INSERT_STARTS, *zip(*(_row(item) for item in new), strict=True))
    by_key = {item.key: item for item in new}
    made = {}
    for row in rows:
        transaction_id, *key = row.values()
        made[transaction_id] = by_key[tuple(key)]
    await _set_effects(connection, made)
    await join_waiting_stops(connection, {number: item.start for number, item in made.items()})
    return {item.key: TransactionStarted(number, item.info, False) for number, item in made.items()}


def _row(item: _New) -> tuple[object, ...]:
    start = item.start
    return (
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        item.id_tag,
        item.key[3],
        start.started_at,
        item.key[4],
        start.received_at,
        start.meter_start_wh,
        start.reservation_id,
        json_text(item.info),
        ",".join(item.flags),
        item.command_id,
    )


async def _set_effects(connection: Connection, made: Mapping[int, _New]) -> None:
    effects = [
        (item.command_id, json_text({"observed": "transaction_started", "transactionId": number}))
        for number, item in made.items()
        if item.command_id is not None
    ]
    if effects:
        await connection.execute(sql.SET_EFFECTS, *zip(*effects, strict=True))
