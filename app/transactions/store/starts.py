"""The steps of a batch that concern starts: find repetitions, find what runs on a tag, insert."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from app.database.prepared import Connection
from app.database.text import clean_text, json_text
from app.id_tags.records import IdTagKey
from app.transactions.records import JudgedStart, RunningTransaction, StartKey, StoredStart
from app.types import ChargePointKey

# The order is that of the unique index, so that no other one is taken. The commands are asked in the same
# statement: before most starts no remote start waits for its effect.
_FIND: Final = """
    select key.number, exists (
            select from commands
            where tenant_id = key.tenant_id and charge_point_id = key.charge_point_id
                and action = 'RemoteStartTransaction' and effect is null and created_at >= $7
        ) as is_remote, known.*
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::bigint[])
        with ordinality
        as key (tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, number)
    left join lateral (
        select id, id_tag_info, start_number, start_message_id, stopped_received_at is not null
        from transactions
        where tenant_id = key.tenant_id and charge_point_id = key.charge_point_id
            and connector_id = key.connector_id and id_tag_key = key.id_tag_key
            and started_key = key.started_key and meter_start_wh is not distinct from key.meter_start_wh
        order by meter_start_wh desc, start_number desc limit 1
    ) as known on true
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

_INSERT: Final = """
    insert into transactions (tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, reservation_id, id_tag_info, flags,
        remote_start_command_id, id, start_number, start_message_id, started_epoch, start_evidence)
    select tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at, started_key, received_at,
        meter_start_wh, reservation_id, id_tag_info::jsonb, string_to_array(flags, ','), command_id, id,
        start_number, message_id, epoch, evidence
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[], $9::bigint[], $10::bigint[], $11::text[], $12::text[],
            $13::uuid[], $14::int[], $15::int[], $16::text[], $17::bigint[], $18::bytea[])
        as new (tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at, started_key,
            received_at, meter_start_wh, reservation_id, id_tag_info, flags, command_id, id, start_number,
            message_id, epoch, evidence)
    order by tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh
    on conflict do nothing
    returning tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, id,
        exists (
            select from transactions as other
            where other.tenant_id = transactions.tenant_id
                and other.charge_point_id = transactions.charge_point_id
                and other.stopped_received_at is null and other.presumed_ended_at is null
        ),
        exists (
            select from orphan_records as waiting
            where waiting.tenant_id = transactions.tenant_id
                and waiting.charge_point_id = transactions.charge_point_id
                and waiting.awaits_start and waiting.transaction_id is null
        ),
        exists (
            select from charge_points
            where tenant_id = transactions.tenant_id and id = transactions.charge_point_id
                and epoch > transactions.started_epoch
        )
"""


class FoundStarts(NamedTuple):
    """The facts about some starts: the newest stored one with each key, if there is one.

    remote: the charge points with remote starts that have no effect yet.
    """

    stored: dict[StartKey, StoredStart]
    remote: set[ChargePointKey]


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
    found = FoundStarts({}, set())
    for row in await connection.fetch(_FIND, *zip(*wanted, strict=True), remote_since):
        number, is_remote, transaction_id, *columns = row.values()
        key = wanted[number - 1]
        if is_remote:
            found.remote.add(ChargePointKey(key.tenant_id, key.charge_point_id))
        if transaction_id is not None:
            found.stored[key] = _stored(transaction_id, *columns)
    return found


def _stored(
    transaction_id: int, info: str, number: int, message_id: str | None, stopped: bool
) -> StoredStart:
    return StoredStart(transaction_id, orjson.loads(info), number, message_id, stopped)


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


async def insert_starts(
    connection: Connection,
    starts: Sequence[JudgedStart],
    commands: Mapping[StartKey, UUID],
    ids: Mapping[StartKey, int],
) -> dict[StartKey, InsertedStart]:
    """Insert new starts.

    A start that another ledger has inserted meanwhile is left out.

    Args:
        connection: Of the batch.
        starts: The new starts.
        commands: The remote starts that led to some of them.
        ids: A free transaction id for each of them.
    """
    parameters = [_row(judged, commands.get(judged.key), ids[judged.key]) for judged in starts]
    rows = await connection.fetch(_INSERT, *zip(*parameters, strict=True))
    inserted = {}
    for row in rows:
        *key, transaction_id, has_open, has_waiting, is_overtaken = row.values()
        inserted[StartKey(*key)] = InsertedStart(transaction_id, has_open, has_waiting, is_overtaken)
    return inserted


def _row(judged: JudgedStart, command_id: UUID | None, transaction_id: int) -> tuple[object, ...]:
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
    )
