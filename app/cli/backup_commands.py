"""The subcommands `backup` and `restore`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.cli.help_groups import DATA
from app.cli.invocation import data_directory, load_settings, load_settings_of_existing_data, run


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
    with_pepper: Annotated[
        bool,
        typer.Option(
            "--with-pepper",
            help="Put the pepper into the backup, which then opens its own secrets: guard it.",
        ),
    ] = False,
) -> None:
    """Back up the database and the files. A server may run meanwhile."""
    settings = load_settings_of_existing_data()
    from app.backup.making import make_backup

    manifest = run(make_backup(settings, folder, with_pepper=with_pepper))
    typer.echo(f"The backup is in {folder}: the database and {manifest.files} files.")
    if manifest.files_in_bucket:
        typer.echo("The files are in a bucket, which is not part of it.", err=True)
    if not with_pepper:
        typer.echo(
            "The pepper is not part of it. Keep STATIONMASTER_CREDENTIAL_PEPPER (or the file pepper of the "
            "data directory) in another safe place: without it no password and no key of the backup works.",
            err=True,
        )


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.")],
) -> None:
    """Restore a backup into an empty data directory, or into an empty database of yours."""
    from app.backup.manifest import require_restorable
    from app.backup.restoring import known_pepper, read_backup, restore_backup
    from app.database.revisions import program_revisions

    manifest = read_backup(folder)
    variable = os.environ.get("STATIONMASTER_CREDENTIAL_PEPPER")
    pepper = known_pepper(folder, data_directory(), variable)
    # Before the settings are read: a data directory without a pepper would get a new one.
    pepper = require_restorable(manifest, pepper, program_revisions().known)
    settings = load_settings(credential_pepper=pepper)
    run(restore_backup(settings, folder))
    typer.echo(f"The backup of {manifest.created_at} is restored. Next: `stationmaster serve`.")
    if manifest.files_in_bucket:
        typer.echo("Its files are in the bucket of the server that was backed up.", err=True)


def register_backup_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.command(rich_help_panel=DATA)(backup)
    application.command(rich_help_panel=DATA)(restore)
