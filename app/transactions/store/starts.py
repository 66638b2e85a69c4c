"""The steps of a batch that concern starts: find repetitions, find what runs on a tag, insert."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import orjson

from app.database.prepared import Connection
from app.database.text import clean_text, json_text
from app.id_tags.records import IdTagKey
from app.transactions.records import JudgedStart, RunningTransaction, StartKey, StoredStart

_FIND: Final = """
    select key.number, known.id, known.id_tag_info, known.start_number, known.start_message_id,
        known.stopped_received_at is not null
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::bigint[])
        with ordinality
        as key (tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, number)
    cross join lateral (
        select * from transactions
        where tenant_id = key.tenant_id and charge_point_id = key.charge_point_id
            and connector_id = key.connector_id and id_tag_key = key.id_tag_key
            and started_key = key.started_key and meter_start_wh is not distinct from key.meter_start_wh
        order by start_number desc limit 1
    ) as known
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
    returning id, tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh
"""


async def find_starts(connection: Connection, keys: Collection[StartKey]) -> dict[StartKey, StoredStart]:
    """Return the newest stored start with each of the keys."""
    wanted = list(keys)
    rows = await connection.fetch(_FIND, *zip(*wanted, strict=True))
    return {wanted[number - 1]: _stored(*values) for number, *values in (row.values() for row in rows)}


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
) -> dict[StartKey, int]:
    """Insert new starts, and return their transaction ids.

    A start that another ledger has inserted meanwhile is left out.

    Args:
        connection: Of the batch.
        starts: The new starts.
        commands: The remote starts that led to some of them.
        ids: A free transaction id for each of them.
    """
    parameters = [_row(judged, commands.get(judged.key), ids[judged.key]) for judged in starts]
    rows = await connection.fetch(_INSERT, *zip(*parameters, strict=True))
    numbers = {}
    for row in rows:
        transaction_id, *key = row.values()
        numbers[StartKey(*key)] = transaction_id
    return numbers


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
