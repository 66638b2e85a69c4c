"""Each request of docs/console.md, as an operator would send it."""

import shutil

import pytest

from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_requests_make_and_lock_a_user(server: GatewayServer) -> None:
    page = OperatorPage("console.md")
    await page.log_in(server, ("read", "command", "write", "admin"))
    create, lock = page.commands
    made = await page.run(create)
    assert (made["name"], made["role"], made["locked"]) == ("ann@example.com", "operator", False)
    assert "/console/links/" in made["login_link"]
    assert (await page.run(lock))["locked"] is True
