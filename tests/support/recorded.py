"""Stores rows as the application does, for tests that begin in the middle."""

from dataclasses import asdict

from sqlalchemy import insert

from app.commands import tables as command_tables
from app.commands.records import CommandRecord
from app.database.unit_of_work import TenantWork


async def put_command(work: TenantWork, command: CommandRecord) -> CommandRecord:
    """Store a command in any state, and return it."""
    values = asdict(command)
    # Of the charge point.
    del values["identity"]
    await work.connection.execute(insert(command_tables.commands).values(values))
    return command
