"""The observed effects of remote starts and stops, read and written in the transaction that records them.

The ledger's batch calls these with its own connection: one statement for all records of the batch. Which
remote start led to which transaction is decided in `transactions.rules`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from app.commands.records import CommandState, EndedTransaction, RemoteStart, StartedTransaction
from app.commands.rules import UNREADABLE_ANSWER
from app.database.prepared import Connection
from app.database.text import json_text
from app.types import ChargePointKey

# An answer that could not be read refuses nothing.
_AWAITS_EFFECT: Final = "(commands.state = any({states}) or commands.error ->> 'code' = '{code}')"

_FIND_REMOTE_STARTS: Final = f"""
    select id, tenant_id, charge_point_id, payload ->> 'idTag' as id_tag,
        payload ->> 'connectorId' as connector_id, created_at
    from commands
    where (tenant_id, charge_point_id) in (select * from unnest($1::bigint[], $2::bigint[]))
        and created_at >= $3 and action = 'RemoteStartTransaction' and effect is null
        and {_AWAITS_EFFECT.format(states="$4::text[]", code=UNREADABLE_ANSWER)}
    order by tenant_id, id
    for update
"""  # noqa: S608 - constants of our own

_SET_EFFECTS: Final = """
    update commands set effect = new.effect::jsonb
    from unnest($1::bigint[], $2::uuid[], $3::text[]) as new (tenant_id, id, effect)
    where commands.tenant_id = new.tenant_id and commands.id = new.id
"""

# An UPDATE that finds its own rows: a transaction is named by its id, so there is nothing to choose, and to
# read the commands first would cost each batch with stops a round trip.
_SET_STOPPED: Final = f"""
    update commands
    set effect = jsonb_build_object('observed', 'transaction_stopped', 'transactionId', ended.transaction_id)
    from unnest($1::bigint[], $2::bigint[], $3::int[]) as ended (tenant_id, charge_point_id, transaction_id)
    where commands.tenant_id = ended.tenant_id and commands.charge_point_id = ended.charge_point_id
        and commands.action = 'RemoteStopTransaction' and commands.effect is null
        and commands.payload ->> 'transactionId' = ended.transaction_id::text
        and {_AWAITS_EFFECT.format(states="$4::text[]", code=UNREADABLE_ANSWER)}
"""  # noqa: S608 - constants of our own


async def find_remote_starts(
    connection: Connection,
    charge_points: Collection[ChargePointKey],
    created_since: datetime,
    states: Collection[CommandState],
) -> list[RemoteStart]:
    """Return the remote starts without effect in one of the states or in doubt, locked until the commit."""
    keys = zip(*charge_points, strict=True)
    rows = await connection.fetch(_FIND_REMOTE_STARTS, *keys, created_since, list(states))
    return [RemoteStart(*row.values()) for row in rows]


async def set_started(connection: Connection, started: Sequence[StartedTransaction]) -> None:
    """Record which transaction each remote start led to."""
    rows = [
        (
            item.tenant_id,
            item.command_id,
            json_text({"observed": "transaction_started", "transactionId": item.transaction_id}),
        )
        for item in started
    ]
    await connection.execute(_SET_EFFECTS, *zip(*rows, strict=True))


async def set_stopped(
    connection: Connection, ended: Sequence[EndedTransaction], states: Collection[CommandState]
) -> None:
    """Record on the remote stops in one of the states or in doubt that their transaction has ended."""
    await connection.execute(_SET_STOPPED, *zip(*ended, strict=True), list(states))
