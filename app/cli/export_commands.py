"""The subcommand `export`."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.help_groups import DATA
from app.cli.invocation import load_settings_of_existing_data, with_database

if TYPE_CHECKING:
    from app.database.database import Database


def export(
    to: Annotated[
        Path | None,
        typer.Option(help="A folder for the files; default: the bucket of STATIONMASTER_FILE_S3_BUCKET."),
    ] = None,
) -> None:
    """Export the meter values of ended months as Parquet files; drop months that are over their time.

    Months are dropped only if STATIONMASTER_METER_VALUES_RETENTION_DAYS is set.
    """
    from app.exports.errors import ExportError

    if find_spec("arro3") is None or find_spec("arro3.io") is None:
        raise ExportError("export needs the packages of Apache Arrow: pip install 'stationmaster[export]'")
    settings = load_settings_of_existing_data()
    from app.clock import SystemClock
    from app.exports.destinations import destination_of
    from app.exports.service import MeterValueExport

    destination = destination_of(to, settings)

    async def work(database: "Database") -> None:
        retention_days = settings.meter_values_retention_days
        await MeterValueExport(database, destination, retention_days, SystemClock(), typer.echo).run()

    with_database(settings, work)


def register_export_commands(application: typer.Typer) -> None:
    """Add this subcommand to the application."""
    application.command(rich_help_panel=DATA)(export)
