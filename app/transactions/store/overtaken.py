"""Starts that are written after their charge point has reconnected: what shows that they are over.

A start waits for a webhook, or for the database, while the next connection of its charge point, perhaps at
another worker, has brought a later start, a boot or the status Available. Those did not see it.
"""

from collections.abc import Mapping
from typing import Final

from app.database.prepared import Connection
from app.transactions.records import TransactionKey, TransactionStart
from app.transactions.store.sessions import Over

# It waits for those who write a start of the same charge point now: they hold its key by their reference.
_LOCK: Final = """
    select from charge_points
    where (tenant_id, id) in (select * from unnest($1::bigint[], $2::bigint[]))
    order by tenant_id, id
    for update
"""

_FIND_SIGNS: Final = """
    select started.number, sign.*
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::int[]) with ordinality
        as started (tenant_id, charge_point_id, connector_id, received_at, id, number)
    cross join lateral (
        (
            select connector_id, id as kept, 'later_start' as reason, started_received_at as at
            from transactions
            where tenant_id = started.tenant_id and charge_point_id = started.charge_point_id
                and connector_id = started.connector_id
                and (started_received_at, id) > (started.received_at, started.id)
            order by started_received_at, id limit 1
        )
        union all
        select null, null, 'boot', booted_at
        from charge_points
        where tenant_id = started.tenant_id and id = started.charge_point_id
            and booted_at > started.received_at
        union all
        select connector_id, null, 'available', received_at
        from connectors
        where tenant_id = started.tenant_id and charge_point_id = started.charge_point_id
            and connector_id = started.connector_id and connector_id > 0
            and status = 'Available' and received_at > started.received_at
    ) as sign
    order by started.number, sign.at
"""


async def find_later_signs(
    connection: Connection, overtaken: Mapping[TransactionKey, TransactionStart]
) -> dict[TransactionKey, Over]:
    """Return the first sign after each of some new transactions that it is over, if there is one."""
    keys, starts = list(overtaken), list(overtaken.values())
    await connection.execute(_LOCK, *zip(*{tuple(start.charge_point) for start in starts}, strict=True))
    wanted = [
        (start.tenant_id, start.charge_point_id, start.connector_id, start.received_at, key.id)
        for key, start in overtaken.items()
    ]
    found: dict[TransactionKey, Over] = {}
    for row in await connection.fetch(_FIND_SIGNS, *zip(*wanted, strict=True)):
        number, connector_id, kept, reason, at = row.values()
        start = starts[number - 1]
        sign = Over(start.tenant_id, start.charge_point_id, connector_id, kept, reason, at, start.habits)
        found.setdefault(keys[number - 1], sign)
    return found
