"""Each command of docs/refused-logins.md, as an operator would run it."""

import shutil

import pytest

from app.login_attempts.records import RefusalReason
from tests.gateway.conftest import server
from tests.support.gateway import KEY, GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_find_the_mistake_and_correct_it(server: GatewayServer) -> None:
    page = OperatorPage("refused-logins.md")
    await page.log_in(server)
    await server.register("RDAM-1")
    assert (await server.attempt("RDAM-1", password=b"wrong")).response.status == 401
    assert (await server.attempt("rdam-1", password=KEY)).response.status == 401
    await server.refused.flush()
    answers = []
    for command in page.commands:
        answers.append(await page.run(command))
        if "credentials" in command:
            new = bytes.fromhex(answers[-1]["password"])
            assert (await server.attempt("RDAM-1", password=new)).response.status == 101
    one, everything, wrong, _, seen = answers
    assert [item["reason"] for item in one["items"]] == ["credential_wrong"]
    assert [item["reason"] for item in everything["items"]] == ["identity_case", "credential_wrong"]
    assert [item["identity"] for item in wrong["items"]] == ["RDAM-1"]
    assert (seen["connected"], seen["flapping"]) == (True, False)


def test_the_page_names_each_reason() -> None:
    text = OperatorPage("refused-logins.md").text
    assert [reason for reason in RefusalReason if f"`{reason}`" not in text] == []
