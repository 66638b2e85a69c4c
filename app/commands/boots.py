"""Records the BootNotifications of a worker as the effect of the Resets before them.

A charge point may boot on any worker, and long after its Reset was answered, so the database is asked. After
an outage all charge points boot at once: the boots of a moment are one statement, which comes after their
answers.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from app.clock import utc_text
from app.commands.context import CommandContext
from app.commands.expected_effects import booted, effect_windows
from app.commands.records import Boot
from app.commands.store.effects import set_booted
from app.connection import Connection
from app.errors import StoreUnavailable
from app.logs import get_logger

_MOMENT_S: Final = 0.1
_BATCH: Final = 500
"""The most boots of one statement."""
_LATE: Final = timedelta(days=1)
"""A boot that comes this much later than the window still takes the place of `no_effect`."""

_LOG = get_logger(__name__)


class BootObserver:
    """The boots of one worker."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._within = timedelta(seconds=effect_windows(context.settings)["Reset"]) + _LATE
        self._waiting: list[Boot] = []

    def note(self, connection: Connection, message_id: str, at: datetime) -> None:
        """Record a boot in the background."""
        if not self._waiting:
            self._context.background.spawn(self._record_soon(), "command_boots")
        effect = booted(message_id, utc_text(at))
        self._waiting.append(Boot(connection.tenant_id, connection.charge_point_id, at, effect))

    async def _record_soon(self) -> None:
        await asyncio.sleep(_MOMENT_S)
        boots, self._waiting = self._waiting, []
        while boots:
            # The boots of one charge point are told one after the other: a Reset may be between them.
            first = {boot[:2]: boot for boot in reversed(boots)}
            batch = list(first.values())[:_BATCH]
            told = set(map(id, batch))
            boots = [boot for boot in boots if id(boot) not in told]
            try:
                await set_booted(self._context.steps.rows, batch, self._within)
            except StoreUnavailable:
                _LOG.warning("boots_not_observed", count=len(batch))
