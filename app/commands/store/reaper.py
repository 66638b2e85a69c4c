"""SQL of the reaper: open commands of some workers, and commands whose effect is overdue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.commands.records import CommandState, LostCommand
from app.commands.rules import may_have_effect, sources
from app.database.unit_of_work import PlatformWork

_MOST: Final = 1000
"""Commands that one pass looks at. The next pass takes the rest."""

_OPEN = text(
    """
    select id, tenant_id, state, worker, timeout_s from commands
    where state in ('queued', 'sent') and (worker = :own or worker <> all (cast(:alive as text[])))
    order by deadline_at limit :most
    """
)

_END = text(
    """
    update commands set state = :ending, finished_at = :at,
        effect_due_at = case when effect is null then cast(:at as timestamptz) + make_interval(
            secs => cast(cast(:windows as jsonb) ->> action as double precision)) end
    from unnest(cast(:tenant_ids as bigint[]), cast(:ids as uuid[])) as lost (tenant_id, id)
    where commands.tenant_id = lost.tenant_id and commands.id = lost.id
        and commands.state = any(:sources)
    returning commands.id
    """
)

_NO_EFFECT = text(
    """
    with overdue as (
        select tenant_id, id from commands
        where effect is null and effect_due_at <= :at and action = any(:actions)
        order by effect_due_at limit :most
        for update skip locked
    )
    update commands set effect = '{"observed": "no_effect"}', effect_due_at = null
    from overdue where commands.tenant_id = overdue.tenant_id and commands.id = overdue.id
    returning commands.id
    """
)


class LostCommandStore:
    """The commands of all tenants that no worker ends any more."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection
        self.outbox = work.outbox

    async def open_commands(self, own: str, alive_workers: Sequence[str] | None) -> list[LostCommand]:
        """Return the open commands of one worker, and those of workers that are not alive.

        alive_workers must be complete. None: it is not known which workers are alive.
        """
        # In a comparison with NULL no worker is missing from the list, because NULL is not true.
        alive = None if alive_workers is None else list(alive_workers)
        values = {"own": own, "alive": alive, "most": _MOST}
        return [LostCommand(*row) for row in await self.connection.execute(_OPEN, values)]

    async def end(
        self, commands: Sequence[LostCommand], ending: CommandState, at: datetime, windows: str = "{}"
    ) -> list[LostCommand]:
        """End commands, and return those that had not ended. No command is sent again.

        windows: JSON text of the seconds after which an effect is overdue, by action.
        """
        values = {
            "tenant_ids": [command.tenant_id for command in commands],
            "ids": [command.id for command in commands],
            "sources": list(sources(ending, "reaper")),
            "ending": ending,
            "at": at,
            "windows": windows if may_have_effect(ending, None) else "{}",
        }
        ended = {row.id for row in await self.connection.execute(_END, values)}
        self.outbox.has_events |= bool(ended)
        return [command for command in commands if command.id in ended]

    async def note_no_effect(self, at: datetime, actions: Sequence[str]) -> int:
        """Note on commands whose effect is overdue that nothing followed; return how many. actions: of these.

        Several workers may do it at once: each takes other rows.
        """
        values = {"at": at, "actions": list(actions), "most": _MOST}
        noted = len((await self.connection.execute(_NO_EFFECT, values)).all())
        self.outbox.has_events |= noted > 0
        return noted
