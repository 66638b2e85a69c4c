"""The steps of a batch that concern starts: find repetitions, find what runs on a tag, insert."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from app.database.prepared import Connection
from app.database.text import clean_text, json_text
from app.events.payloads import TransactionStartedEvent
from app.events.writer import event_insert
from app.id_tags.records import IdTagKey, IdTagRecord, UnknownTagPolicy
from app.id_tags.store import (
    JOIN_JUDGED,
    JOIN_OWN_POLICY,
    JUDGED_COLUMNS,
    UNKNOWN_TAG_POLICY,
    tag_of,
)
from app.transactions.records import JudgedStart, RunningTransaction, StartKey, StoredStart
from app.transactions.store.events import started_text
from app.types import ChargePointKey

# The f-strings join constants of our own; every value is a parameter.
# ruff: noqa: S608

# The order is that of the unique index, so that no other one is taken. The commands are asked in the same
# statement: before most starts no remote start waits for its effect.
_FIND: Final = f"""
    select asked.number, exists (
            select from commands
            where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
                and action = 'RemoteStartTransaction' and coalesce(sent_at, created_at) >= $7
                and (effect is null or effect ->> 'observed' = 'no_effect')
        ) as is_remote, known.*, {UNKNOWN_TAG_POLICY} as unknown_id_tags, {JUDGED_COLUMNS}
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::bigint[])
        with ordinality
        as asked (tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, number)
    left join lateral (
        select id, id_tag_info, start_number, start_message_id, stopped_received_at is not null as is_stopped,
            coalesce(stop_raw ->> 'transactionId' = id::text, false) or exists (
                select from orphan_records as other
                where other.tenant_id = asked.tenant_id and other.transaction_id = transactions.id
                    and other.kind = 'stop_conflict'
                    and other.payload ->> 'transactionId' = transactions.id::text
                offset 0
            ) as is_named, started_epoch
        from transactions
        where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
            and connector_id = asked.connector_id and id_tag_key = asked.id_tag_key
            and started_key = asked.started_key and meter_start_wh is not distinct from asked.meter_start_wh
        order by meter_start_wh desc, start_number desc limit 1
    ) as known on true
    {JOIN_JUDGED}
    {JOIN_OWN_POLICY}
"""

_FIND_RUNNING: Final = """
    select tenant_id, id_tag_key, charge_point_id, connector_id
    from transactions
    where stopped_received_at is null and presumed_ended_at is null and id_tag_info ->> 'status' = 'Accepted'
        and (tenant_id, id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
"""

_FIND_RUNNING_IN_GROUPS: Final = """
    select tenant_id, lower(id_tag_info ->> 'parentIdTag'), charge_point_id, connector_id
    from transactions
    where stopped_received_at is null and presumed_ended_at is null and id_tag_info ->> 'status' = 'Accepted'
        and id_tag_info ->> 'parentIdTag' is not null
        and (tenant_id, lower(id_tag_info ->> 'parentIdTag'))
            in (select * from unnest($1::bigint[], $2::text[]))
"""

# What the charge point of a start may have had before it, for a row `{start}`. With `offset 0` it is looked
# up for each row: without statistics PostgreSQL might read all that is open for a join.
_HAS_OPEN: Final = """exists (
    select from transactions as other
    where other.tenant_id = {start}.tenant_id and other.charge_point_id = {start}.charge_point_id
        and other.stopped_received_at is null and other.presumed_ended_at is null
    offset 0
)"""
_HAS_WAITING_STOPS: Final = """exists (
    select from orphan_records as waiting
    where waiting.tenant_id = {start}.tenant_id and waiting.charge_point_id = {start}.charge_point_id
        and waiting.awaits_start and waiting.transaction_id is null
    offset 0
)"""
_IS_OVERTAKEN: Final = """exists (
    select from charge_points as point
    where point.tenant_id = {start}.tenant_id and point.id = {start}.charge_point_id
        and point.epoch > {start}.started_epoch
    offset 0
)"""
_PAST: Final = (_HAS_OPEN, _HAS_WAITING_STOPS, _IS_OVERTAKEN)

_ROWS: Final = """
    with new as (
        select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
            $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::bigint[], $10::bigint[], $11::text[],
            $12::text[], $13::uuid[], $14::int[], $15::int[], $16::text[], $17::bigint[], $18::bytea[],
            $19::text[])
        as new (tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at, started_key,
            received_at, meter_start_wh, reservation_id, id_tag_info, flags, command_id, id, start_number,
            message_id, started_epoch, evidence, event)
    ), inserted as (
    insert into transactions (tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, reservation_id, id_tag_info, flags,
        remote_start_command_id, id, start_number, start_message_id, started_epoch, start_evidence)
    select tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at, started_key, received_at,
        meter_start_wh, reservation_id, id_tag_info::jsonb, string_to_array(flags, ','), command_id, id,
        start_number, message_id, started_epoch, evidence
    from new
"""
_INSERTED: Final = """
    order by tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh
    on conflict do nothing
    returning tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, id
"""
_NOTED: Final = event_insert(
    TransactionStartedEvent,
    """
    select tenant_id, inserted.charge_point_id, new.received_at as occurred_at, event::json as data
    from inserted join new using (tenant_id, id)
    """,
)
_INSERT: Final = f"""
    {", ".join([_ROWS + _INSERTED, *(past.format(start="transactions") for past in _PAST)])}
    ), noted as ({_NOTED})
    select * from inserted
"""
_INSERT_WITHOUT_PAST: Final = f"""
    {_ROWS} where {" and ".join("not " + past.format(start="new") for past in _PAST)} {_INSERTED}
    ), noted as ({_NOTED})
    select * from inserted
"""


class FoundStarts(NamedTuple):
    """The facts about some starts: the newest stored one with each key, if there is one.

    remote: the charge points with remote starts that have no effect yet; tags: those that are stored;
    policies: what holds for unknown tags at each charge point.
    """

    stored: dict[StartKey, StoredStart]
    remote: set[ChargePointKey]
    tags: dict[IdTagKey, IdTagRecord]
    policies: dict[ChargePointKey, UnknownTagPolicy]


class NewStart(NamedTuple):
    """A start to insert, with a free transaction id. command_id: the remote start that led to it."""

    judged: JudgedStart
    transaction_id: int
    command_id: UUID | None = None


class InsertedStart(NamedTuple):
    """A start that was inserted, and what its charge point had before: open transactions, waiting stops.

    is_overtaken: the charge point has connected again since it sent the start.
    """

    transaction_id: int
    has_open: bool
    has_waiting_stops: bool
    is_overtaken: bool


async def find_starts(
    connection: Connection, keys: Collection[StartKey], remote_since: datetime
) -> FoundStarts:
    """Return what is known of starts with some keys. remote_since: older remote starts do not count."""
    wanted = list(keys)
    found = FoundStarts({}, set(), {}, {})
    for row in await connection.fetch(_FIND, *zip(*wanted, strict=True), remote_since):
        key = wanted[row["number"] - 1]
        charge_point = ChargePointKey(key.tenant_id, key.charge_point_id)
        if row["is_remote"]:
            found.remote.add(charge_point)
        if row["id"] is not None:
            found.stored[key] = StoredStart(
                row["id"],
                orjson.loads(row["id_tag_info"]),
                row["start_number"],
                row["start_message_id"],
                row["is_stopped"],
                row["is_named"],
                row["started_epoch"],
            )
        if (tag := tag_of(row)) is not None:
            found.tags[key.tag] = tag
        found.policies[charge_point] = row["unknown_id_tags"]
    return found


async def find_running(connection: Connection, tags: Sequence[IdTagKey]) -> list[RunningTransaction]:
    """Return the accepted transactions that run on some tags.

    The tags must be locked by a statement before this one, so that its snapshot is younger than the lock.
    """
    rows = await connection.fetch(_FIND_RUNNING, *zip(*tags, strict=True))
    return [RunningTransaction(*row.values()) for row in rows]


async def find_running_in_groups(
    connection: Connection, groups: Sequence[IdTagKey]
) -> list[RunningTransaction]:
    """Return the accepted transactions that run on some groups, with the key of the group.

    The groups must be locked by a statement before this one, so that its snapshot is younger than the lock.
    """
    rows = await connection.fetch(_FIND_RUNNING_IN_GROUPS, *zip(*groups, strict=True))
    return [RunningTransaction(*row.values()) for row in rows]


async def insert_without_past(connection: Connection, new: Sequence[NewStart]) -> set[StartKey]:
    """Insert those new starts before which their charge point has nothing that they concern.

    Return their keys. The others are left out: those with an open transaction, a waiting stop or a newer
    connection of the charge point, and those that another ledger has inserted meanwhile.
    """
    rows = await connection.fetch(_INSERT_WITHOUT_PAST, *zip(*map(_row, new), strict=True))
    return {StartKey(*key) for *key, _ in (row.values() for row in rows)}


async def insert_starts(connection: Connection, new: Sequence[NewStart]) -> dict[StartKey, InsertedStart]:
    """Insert new starts. A start that another ledger has inserted meanwhile is left out."""
    inserted = {}
    for row in await connection.fetch(_INSERT, *zip(*map(_row, new), strict=True)):
        *key, transaction_id, has_open, has_waiting, is_overtaken = row.values()
        inserted[StartKey(*key)] = InsertedStart(transaction_id, has_open, has_waiting, is_overtaken)
    return inserted


def _row(new: NewStart) -> tuple[object, ...]:
    judged, transaction_id, command_id = new
    start = judged.start
    return (
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        judged.id_tag,
        judged.key.id_tag_key,
        start.started_at,
        judged.key.started_key,
        start.received_at,
        start.meter_start_wh,
        start.reservation_id,
        json_text(judged.id_tag_info),
        ",".join(judged.flags),
        command_id,
        transaction_id,
        judged.number,
        clean_text(start.message_id),
        start.epoch,
        start.evidence,
        started_text(judged, transaction_id, command_id),
    )
