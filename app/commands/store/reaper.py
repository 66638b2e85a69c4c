"""SQL of the reaper: open commands of some workers, and remote starts without effect."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from app.commands.records import CommandState, LostCommand
from app.commands.rules import sources
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
    update commands set state = :ending, finished_at = :at
    from unnest(cast(:tenant_ids as bigint[]), cast(:ids as uuid[])) as lost (tenant_id, id)
    where commands.tenant_id = lost.tenant_id and commands.id = lost.id
        and commands.state = any(:sources)
    returning commands.id
    """
)

_NO_EFFECT = text(
    """
    update commands set effect = '{"observed": "none"}'
    where effect is null and (
        (action = 'RemoteStartTransaction' and finished_at < :before)
        or (action = 'RemoteStopTransaction' and finished_at < :long_before)
    )
    returning id
    """
)

_IS_FREE = text("select pg_try_advisory_xact_lock(:lock)")
# Any number that is the same in each process.
_LOCK: Final = 7_216_042_715
_STOPPED_WITHIN: Final = timedelta(days=1)


class LostCommandStore:
    """The commands of all tenants that no worker ends any more."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def open_commands(self, own: str, alive_workers: Sequence[str] | None) -> list[LostCommand]:
        """Return the open commands of one worker, and those of workers that are not alive.

        alive_workers must be complete. None: it is not known which workers are alive.
        """
        # In a comparison with NULL no worker is missing from the list, because NULL is not true.
        alive = None if alive_workers is None else list(alive_workers)
        values = {"own": own, "alive": alive, "most": _MOST}
        return [LostCommand(*row) for row in await self.connection.execute(_OPEN, values)]

    async def end(
        self, commands: Sequence[LostCommand], ending: CommandState, at: datetime
    ) -> list[LostCommand]:
        """End commands, and return those that had not ended. No command is sent again."""
        values = {
            "tenant_ids": [command.tenant_id for command in commands],
            "ids": [command.id for command in commands],
            "sources": list(sources(ending, "reaper")),
            "ending": ending,
            "at": at,
        }
        ended = {row.id for row in await self.connection.execute(_END, values)}
        return [command for command in commands if command.id in ended]

    async def note_no_effect(self, at: datetime, window_s: float) -> int:
        """Note on remote starts older than the window, and on stops of yesterday, that nothing followed.

        After the window it is certain that no transaction will be linked, and that the charging profile of
        such a command limits nothing. One worker does it at a time. Return how many.
        """
        if not (await self.connection.execute(_IS_FREE, {"lock": _LOCK})).scalar_one():
            return 0
        values = {"before": at - timedelta(seconds=window_s), "long_before": at - _STOPPED_WITHIN}
        return len((await self.connection.execute(_NO_EFFECT, values)).all())
