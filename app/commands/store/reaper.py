"""SQL of the reaper: commands of dead workers, overdue ones, and remote starts without effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.commands.records import CommandState
from app.database.unit_of_work import PlatformWork

# The worker's own deadline comes first. This only ends what that worker has lost.
_GRACE_S = 10.0

_LOST = text(
    """
    with lost as (
        select tenant_id, id,
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
    update commands set state = lost.ending, finished_at = :at
    from lost where commands.tenant_id = lost.tenant_id and commands.id = lost.id
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
    """A command that the reaper ended, and its terminal state."""

    id: UUID
    tenant_id: int
    state: CommandState


class LostCommandStore:
    """The commands of all tenants that no worker ends any more."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def end(self, alive_workers: Sequence[str] | None, at: datetime) -> list[Reaped]:
        """End commands of workers that are not alive (connection_lost) and overdue ones (expired, timed_out).

        alive_workers must be complete: a worker that is missing in it loses its commands. None: it is not
        known which workers are alive, so only overdue commands end. No command is sent again.
        """
        # In a comparison with NULL no worker is missing from the list, because NULL is not true.
        alive = None if alive_workers is None else list(alive_workers)
        values = {"alive": alive, "at": at, "grace_s": _GRACE_S}
        return [Reaped(*row) for row in await self.connection.execute(_LOST, values)]

    async def note_no_effect(self, at: datetime, window_s: float) -> int:
        """Note on remote starts older than the window that no transaction followed; return how many.

        On accepted ones, and on unanswered ones with a charging profile: after the window it is certain that
        this profile limits nothing.
        """
        result = await self.connection.execute(_NO_EFFECT, {"before": at - timedelta(seconds=window_s)})
        return len(result.all())
