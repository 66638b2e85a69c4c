"""Commands whose outcome a test sets, to see what the API makes of it, without a charge point."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.commands.guards import CommandGuards
from app.commands.records import CommandRecord, CommandRequest
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.service import PAYLOAD_LIMIT_BYTES, CommandService
from app.database.database import Database
from app.types import TenantId


@dataclass(frozen=True)
class Issued:
    """One call of `issue`."""

    tenant_id: TenantId
    identity: str
    action: str
    payload_text: str
    options: dict[str, Any]


class ScriptedCommands(CommandService):
    """Returns `outcome`, or raises it. `final`: the result of waiting and cancelling."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.payload_limit_bytes = PAYLOAD_LIMIT_BYTES
        self.guards = CommandGuards()
        self.issued: list[Issued] = []
        self.requests: list[CommandRequest] = []
        self.waited: list[float] = []
        self.outcome: CommandRecord | Exception | None = None
        self.final: CommandRecord | Exception | None = None

    async def issue(
        self, tenant_id: TenantId, request: CommandRequest, *, wait_s: float = 0.0, is_guarded: bool = True
    ) -> CommandRecord:
        options = {
            "timeout_s": request.timeout_s,
            "idempotency_key": request.idempotency_key,
            "issued_by": request.issued_by,
        }
        issued = Issued(tenant_id, request.identity, request.action, request.payload_text, options)
        self.issued.append(issued)
        self.requests.append(request)
        command = _play(self.outcome)
        if wait_s > 0 and command.state in OPEN_COMMAND_STATES:
            return await self.wait(tenant_id, command.id, wait_s)
        return command

    async def wait(self, tenant_id: TenantId, command_id: UUID, seconds: float) -> CommandRecord:
        self.waited.append(seconds)
        return _play(self.final)

    async def cancel(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        return _play(self.final)


def _play(outcome: CommandRecord | Exception | None) -> CommandRecord:
    if isinstance(outcome, Exception):
        raise outcome
    if outcome is None:
        raise AssertionError("the test did not say what to answer")
    return outcome
