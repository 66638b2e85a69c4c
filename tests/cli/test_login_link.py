"""`stationmaster login-link`, as docs/console.md has it."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.users.store import UserStore

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "console.md"
LINK = re.compile(r"http://127\.0\.0\.1:8080/console/links/[\w-]{43}\n")


async def run(settings: Settings, *arguments: str) -> tuple[int | None, str, str]:
    """Run a subcommand on the database of the tests."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        env={**os.environ, **settings.environment()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_the_command_of_the_page_prints_a_link(
    settings: Settings, storage: Storage, tenant: TenantRecord
) -> None:
    [command] = re.findall(r"^\$ stationmaster (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    arguments = command.replace("--tenant demo", f"--tenant {tenant.slug}").split()
    code, output, errors = await run(settings, *arguments)
    assert (code, errors) == (0, "")
    assert LINK.fullmatch(output)
    async with storage.database.tenant(TenantId(tenant.id)) as work:
        [user] = await UserStore(work).list()
    assert (user.name, user.role, user.password_hash) == ("admin", "admin", None)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--tenant", "no-such-tenant"), 1, "There is no tenant 'no-such-tenant'."),
        (
            ("--tenant", "demo", "--url", "charge.example.com"),
            2,
            "--url: must begin with http:// or https://",
        ),
        (("--tenant", "demo", "--url", "https://h?x=1"), 2, "--url: must be a URL with a host"),
        (("--tenant", "demo", "--url", "https://h:99999"), 2, "--url: must have a host, and a port"),
        (("--tenant", "demo", "--url", "https://h\x1b[2J"), 2, "--url: must be printable ASCII"),
        (("--tenant", "demo", "--user", "Ann Smith"), 2, "must be 1 to 100 of a-z, 0-9 and . _ @ + -"),
    ],
)
async def test_a_wrong_argument_is_one_line(
    settings: Settings, arguments: tuple[str, ...], code: int, text: str
) -> None:
    found, output, errors = await run(settings, "login-link", *arguments)
    assert (found, output) == (code, "")
    assert text in errors
    assert errors.count("\n") == 1
