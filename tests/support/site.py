"""Two workers and a tenant with charge points: what tests of commands work on."""

import asyncio
from itertools import count
from typing import Any
from uuid import UUID

from app.charge_points.records import ChargePointRecord, RegistrationStatus
from app.commands.records import CommandRecord
from app.database.database import Database
from app.tenants.records import TenantRecord
from app.types import TenantId
from tests.support.live import SetClock
from tests.support.workers import Answer, Charger, Worker, accept

RESET = '{"type":"Soft"}'
_NUMBERS = count(1)


class Site:
    """Two workers, and a tenant with charge points."""

    def __init__(
        self, workers: list[Worker], database: Database, tenant: TenantRecord, clock: SetClock
    ) -> None:
        self.a, self.b = workers
        self.database = database
        self.tenant_id = TenantId(tenant.id)
        self.clock = clock

    async def charge_point(self, status: RegistrationStatus = "Accepted") -> ChargePointRecord:
        async with self.database.tenant(self.tenant_id) as work:
            return await work.charge_points.create(f"cp-{next(_NUMBERS)}", registration_status=status)

    async def charger(self, worker: Worker, answer: Answer = accept) -> Charger:
        return await worker.connect(self.database, await self.charge_point(), answer)

    async def issue(
        self, worker: Worker, charger: Charger, action: str = "Reset", payload: str = RESET, **more: Any
    ) -> CommandRecord:
        identity = charger.connection.identity
        return await worker.commands.issue(
            self.tenant_id, identity, action, payload, issued_by="test", **more
        )

    async def command(self, command_id: UUID) -> CommandRecord:
        async with self.database.tenant(self.tenant_id) as work:
            command = await work.commands.get(command_id)
        assert command is not None
        return command

    async def point(self, charger: Charger) -> ChargePointRecord:
        async with self.database.tenant(self.tenant_id) as work:
            point = await work.charge_points.get(charger.connection.identity)
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
