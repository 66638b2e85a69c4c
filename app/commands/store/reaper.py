"""Ends the commands that nobody will end any more: of dead workers, overdue, or without effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.commands.records import CommandState
from app.database.unit_of_work import PlatformWork

# A worker's own deadline comes first; this only catches what that worker lost.
_GRACE_S = 10.0

_LOST = text(
    """
    with due as (
        select id,
            case when worker is not null and worker <> all (cast(:alive as text[])) then 'connection_lost'
                 when state = 'queued' then 'expired'
                 else 'timed_out' end as ending
        from commands
        where state in ('queued', 'sent') and (
            (worker is not null and worker <> all (cast(:alive as text[])))
            or (state = 'queued' and deadline_at < :at)
            or (state = 'sent' and sent_at + make_interval(secs => timeout_s + :grace_s) < :at))
        order by id
        for update skip locked
    )
    update commands set state = due.ending, finished_at = :at
    from due where commands.id = due.id
    returning commands.id, commands.tenant_id, commands.state
    """
)

_NO_EFFECT = text(
    """
    update commands set effect = '{"observed": "none"}'
    where action = 'RemoteStartTransaction' and effect is null and finished_at < :before
        and (state = 'accepted' or (state in ('timed_out', 'connection_lost', 'expired')
            and payload -> 'chargingProfile' is not null))
    returning id
    """
)


@dataclass(frozen=True, slots=True)
class Reaped:
    """A command that was ended, and how."""

    id: UUID
    tenant_id: int
    state: CommandState


class CommandReaper:
    """The commands of all tenants, seen by the periodic clean-up."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def lost(self, alive_workers: Sequence[str] | None, at: datetime) -> list[Reaped]:
        """End commands of workers that are not alive (connection_lost) and overdue ones (expired, timed_out).

        alive_workers must be complete: a worker missing here loses its commands. None: not known, and only
        what is overdue ends. No command is ever sent again.
        """
        # Compared with an unknown list, no worker is missing from it: NULL is not true.
        alive = None if alive_workers is None else list(alive_workers)
        values = {"alive": alive, "at": at, "grace_s": _GRACE_S}
        return [Reaped(*row) for row in await self.connection.execute(_LOST, values)]

    async def no_effect(self, at: datetime, window_s: float) -> int:
        """Note on accepted remote starts older than the window that nothing followed; count them.

        And on unanswered ones with a charging profile: it is certain by then that this limits nothing.
        """
        result = await self.connection.execute(_NO_EFFECT, {"before": at - timedelta(seconds=window_s)})
        return len(result.all())
