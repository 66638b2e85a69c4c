"""Each command of docs/disputed-sessions.md, as an operator would run it."""

import shutil

import pytest

from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-01T10:00:00Z"}
STOP = {"meterStop": 9000, "timestamp": "2026-01-01T11:00:00Z", "transactionId": 77}
SAMPLE = {"timestamp": "2026-01-01T10:30:00Z", "sampledValue": [{"value": "5000"}]}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_end_attach_and_explain(server: GatewayServer) -> None:
    page = OperatorPage("disputed-sessions.md")
    await page.log_in(server)
    await server.register("RDAM-1")
    charger = await server.connect("RDAM-1")
    for number, connector_id in ((1, 1), (2, 2)):
        answer = await charger.call("StartTransaction", {**START, "connectorId": connector_id}, f"a{number}")
        assert answer[2]["transactionId"] == number
    await charger.call("StopTransaction", {**STOP, "transactionData": [SAMPLE]}, "b")
    running, ended, orphans, attached, evidence, samples, audit = page.commands
    assert [item["id"] for item in (await page.run(running))["items"]] == [2, 1]
    shown = await page.run(ended)
    assert (shown["state"], shown["last_meter_wh"]) == ("presumed_ended", 18250)
    [orphan] = (await page.run(orphans))["items"]
    # The only change: the number of the record is another one.
    shown = await page.run(attached.replace('"orphan_record_id": 1', f'"orphan_record_id": {orphan["id"]}'))
    assert (shown["state"], shown["energy_wh"]) == ("stopped", 8000)
    explained = await page.run(evidence)
    assert '"StartTransaction"' in explained["start"]["frame"]
    assert [flag["flag"] for flag in explained["flags"]] == ["replayed", "stop_attached"]
    assert [record["id"] for record in explained["orphan_records"]] == [orphan["id"]]
    [value] = (await page.run(samples))["items"]
    assert value["sampled_values"] == [{"value": "5000"}]
    acts = [entry["act"] for entry in (await page.run(audit))["items"]]
    assert [act for act in acts if act != "log_in"] == ["attach_orphan_record", "end_transaction"]
