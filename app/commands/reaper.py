"""Ends the commands that no worker ends any more: their worker died, or their time is over.

A command whose worker died ends as `connection_lost`. After its deadline it ends as `expired` if it was not
sent, and as `timed_out` if it was sent. A living worker ends its commands itself:
`owner.CommandOwner.withdraw_overdue` if they were not sent, the core's link (`Session.expire_calls`) if no
answer came.
"""

from app.commands.owner import CommandContext, CommandOwner
from app.commands.store.reaper import LostCommandStore
from app.errors import StoreUnavailable
from app.live.presence import Presence
from app.logs import get_logger
from app.metrics import COMMANDS_FINISHED
from app.tasks import PeriodicTask
from app.types import CommandId, TenantId

_PERIOD_S = 5.0

_LOG = get_logger(__name__)


class CommandReaper:
    """Looks at the commands of all tenants again and again."""

    def __init__(self, context: CommandContext, owner: CommandOwner, presence: Presence) -> None:
        """owner: of this worker; it tells the waiting callers."""
        self._context = context
        self._owner = owner
        self._presence = presence
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Reap every few seconds in the background."""
        self._loop = PeriodicTask(self._reap_and_pause, "commands_reaper")

    async def close(self) -> None:
        """Stop reaping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def reap(self) -> None:
        """End the commands of dead workers and overdue ones; note remote starts that had no effect.

        While it is not certain which workers are alive, only overdue commands end: their time is over
        whichever worker owns them.
        """
        alive = self._presence.alive_workers()
        now = self._context.clock.now()
        async with self._context.database.platform() as work:
            reaped = await LostCommandStore(work).end(None if alive is None else sorted(alive), now)
            window_s = self._context.settings.remote_start_window_s
            await LostCommandStore(work).note_no_effect(now, window_s)
        for ended in reaped:
            COMMANDS_FINISHED.labels(ended.state).inc()
            tenant_id, command_id = TenantId(ended.tenant_id), CommandId(str(ended.id))
            await self._owner.announce(tenant_id, command_id, alive or ())

    async def _reap_and_pause(self) -> float:
        try:
            await self.reap()
        except StoreUnavailable:
            _LOG.warning("commands_not_reaped")
        return _PERIOD_S
