"""Ends the commands that no worker ends any more: their worker died, or has lost them.

A worker ends its own commands in time, by its monotonic clock: `owner.CommandOwner.withdraw_overdue` if they
were not sent, the core's link (`Session.expire_calls`) if no answer came. So this looks at no time of day,
which may be set forward or back: it ends what it has seen lost for long enough.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.commands.context import CommandContext
from app.commands.expected_effects import effect_windows, steady_actions
from app.commands.owner import CommandOwner
from app.commands.records import CommandState, LostCommand
from app.commands.store.reaper import LostCommandStore
from app.errors import StoreUnavailable
from app.live.presence import Presence
from app.logs import get_logger
from app.metrics import COMMANDS_FINISHED
from app.tasks import PeriodicTask
from app.types import CommandId, TenantId

_PERIOD_S = 5.0
_CUT_OFF_S: Final = 3.0
"""A worker that is only cut off from Redis sends a new command within this time, or not at all."""
_GRACE_S: Final = 10.0
"""A command of this worker may be in its memory this much later than in its record, or earlier."""
_STEP_S: Final = 2.0
"""A larger difference between the clocks is a step of the time of day."""

_LOG = get_logger(__name__)


class LostCommands:
    """When each lost command was first seen, in memory only. Times are monotonic seconds."""

    def __init__(self, worker: str, expiry_s: float) -> None:
        """worker: this one; expiry_s: how long a command may wait until it is sent."""
        self._worker = worker
        self._expiry_s = expiry_s
        self._seen: dict[UUID, float] = {}

    def ends(self, lost: Sequence[LostCommand], now: float) -> dict[CommandState, list[LostCommand]]:
        """Return the commands that have been lost for long enough, by their end.

        lost: all that are lost now. One of a dead worker may have been sent; one that this worker does not
        have was not sent after its deadline, because no envelope lives longer.
        """
        self._seen = {command.id: self._seen.get(command.id, now) for command in lost}
        found: dict[CommandState, list[LostCommand]] = {}
        for command in lost:
            if now - self._seen[command.id] >= self._lost_s(command):
                found.setdefault(self._end_of(command), []).append(command)
        return found

    def _lost_s(self, command: LostCommand) -> float:
        """Return for how long a command must have been lost: until it is certain that it is not sent now."""
        if command.worker != self._worker:
            return _CUT_OFF_S if command.state == "queued" else 0.0
        return _GRACE_S + (self._expiry_s if command.state == "queued" else command.timeout_s)

    def _end_of(self, command: LostCommand) -> CommandState:
        if command.worker != self._worker:
            return "connection_lost"
        return "expired" if command.state == "queued" else "timed_out"


class SteadyClock:
    """Says for how long the time of day was not set. The times of two records are compared only then."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._since = float("-inf")

    def steady_s(self, now: float, monotonic: float) -> float:
        """Return seconds since the last step that was seen. now: POSIX seconds."""
        offset = now - monotonic
        if self._offset is not None and abs(offset - self._offset) > _STEP_S:
            self._since = monotonic
        self._offset = offset
        return monotonic - self._since


class CommandReaper:
    """Looks at the commands of all tenants again and again."""

    def __init__(self, context: CommandContext, owner: CommandOwner, presence: Presence) -> None:
        """owner: of this worker; it knows which commands it has, and tells the waiting callers."""
        self._context = context
        self._owner = owner
        self._presence = presence
        self._lost = LostCommands(presence.worker_id, context.settings.command_expiry_s)
        self._windows = effect_windows(context.settings)
        self._steady = SteadyClock()
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
        """End the commands that dead workers had or this one has lost; note that effects are overdue.

        While it is not certain which workers are alive, no command of another worker ends.
        """
        alive = self._presence.alive_workers()
        clock, own = self._context.clock, self._presence.worker_id
        ended: list[LostCommand] = []
        async with self._context.database.platform() as work:
            store = LostCommandStore(work)
            found = await store.open_commands(own, None if alive is None else sorted(alive))
            lost = [command for command in found if not self._owns(command)]
            for state, commands in self._lost.ends(lost, clock.monotonic()).items():
                windows = self._context.effect_windows
                ended += (reaped := await store.end(commands, state, clock.now(), windows))
                COMMANDS_FINISHED.labels(state).inc(len(reaped))
            steady_s = self._steady.steady_s(clock.now().timestamp(), clock.monotonic())
            await store.note_no_effect(clock.now(), steady_actions(self._windows, steady_s))
        for command in ended:
            command_id = CommandId(str(command.id))
            await self._owner.announce(TenantId(command.tenant_id), command_id, alive or ())

    def _owns(self, command: LostCommand) -> bool:
        is_own = command.worker == self._presence.worker_id
        return is_own and self._owner.owns(CommandId(str(command.id)))

    async def _reap_and_pause(self) -> float:
        try:
            await self.reap()
        except StoreUnavailable:
            _LOG.warning("commands_not_reaped")
        return _PERIOD_S
