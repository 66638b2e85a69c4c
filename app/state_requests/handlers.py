"""The effect of a GetConfiguration of all keys: the silent keys of the charge point are asked for by name."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from app.charge_points.store import ChargePointStore
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.quirks.records import Device
from app.quirks.service import current_habits
from app.state_requests.silent_keys import SilentKeyQueue
from app.types import TenantId

_SENT: Final = frozenset({"accepted", "rejected", "call_error", "timed_out"})


class SilentKeysEffect:
    """Puts silent keys that an answer leaves out into the queue of this worker, which owns the session.

    So they are also asked for if the charge point does not answer at all: some need the names of the keys.
    """

    triggers: ClassVar[Mapping[str, str | None]] = {"GetConfiguration": None}

    def __init__(self, queue: SilentKeyQueue) -> None:
        self._queue = queue

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Find the keys that are missing. Nothing is written. at: when the outcome was known."""
        if command.payload.get("key") or outcome.state not in _SENT:
            return
        charge_point = await ChargePointStore(work).get(command.identity)
        if charge_point is None:
            return
        device = Device(charge_point.vendor, charge_point.model, charge_point.firmware_version)
        habits = await current_habits(work, device)
        if habits.silent_keys:
            tenant_id = TenantId(command.tenant_id)
            self._queue.add(tenant_id, command.identity, habits.silent_keys, outcome.result)
