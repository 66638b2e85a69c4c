"""Two workers and a tenant with charge points: what tests of commands work on."""

import asyncio
from itertools import count
from typing import Any
from uuid import UUID

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.commands.records import CommandRecord, CommandRequest
from app.commands.store.commands import CommandStore
from app.ocpp.v16 import RegistrationStatus
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import TenantId
from tests.support.live import SetClock
from tests.support.workers import Answer, Charger, Worker, accept

RESET = '{"type":"Soft"}'
_NUMBERS = count(1)


class Cluster:
    """Two workers, and a tenant with charge points."""

    def __init__(
        self, workers: list[Worker], storage: Storage, tenant: TenantRecord, clock: SetClock
    ) -> None:
        self.a, self.b = workers
        self.storage = storage
        self.database = storage.database
        self.tenant_id = TenantId(tenant.id)
        self.clock = clock

    async def charge_point(self, status: RegistrationStatus = "Accepted") -> ChargePointRecord:
        async with self.database.tenant(self.tenant_id) as work:
            return await ChargePointStore(work).create(f"cp-{next(_NUMBERS)}", registration_status=status)

    async def charger(self, worker: Worker, answer: Answer = accept) -> Charger:
        return await worker.connect(self.storage, await self.charge_point(), answer)

    async def issue(
        self, worker: Worker, charger: Charger, action: str = "Reset", payload: str = RESET, **more: Any
    ) -> CommandRecord:
        wait_s = more.pop("wait_s", 0.0)
        request = CommandRequest(charger.connection.identity, action, payload, "test", **more)
        return await worker.commands.issue(self.tenant_id, request, wait_s=wait_s)

    async def command(self, command_id: UUID) -> CommandRecord:
        async with self.database.tenant(self.tenant_id) as work:
            command = await CommandStore(work).get(command_id)
        assert command is not None
        return command

    async def point(self, charger: Charger) -> ChargePointRecord:
        async with self.database.tenant(self.tenant_id) as work:
            point = await ChargePointStore(work).get(charger.connection.identity)
        assert point is not None
        return point

    async def end(self, worker: Worker, command: CommandRecord) -> CommandRecord:
        return await worker.commands.wait(self.tenant_id, command.id, 20)


async def received(charger: Charger, number: int = 1) -> None:
    """Wait until the charge point has got so many CALLs."""
    async with asyncio.timeout(20):
        while len(charger.received) < number:
            charger.arrived.clear()
            await charger.arrived.wait()
