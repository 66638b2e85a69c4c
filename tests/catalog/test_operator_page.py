"""Each command of docs/protocols.md, as a user would run it."""

import re
import shutil
from typing import get_args

import pytest

from app.catalog.facts import Confidence
from app.catalog.schemas import Depth, ProtocolFilter
from tests.support.operator_page import OperatorPage

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = OperatorPage("protocols.md")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_show_what_the_page_says(address: str) -> None:
    PAGE.know(SERVER=address)
    everything, feeding, drawn, matrix, oicp, flow, found, keys = [
        await PAGE.run(command) for command in PAGE.commands
    ]
    assert everything["count"] == len(matrix["protocols"]) == 26
    assert "26 protocols" in PAGE.text
    assert "ocpp-21" in [protocol["slug"] for protocol in feeding["protocols"]]
    assert "csms" in [party["key"] for party in drawn["parties"]]
    assert oicp["transport"]["confidence"] in get_args(Confidence)
    assert [message["flow_step"] for message in flow["messages"]] == list(range(1, 11))
    assert found["hits"][0]["name"] == "idTag"
    assert {hit["kind"] for hit in keys["hits"]} == {"configuration_key"}


@pytest.mark.parametrize("name", [*get_args(Depth), *get_args(Confidence), *ProtocolFilter.model_fields])
async def test_the_page_explains_each_value(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| \w+", PAGE.text, re.MULTILINE)
