"""Firmware updates over the API, with scripted commands and a clock that a test moves."""

from dataclasses import dataclass
from typing import Any

import orjson
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.commands.records import CommandRecord
from app.firmware.keeper import FirmwareKeeper
from app.firmware.records import FirmwareReport
from app.firmware.service.reports import record_report
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from app.web.services import ServiceRegistry
from tests.support.api import Api
from tests.support.scripted_commands import ScriptedCommands

LOCATION = "https://files.example.com/vw22-3.2.0.bin"


def limit_hits(limit: str) -> float:
    """Return how often a limit was reached."""
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0


@dataclass
class Story:
    """A tenant, its key, and the commands of its charge points."""

    api: Api
    operator: TenantRecord
    token: str
    scripted: ScriptedCommands

    @property
    def services(self) -> ServiceRegistry:
        found: ServiceRegistry = self.api.app.state.services
        return found

    async def sweep(self) -> None:
        """Let the keeper do all that can be done now."""
        keeper = self.services.get(FirmwareKeeper)
        while await keeper.sweep():
            pass

    async def point(
        self, identity: str, *, connected: bool = True, version: str = "3.1.4", model: str = "VW22"
    ) -> ChargePointId:
        """Create a charge point that has booted."""
        key = await self.api.charge_point(self.operator, identity)
        if connected:
            await self.api.connect(self.operator, key, identity)
        await self.booted(key, version, model=model)
        return key

    async def booted(self, key: ChargePointId, version: str, *, model: str = "VW22") -> None:
        """Record a boot."""
        async with self.api.services.storage.database.tenant(self.operator.id) as work:
            await work.connection.execute(
                text(
                    "update charge_points set vendor = 'VendorOne', model = :model,"
                    " firmware_version = :version, booted_at = :at where tenant_id = :tenant and id = :id"
                ),
                {
                    "model": model,
                    "version": version,
                    "at": self.api.clock.now(),
                    "tenant": self.operator.id,
                    "id": key,
                },
            )

    async def answers(self, key: ChargePointId, **columns: Any) -> CommandRecord:
        """Set what becomes of all commands from now on."""
        columns = {"action": "UpdateFirmware", "state": "sent", **columns}
        self.scripted.outcome = await self.api.command(self.operator, key, **columns)
        return self.scripted.outcome

    async def report(self, identity: str, key: ChargePointId, *statuses: str, **more: Any) -> None:
        """Let a charge point report statuses, one each second."""
        tenant_id = TenantId(self.operator.id)
        for status in statuses:
            self.api.clock.advance(1)
            report = FirmwareReport(status, self.api.clock.now(), 1, **more)
            async with self.api.services.storage.database.tenant(tenant_id) as work:
                assert await record_report(work, identity, key, report)

    def payloads(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the commands that were issued: identity, action, payload."""
        return [(one.identity, one.action, orjson.loads(one.payload_text)) for one in self.scripted.issued]

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.api.call("GET", f"/v1{path}", self.token, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        options = {} if body is None else {"json": body}
        answer = await self.api.call("POST", f"/v1{path}", self.token, **options)
        assert answer.status_code == status, answer.text
        return answer.json()
