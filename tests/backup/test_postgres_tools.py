"""The tools of PostgreSQL: no password on a command line, and one line when they fail."""

from pathlib import Path

import pytest

from app.backup.manifest import BackupError
from app.backup.postgres_tools import find_tool, run_tool
from app.database.address import without_password


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql://me:se%40cret@db:5432/sm", "postgresql://me@db:5432/sm", "se@cret"),
        ("postgresql+asyncpg://me@db/sm?sslmode=require", "postgresql://me@db/sm?sslmode=require", None),
        ("postgresql://postgres@/sm?host=%2Frun", "postgresql://postgres@/sm?host=%2Frun", None),
        ("postgres://db/sm", "postgresql://db/sm", None),
        ("postgresql://db/sm?password=se%40&sslmode=allow", "postgresql://db/sm?sslmode=allow", "se@"),
        ("postgresql://me:se@db/sm?pooler=session", "postgresql://me@db/sm", "se"),
    ],
)
def test_the_password_is_taken_out_of_the_address(url: str, address: str, password: str | None) -> None:
    assert without_password(url) == (address, password)


async def test_a_tool_that_fails_is_one_line(tmp_path: Path) -> None:
    tool = tmp_path / "pg_dump"
    tool.write_text('#!/bin/sh\necho "first: $PGPASSWORD" >&2; echo "second: $*" >&2; exit 1\n')
    tool.chmod(0o700)
    with pytest.raises(
        BackupError, match=r"^pg_dump failed: first: se \| second: --x --dbname=postgresql://me@db/sm$"
    ):
        await run_tool(tool, "postgresql://me:se@db/sm", "--x")


async def test_no_secret_is_put_on_a_command_line(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="would show sslpassword to all users"):
        await run_tool(tmp_path / "pg_dump", "postgresql://me@db/sm?sslpassword=secret&sslkey=/k")


async def test_a_tool_that_is_older_than_the_server_is_not_used(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.3 (Debian 12.3-1)'\n")
    old.chmod(0o700)
    monkeypatch.setattr("app.backup.postgres_tools.shutil.which", lambda name: str(old))
    assert await find_tool("pg_dump", database_url) != old
    monkeypatch.setattr("app.backup.postgres_tools.find_spec", lambda name: None)
    with pytest.raises(BackupError, match=r"no pg_dump of PostgreSQL \d+ on the PATH: install the client"):
        await find_tool("pg_dump", database_url)


async def test_a_database_that_is_not_there_is_named() -> None:
    with pytest.raises(BackupError, match=r"^DATABASE_URL: the database does not answer"):
        await find_tool("pg_dump", "postgresql://me@127.0.0.1:1/none")
