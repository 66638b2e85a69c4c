"""The parts of the console of one worker: what its screens read, from the services that REST uses."""

from app.bulk_commands.service import BulkCommandService
from app.charge_points.fleet_view import FleetView
from app.commands.service import CommandService
from app.console.charge_point import ChargePointScreen
from app.console.command_forms import forms_of
from app.console.commands import CommandScreen
from app.console.fleet import FleetScreen
from app.console.jobs import JobScreen
from app.console.limits_screen import LimitsScreen
from app.console.refused_logins import RefusedLoginScreen
from app.console.timeline import Notes
from app.console.transactions import TransactionScreen
from app.deviations.service import DeviationService
from app.diagnostics.service import DiagnosticsService
from app.files.service import FileService
from app.firmware.service.campaigns import FirmwareCampaignService
from app.firmware.service.updates import FirmwareUpdateService
from app.frame_log.service import FrameLogService
from app.login_attempts.service import LoginAttemptService
from app.ocpp import Protocol, description_of
from app.smart_charging.service import ConnectorScheduleService
from app.transactions.service import TransactionService
from app.web.services import ServiceRegistry


def console_screens(services: ServiceRegistry) -> tuple[object, ...]:
    """Return what the routes of the console ask for. services: those of REST."""
    fleet, transactions = services.get(FleetView), services.get(TransactionService)
    charge_points = fleet.charge_points
    schedules = services.get(ConnectorScheduleService)
    description = description_of(services.get(Protocol))
    return (
        FleetScreen(
            charge_points, fleet, transactions, services.get(LoginAttemptService), charge_points.clock
        ),
        ChargePointScreen(
            charge_points,
            services.get(FrameLogService),
            services.get(CommandService),
            transactions,
            services.get(DeviationService),
            Notes(description),
        ),
        CommandScreen(charge_points, services.get(CommandService), forms_of(description)),
        TransactionScreen(transactions, schedules, charge_points.clock),
        RefusedLoginScreen(services.get(LoginAttemptService), charge_points),
        LimitsScreen(charge_points, schedules, transactions, charge_points.clock),
        JobScreen(
            services.get(FirmwareUpdateService),
            services.get(FirmwareCampaignService),
            services.get(DiagnosticsService),
            services.get(BulkCommandService),
            services.get(FileService),
        ),
    )
