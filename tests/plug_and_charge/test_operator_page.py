"""Each command of docs/plug-and-charge.md, as an operator would run it."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from tests.plug_and_charge.pki import EMAID, Pki, make, wrapped
from tests.support.certification import Station
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage
from tests.support.outgoing import TenantServer
from tests.support.server import Operator


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_set_check_issue_sign_and_install(
    allowing_server: GatewayServer, allowing_operator: Operator, endpoint: TenantServer, contracts: Pki
) -> None:
    page = OperatorPage("plug-and-charge.md")
    root = make("V2G Root", is_authority=True).pem.replace("\n", "\\n")
    await page.log_in(
        allowing_server,
        ("read", "write", "command"),
        ROOTS=contracts.root.pem.replace("\n", "\\n"),
        V2G_ROOTS=root,
        CONTRACTS=endpoint.url,
        AUTHORITY=endpoint.url,
    )
    await allowing_server.register("RDAM-0123")
    client = await allowing_server.connect("RDAM-0123")
    station = Station(allowing_server, allowing_operator, "RDAM-0123", client)
    tag, validation, issue, authority, renew, requests, install, refresh, listed, delete = page.commands
    await page.run(tag)
    await page.run(validation)
    asked = {"idToken": {"idToken": EMAID}, "certificate": contracts.chain}
    conf = await station.call("DataTransfer", wrapped("Authorize", asked))
    assert json.loads(conf["data"])["certificateStatus"] == "Accepted"
    assert (await page.run(issue))["secret"].startswith("whsec_")
    endpoint.answer = {"exiResponse": "AAAA"}
    ask = {"iso15118SchemaVersion": "2", "action": "Install", "exiRequest": "AAAA"}
    conf = await station.call("DataTransfer", wrapped("Get15118EVCertificate", ask))
    assert json.loads(conf["data"]) == {"status": "Accepted", "exiResponse": "AAAA"}
    assert endpoint.received[0].headers["authorization"] == "Bearer 0a1b2c3d"
    assert (await page.run(authority))["secret"].startswith("whsec_")

    async def answered(command: str, data: Any) -> Any:
        running = asyncio.create_task(page.run(command))
        asked = await station.expect("DataTransfer")
        station.answer(asked, {"status": "Accepted", "data": json.dumps(data)})
        return await running

    assert (await answered(renew, {"status": "Accepted"}))["status"] == "Accepted"
    assert (await page.run(requests))["items"] == []
    assert (await answered(install, {"status": "Accepted"}))["status"] == "Accepted"
    assert (await answered(refresh, {"status": "NotFound"}))["status"] == "NotFound"
    assert (await page.run(listed))["status"] == "NotFound"
    assert (await answered(delete, {"status": "NotFound"}))["status"] == "NotFound"
