"""The observed effects of remote starts and stops, read and written in the transaction that records them.

The ledger's batch calls these with its own connection: one statement for all records of the batch. Which
remote start led to which transaction is decided in `transactions.rules`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from app.commands.records import CommandState, EndedTransaction, RemoteStart
from app.commands.rules import UNREADABLE_ANSWER
from app.database.prepared import Connection
from app.database.text import json_text

# An answer that could not be read refuses nothing.
_AWAITS_EFFECT: Final = "(commands.state = any({states}) or commands.error ->> 'code' = '{code}')"

_FIND_REMOTE_STARTS: Final = f"""
    select id, tenant_id, charge_point_id, payload ->> 'idTag' as id_tag,
        payload ->> 'connectorId' as connector_id, created_at
    from commands
    where charge_point_id = any($1::bigint[]) and created_at >= $2
        and action = 'RemoteStartTransaction' and effect is null
        and {_AWAITS_EFFECT.format(states="$3::text[]", code=UNREADABLE_ANSWER)}
    order by id
    for update
"""  # noqa: S608 - constants of our own

_SET_EFFECTS: Final = """
    update commands set effect = new.effect::jsonb
    from unnest($1::uuid[], $2::text[]) as new (id, effect)
    where commands.id = new.id
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
    charge_point_ids: Collection[int],
    created_since: datetime,
    states: Collection[CommandState],
) -> list[RemoteStart]:
    """Return the remote starts without effect in one of the states or in doubt, locked until the commit."""
    rows = await connection.fetch(_FIND_REMOTE_STARTS, list(charge_point_ids), created_since, list(states))
    return [RemoteStart(*row.values()) for row in rows]


async def set_started(connection: Connection, transaction_ids: Mapping[UUID, int]) -> None:
    """Record which transaction each remote start led to. transaction_ids: by the command's id."""
    effects = [
        json_text({"observed": "transaction_started", "transactionId": transaction_id})
        for transaction_id in transaction_ids.values()
    ]
    await connection.execute(_SET_EFFECTS, list(transaction_ids), effects)


async def set_stopped(
    connection: Connection, ended: Sequence[EndedTransaction], states: Collection[CommandState]
) -> None:
    """Record on the remote stops in one of the states or in doubt that their transaction has ended."""
    await connection.execute(_SET_STOPPED, *zip(*ended, strict=True), list(states))
