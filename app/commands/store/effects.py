"""The observed effects of commands, read and written in the transaction that records them.

The ledger's batch calls these with its own connection: one statement for all records of the batch. Which
remote start led to which transaction is decided in `transactions.rules`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Update, text, update

from app.commands.records import Boot, CommandState, RemoteStart, StartedTransaction
from app.commands.rules import AWAITS_EFFECT, UNREADABLE_ANSWER
from app.commands.tables import commands
from app.database.prepared import Connection, Run
from app.database.repository import Repository
from app.database.statements import Statement
from app.database.text import json_text
from app.types import ChargePointKey, Json

_UNKNOWN: Final = "(commands.effect is null or commands.effect ->> 'observed' = 'no_effect')"
"""No effect was observed so far. What comes later takes the place of `no_effect`."""

# An answer that could not be read refuses nothing. One that came late may refuse.
_AWAITS_EFFECT: Final = """(
    (commands.state = any({states}) or commands.error ->> 'code' = '{code}')
    and not (
        coalesce(commands.late_result ->> 'state', '') in ('rejected', 'call_error')
        and coalesce(commands.late_result -> 'error' ->> 'code', '') <> '{code}'
    )
)"""

_FIND_REMOTE_STARTS: Final = f"""
    select id, tenant_id, charge_point_id, payload ->> 'idTag' as id_tag,
        payload ->> 'connectorId' as connector_id, coalesce(sent_at, created_at)
    from commands
    where (tenant_id, charge_point_id) in (select * from unnest($1::bigint[], $2::bigint[]))
        and coalesce(sent_at, created_at) >= $3 and action = 'RemoteStartTransaction' and {_UNKNOWN}
        and {_AWAITS_EFFECT.format(states="$4::text[]", code=UNREADABLE_ANSWER)}
    order by tenant_id, id
    for update
"""  # noqa: S608 - constants of our own

_SET_EFFECTS: Final = """
    update commands set effect = new.effect::jsonb, effect_due_at = null
    from unnest($1::bigint[], $2::uuid[], $3::text[]) as new (tenant_id, id, effect)
    where commands.tenant_id = new.tenant_id and commands.id = new.id
"""

SET_STOPPED: Final = f"""
    update commands
    set effect = jsonb_build_object('observed', 'transaction_stopped', 'transactionId', asked.transaction_id),
        effect_due_at = null
    from (
        select ended.tenant_id, ended.transaction_id, found.id
        from ended cross join lateral (
            select id from commands
            where tenant_id = ended.tenant_id and charge_point_id = ended.charge_point_id
                and action = 'RemoteStopTransaction' and {_UNKNOWN}
                and payload ->> 'transactionId' = ended.transaction_id::text
            offset 0
        ) as found
        offset 0
    ) as asked
    where commands.tenant_id = asked.tenant_id and commands.id = asked.id and {_UNKNOWN}
        and {_AWAITS_EFFECT.format(states=f"array{list(AWAITS_EFFECT)}", code=UNREADABLE_ANSWER)}
"""  # noqa: S608 - constants of our own
"""The part of a statement that tells remote stops that their transaction has ended.

`ended (tenant_id, charge_point_id, transaction_id)` is another part of it. A transaction is named by its id,
so there is nothing to choose. With `offset 0` the commands are looked up for each of them, by their indexes.
"""

# `sent` may be recorded a little later than the end, so a command in doubt counts from its creation.
_SET_BOOTED: Final = Statement(
    text(
        f"""
        update commands set effect = cast(boot.effect as jsonb), effect_due_at = null
        from unnest(
            cast(:tenant_ids as bigint[]), cast(:charge_point_ids as bigint[]), cast(:times as timestamptz[]),
            cast(:effects as text[])
        ) as boot (tenant_id, charge_point_id, at, effect)
        where commands.tenant_id = boot.tenant_id and commands.charge_point_id = boot.charge_point_id
            and commands.action = 'Reset' and {_UNKNOWN}
            and {_AWAITS_EFFECT.format(states="cast(:states as text[])", code=UNREADABLE_ANSWER)}
            and coalesce(commands.sent_at, commands.created_at) <= boot.at
            and coalesce(commands.finished_at, boot.at) >= boot.at - cast(:within as interval)
        """  # noqa: S608
    ),
    writes_events=True,
)


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


async def set_booted(run: Run, boots: Sequence[Boot], within: timedelta) -> None:
    """Record boots as the effect of the Resets before them. within: how long ago these may have ended."""
    tenant_ids, charge_point_ids, times, effects = zip(*boots, strict=True)
    values = {
        "tenant_ids": list(tenant_ids),
        "charge_point_ids": list(charge_point_ids),
        "times": list(times),
        "effects": [json_text(effect) for effect in effects],
        # A command that waits was not sent.
        "states": [state for state in AWAITS_EFFECT if state not in ("waiting", "queued", "expired")],
        "within": within,
    }
    await run(_SET_BOOTED, values)


class CommandEffectStore(Repository):
    """The observed effects of the commands of one tenant, for the capabilities that observe them."""

    async def record(self, command_id: UUID, effect: Json) -> None:
        """Record what a command has led to, in place of what was recorded before.

        effect: `observed` says what happened, in snake case; other members name the resource that shows it.
        """
        await self.connection.execute(self._set(command_id, effect))
        self.outbox.has_events = True

    async def record_first(self, command_id: UUID, effect: Json) -> None:
        """Record that a message came, unless a capability has recorded what the message meant."""
        await self.connection.execute(self._set(command_id, effect).where(text(_UNKNOWN)))
        self.outbox.has_events = True

    def _set(self, command_id: UUID, effect: Json) -> Update:
        statement = update(commands).where(
            commands.c.tenant_id == self.tenant_id, commands.c.id == command_id
        )
        return statement.values(effect=effect, effect_due_at=None)
