"""Reads and issues commands for their screens, through the service that REST uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from app.charge_points.service import ChargePointService, LiveChargePoint
from app.commands.expected_effects import EXPECTED
from app.commands.records import CommandFilter, CommandRecord, CommandRequest
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import STATE_TEXTS, effect_text
from app.commands.service import CommandService
from app.console.command_forms import CommandForm
from app.console.input_fields import payload_of
from app.errors import NotFound
from app.types import TenantId
from app.users.records import SignedIn

LISTED: Final = 50
"""Commands of one page."""


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command on a page. is_settled: nothing more is expected of it."""

    record: CommandRecord
    state_text: str
    effect_text: str
    is_open: bool
    is_settled: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class CommandScreen:
    """Reads and issues commands. forms: of all actions, by action."""

    charge_points: ChargePointService
    commands: CommandService
    forms: Mapping[str, CommandForm]

    def form(self, action: str) -> CommandForm:
        """Return the form of an action.

        Raises:
            NotFound: the central system sends no such action.
        """
        form = self.forms.get(action)
        if form is None:
            raise NotFound(f"The central system sends no {action!r}.", "action")
        return form

    def forms_by_profile(self) -> dict[str, list[CommandForm]]:
        """Return all forms by the name of their feature profile, in the order of the standard."""
        groups: dict[str, list[CommandForm]] = {}
        for form in self.forms.values():
            groups.setdefault(form.profile, []).append(form)
        return groups

    async def charge_point(self, tenant_id: TenantId, identity: str) -> LiveChargePoint:
        """Return a charge point.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        return await self.charge_points.get(tenant_id, identity)

    async def issue(
        self,
        person: SignedIn,
        identity: str,
        form: CommandForm,
        given: Mapping[str, Sequence[str]],
        idempotency_key: str,
    ) -> CommandRecord:
        """Issue the command that a form describes. The same key again gives the same command.

        Raises:
            InvalidInput: a value breaks a rule of the standard; each violation has the pointer of its field.
            AppError: see `CommandService.issue`.
        """
        request = CommandRequest(
            identity=identity,
            action=form.action,
            payload_text=orjson.dumps(payload_of(form.groups, given)).decode(),
            issued_by=person.actor,
            idempotency_key=idempotency_key,
        )
        return await self.commands.issue(person.tenant_id, request)

    async def newest(self, tenant_id: TenantId, identity: str | None = None) -> list[ShownCommand]:
        """Return the newest commands. identity: of one charge point only."""
        return await self.narrowed(tenant_id, CommandFilter(identity))

    async def narrowed(self, tenant_id: TenantId, filters: CommandFilter) -> list[ShownCommand]:
        """Return the newest commands of those that a filter leaves."""
        found = await self.commands.page(tenant_id, LISTED, None, filters)
        return [shown(record) for record in found]

    async def get(self, tenant_id: TenantId, command_id: UUID) -> ShownCommand:
        """Return one command.

        Raises:
            NotFound: the tenant has no such command.
        """
        return shown(await self.commands.get(tenant_id, command_id))

    async def cancel(self, tenant_id: TenantId, command_id: UUID) -> None:
        """Cancel a command that was not sent yet.

        Raises:
            AppError: see `CommandService.cancel`.
        """
        await self.commands.cancel(tenant_id, command_id)


def shown(record: CommandRecord) -> ShownCommand:
    """Return a command as pages show it."""
    is_open = record.state in OPEN_COMMAND_STATES
    may_have_effect = record.action in EXPECTED and record.state in ("accepted", "timed_out", "call_error")
    return ShownCommand(
        record=record,
        state_text=STATE_TEXTS[record.state],
        effect_text=effect_text(record.action, None),
        is_open=is_open,
        is_settled=not is_open and (record.effect is not None or not may_have_effect),
        failed=not is_open and record.state != "accepted",
    )
