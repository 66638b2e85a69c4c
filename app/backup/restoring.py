"""Restores a backup into an empty place: a new data directory, or an empty database of the operator."""

import asyncio
from pathlib import Path

from app.backup.making import copy_files, write_private
from app.backup.manifest import DUMP, FILES, MANIFEST, PEPPER, BackupError, Manifest, read_manifest
from app.backup.postgres_tools import connected, find_tool, run_tool
from app.files.parts import FOLDER
from app.server.migration import bring_up_to_date
from app.server.running import running_engines
from app.settings import Settings

_TABLES = "select count(*) from pg_tables where schemaname = 'public'"


def read_backup(source: Path) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        BackupError: the folder is not a complete backup.
    """
    try:
        manifest = read_manifest((source / MANIFEST).read_text("utf-8"))
    except OSError:
        raise BackupError(f"{source} is not a backup: it has no {MANIFEST}") from None
    if not (source / DUMP).is_file():
        raise BackupError(f"{source / DUMP} is missing")
    return manifest


def known_pepper(source: Path, data_directory: Path, variable: str | None) -> str | None:
    """Return the pepper that a restored server will use, None if nothing tells it.

    variable: STATIONMASTER_CREDENTIAL_PEPPER, which has precedence, as for a server.
    """
    if variable:
        return variable
    for path in (data_directory / PEPPER, source / PEPPER):
        if path.is_file():
            return path.read_text().strip()
    return None


async def restore_backup(settings: Settings, source: Path) -> None:
    """Restore a backup, then migrate it to the newest schema.

    settings: with the pepper of the backup.

    Raises:
        BackupError: the database or the folder of files is not empty, or a tool of PostgreSQL fails.
    """
    files = settings.data_directory / FOLDER
    if files.exists() and any(files.iterdir()):
        raise BackupError(f"{files} is not empty: restore into a new data directory")
    if settings.database_url is None:
        _keep_pepper(settings)
    async with running_engines(settings, with_redis=False) as complete:
        url = str(complete.database_url)
        await _require_empty(url)
        await run_tool(
            await find_tool("pg_restore", url),
            url,
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            str(source / DUMP),
        )
        await asyncio.to_thread(copy_files, source / FILES, files)
        await bring_up_to_date(url, settings.credential_pepper)


def _keep_pepper(settings: Settings) -> None:
    """Write the pepper where a server looks for it. Otherwise it would make another one."""
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    path = settings.data_directory / PEPPER
    if not path.exists():
        write_private(path, settings.credential_pepper)


async def _require_empty(url: str) -> None:
    async with connected(url) as connection:
        tables = await connection.fetchval(_TABLES)
    if tables:
        raise BackupError("the database is not empty: restore into a new data directory or a new database")
