"""Reads what limits a connector for the screen "Why so slow?", through the services that REST uses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.charge_points.service import ChargePointService
from app.clock import Clock
from app.commands.records import CommandRecord
from app.console.fleet import ShownConnector, shown_connector
from app.console.limits import ShownLimit, Unit, Verdict, in_force, limits_of, verdict
from app.smart_charging.drift import Drift
from app.smart_charging.expected_schedule import ScheduleOptions
from app.smart_charging.measured import drawn_power_w, measured_over_time
from app.smart_charging.service import AskOptions, ConnectorQuestion, ConnectorScheduleService
from app.transactions.service import TransactionService
from app.types import TenantId
from app.users.records import SignedIn

ANSWER_WAIT_S: Final = 10
"""Seconds for which a page waits for the charge point."""
_PAST: Final = 1 / 3
"""The part of the picture that lies before now."""


@dataclass(frozen=True, slots=True)
class LimitsQuestion:
    """The subject of the page. hours: how much time it shows, a third of it before now."""

    identity: str
    connector_id: int
    unit: Unit
    hours: int

    def window(self, now: datetime) -> tuple[datetime, int]:
        """Return the start of the picture and its length in seconds."""
        past = timedelta(hours=self.hours * _PAST)
        return (now - past).replace(microsecond=0), self.hours * 3600

    def at(self, start: datetime | None, duration_s: int) -> ConnectorQuestion:
        """Return the question to the service. start None: now."""
        options = ScheduleOptions(duration_s, self.unit, assume_transaction=True)
        return ConnectorQuestion(self.identity, self.connector_id, start, options)


@dataclass(frozen=True, slots=True)
class ShownLimits:
    """The limits of a connector from now on.

    now: the limit in force; drawn: what the newest sample of its transaction says, in the unit of the limits;
    certain: whether all answers about its profiles are known; command, drift: the charge point's own answer.
    """

    limits: Sequence[ShownLimit]
    now: ShownLimit | None
    drawn: float | None
    verdict: Verdict
    certain: bool
    command: CommandRecord | None
    drift: Drift | None


@dataclass(frozen=True, slots=True)
class LimitsScreen:
    """Reads what limits a connector, and asks the charge point for its own schedule."""

    charge_points: ChargePointService
    schedules: ConnectorScheduleService
    transactions: TransactionService
    clock: Clock

    async def connectors(self, tenant_id: TenantId, identity: str) -> list[ShownConnector]:
        """Return the connectors of a charge point but 0, with the power of those that charge.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        point = (await self.charge_points.get(tenant_id, identity)).row
        rows = await self.transactions.newest_power(tenant_id, [point["id"]])
        power = {row.connector_id: drawn_power_w(row) for row in rows}
        found = await self.charge_points.connectors(tenant_id, identity)
        return [shown_connector(row, power.get(row["connector_id"])) for row in found if row["connector_id"]]

    async def limits(
        self, tenant_id: TenantId, asked: LimitsQuestion, command_id: UUID | None
    ) -> ShownLimits:
        """Return what limits a connector. command_id: the command that asked for its own schedule.

        Raises:
            NotFound: the tenant has no such charge point, or no such command.
            InvalidInput: the schedule cannot be computed.
        """
        now = self.clock.now()
        question = asked.at(*asked.window(now))
        if command_id is None:
            compared = await self.schedules.compare(tenant_id, question, None)
        else:
            compared = await self.schedules.compare_answer(tenant_id, question, command_id)
        limits = limits_of(compared.ours)
        present, drawn = in_force(limits, now), await self._drawn(tenant_id, asked)
        return ShownLimits(
            limits=[replace(limit, start=max(limit.start, now)) for limit in limits if limit.end > now],
            now=present,
            drawn=drawn,
            verdict=verdict(present, drawn),
            certain=compared.certain,
            command=compared.command,
            drift=compared.drift,
        )

    async def picture(self, tenant_id: TenantId, asked: LimitsQuestion, command_id: UUID | None) -> str:
        """Return the picture of the limits, the profiles, the answer and the measured values as SVG.

        Raises:
            NotFound: the tenant has no such charge point, or no such command.
            InvalidInput: there is too much to compute or to draw.
        """
        question = asked.at(*asked.window(self.clock.now()))
        return await self.schedules.draw(tenant_id, question, command_id)

    async def ask(self, person: SignedIn, asked: LimitsQuestion) -> CommandRecord:
        """Ask the charge point for its own schedule from now on, and wait for its answer.

        Raises:
            NotFound: the tenant has no such charge point.
            Conflict, TooManyRequests, Unavailable: as `CommandService.issue`.
        """
        question = asked.at(None, round(asked.hours * 3600 * (1 - _PAST)))
        ask = AskOptions(person.actor, ANSWER_WAIT_S)
        compared = await self.schedules.compare(person.tenant_id, question, ask)
        if compared.command is None:
            raise AssertionError("a comparison that asks has a command")
        return compared.command

    async def _drawn(self, tenant_id: TenantId, asked: LimitsQuestion) -> float | None:
        point = (await self.charge_points.get(tenant_id, asked.identity)).row
        newest = await self.transactions.newest_power(tenant_id, [point["id"]])
        own = [row for row in newest if row.connector_id == asked.connector_id]
        measured = measured_over_time(own, asked.unit)
        return measured[-1].amount if measured else None
