"""The parts of diagnostics of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.diagnostics.handlers import StatusNotes, diagnostics_handlers
from app.diagnostics.service import DiagnosticsService, UploadNotes
from app.diagnostics.sweeper import DiagnosticsSweeper
from app.files.service import FileService
from app.settings import Settings


def diagnostics_capability(
    database: Database, commands: CommandService, files: FileService, clock: Clock, settings: Settings
) -> Capability:
    """Put the parts together. files: tells of uploads from now on."""
    service = DiagnosticsService(database, commands, files, clock, settings)
    files.listeners.append(UploadNotes())
    return Capability(
        services=(service,),
        handlers=diagnostics_handlers(StatusNotes(database, clock)),
        tasks=(DiagnosticsSweeper(database, service, clock),),
    )
