"""Makes a backup, next to a server that runs or without one."""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg

from app.backup.manifest import DUMP, FILES, FORMAT, MANIFEST, PEPPER, BackupError, Manifest
from app.backup.postgres_tools import connected, find_tool, run_tool
from app.files.parts import FOLDER
from app.health.pepper import pepper_mark
from app.server.running import running_engines
from app.settings import Settings


async def make_backup(settings: Settings, target: Path, *, with_pepper: bool) -> Manifest:
    """Write a backup into a new folder that only this user can read.

    with_pepper: then the backup alone is enough to check passwords and to read the secrets of tenants.

    Raises:
        BackupError: the folder exists, cannot be written, or a tool of PostgreSQL fails.
    """
    partial = target.with_name(f"{target.name}.partial")
    for path in (target, partial):
        if path.exists():
            raise BackupError(f"{path} exists: name a new folder")
    try:
        partial.mkdir(mode=0o700, parents=True)
        manifest = await _fill(settings, partial, with_pepper)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise BackupError(f"{error.filename or target}: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


async def _fill(settings: Settings, folder: Path, with_pepper: bool) -> Manifest:
    async with running_engines(settings, with_redis=False) as complete:
        url = str(complete.database_url)
        schema = await _schema(url)
        await run_tool(
            await find_tool("pg_dump", url),
            url,
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={folder / DUMP}",
        )
    # After the dump, which names no file that came later. A file that was deleted meanwhile is not missed.
    is_in_bucket = settings.file_s3_bucket is not None
    source = settings.data_directory / FOLDER
    files = 0 if is_in_bucket else await asyncio.to_thread(copy_files, source, folder / FILES)
    if with_pepper:
        write_private(folder / PEPPER, settings.credential_pepper + "\n")
    manifest = Manifest(
        format=FORMAT,
        version=version("stationmaster"),
        schema=schema,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        pepper_mark=pepper_mark(settings.credential_pepper),
        files=files,
        files_in_bucket=is_in_bucket,
    )
    write_private(folder / MANIFEST, manifest.encoded())
    return manifest


async def _schema(url: str) -> str:
    async with connected(url) as connection:
        try:
            return str(await connection.fetchval("select version_num from alembic_version"))
        except asyncpg.UndefinedTableError:
            raise BackupError("the database is empty") from None


def copy_files(source: Path, target: Path) -> int:
    """Copy a folder with everything below it, and return the number of files. It may not exist."""
    copied = 0
    for path in sorted(source.rglob("*")):
        if not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            shutil.copy2(path, place)
        except FileNotFoundError:
            continue
        copied += 1
    return copied


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user can read, and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
