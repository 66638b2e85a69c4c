"""Each command of docs/external-authorization.md, as an operator would run it."""

import re
import shutil
from typing import Any

import pytest

from app.authorization_webhooks.records import AnswerFault
from app.outgoing.records import OutgoingFailure
from tests.authorization_webhooks.test_charge_points import apps, server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage
from tests.support.outgoing import tenant_server

__all__ = ["apps", "server"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_set_test_and_remove_a_webhook(server: GatewayServer) -> None:
    page = OperatorPage("external-authorization.md")
    [snippet] = re.findall(r"^```python\n(.+?)^```", page.text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - the page of this repository
    async with tenant_server() as endpoint:
        await page.log_in(server, WEBHOOK=endpoint.url)
        put, ask, listed, failures, replace, remove = page.commands
        secret = (await page.run(put))["secret"]
        tested = await page.run(ask)
        assert (tested["status"], tested["decided_by"]) == ("Accepted", "webhook")
        [received] = endpoint.received
        assert names["is_genuine"](secret, received.headers, received.body)
        assert not names["is_genuine"](secret, received.headers, received.body + b" ")
        assert not names["is_genuine"](secret, received.headers, received.body, now=0.0)
        endpoint.mode = "500"
        await page.run(ask)
        await server.services.authorization.attempts.flush()
        assert [one["reason"] for one in (await page.run(listed))["items"]] == ["http_status", None]
        assert (await page.run(failures))["items"] == []
        new = (await page.run(replace))["secret"]
        endpoint.mode = "right"
        await page.run(ask)
        last = endpoint.received[-1]
        assert all(names["is_genuine"](one, last.headers, last.body) for one in (secret, new))
        assert await page.run(remove) == 204


def test_the_page_names_each_reason() -> None:
    text = OperatorPage("external-authorization.md").text
    assert [reason for reason in (*OutgoingFailure, *AnswerFault) if f"`{reason}`" not in text] == []
