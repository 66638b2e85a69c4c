"""The firmware statuses of charge points, and the effect of the commands that hand out updates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar

from app.answers import Handler
from app.clock import Clock
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.connection import Connection
from app.database.database import Database
from app.database.text import clean_text
from app.database.unit_of_work import TenantWork
from app.firmware.records import FirmwareReport
from app.firmware.service.reports import apply_answer, record_report
from app.logs import get_logger
from app.ocpp import v16

_STATUS_LENGTH = 50
"""Characters that are kept of a status. Those of the standard have up to 25."""

_LOG = get_logger(__name__)


def firmware_handlers(database: Database, clock: Clock) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    services = StatusReports(database, clock)
    return {
        "FirmwareStatusNotification": partial(handle_status, services),
        "SignedFirmwareStatusNotification": partial(handle_signed_status, services),
    }


@dataclass(frozen=True, slots=True)
class StatusReports:
    """The dependencies of the handlers."""

    database: Database
    clock: Clock


async def handle_status(
    services: StatusReports, connection: Connection, request: v16.FirmwareStatusNotificationRequest
) -> v16.FirmwareStatusNotificationResponse:
    """Record a status, and confirm it, whether or not a job is known (OCPP 1.6 4.5)."""
    report = FirmwareReport(_text(request["status"]), services.clock.now(), connection.epoch)
    await _record(services, connection, report)
    return {}


async def handle_signed_status(
    services: StatusReports, connection: Connection, request: v16.SignedFirmwareStatusNotificationRequest
) -> v16.SignedFirmwareStatusNotificationResponse:
    """Record a status of signed firmware, and confirm it, whether or not a job is known (L01)."""
    report = FirmwareReport(
        _text(request["status"]),
        services.clock.now(),
        connection.epoch,
        is_signed=True,
        request_id=request.get("requestId"),
    )
    await _record(services, connection, report)
    return {}


async def _record(services: StatusReports, connection: Connection, report: FirmwareReport) -> None:
    async with services.database.tenant(connection.tenant_id) as work:
        known = await record_report(work, connection.identity, connection.charge_point_id, report)
    if not known:
        _LOG.info(
            "firmware_status_of_deleted_charge_point",
            tenant_id=connection.tenant_id,
            charge_point=connection.identity,
        )


def _text(status: str) -> str:
    return clean_text(str(status))[:_STATUS_LENGTH]


class FirmwareCommandEffect:
    """Tells a job how its command ended. A command of an operator makes a job."""

    triggers: ClassVar[Mapping[str, str | None]] = {"UpdateFirmware": None, "SignedUpdateFirmware": None}

    def __init__(self, timeout_s: int) -> None:
        """Make the effect. timeout_s: of the jobs that it makes."""
        self._timeout_s = timeout_s

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change or make the job of a command, and name it on the command. at: when the outcome was known."""
        job = await apply_answer(work, command, outcome, at, self._timeout_s)
        if job is not None:
            effect = {"observed": "firmware_update", "firmware_update": str(job.id)}
            await CommandEffectStore(work).record(command.id, effect)
