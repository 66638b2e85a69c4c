"""Each line of the owner's page, `tests/vectors/protocol_page.txt`, is in the JSON of its protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.catalog import ROOT

LINES = (Path(__file__).parents[1] / "vectors" / "protocol_page.txt").read_text("utf-8").splitlines()


def leaves(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member)
    elif isinstance(value, str):
        yield value


def is_made_of(line: str, texts: set[str]) -> bool:
    """Say whether a line is a row of whole texts, with or without a space between them."""
    reached = {0}
    for place in range(len(line)):
        if place in reached:
            if line[place] == " ":
                reached.add(place + 1)
            reached |= {place + len(text) for text in texts if text and line.startswith(text, place)}
    return len(line) in reached


@pytest.mark.parametrize("line", [line for line in LINES if line.strip()])
async def test_the_line_is_in_the_answer(client: httpx.AsyncClient, line: str) -> None:
    texts = set(leaves((await client.get(ROOT)).json()))
    assert is_made_of(line.strip(), texts)


@pytest.mark.parametrize(
    "line", ["42,000+ deployments", "TLS (mandatory) ✓ Supporte", "OCPP 1.6 J", "Migration"]
)
async def test_another_line_is_not(client: httpx.AsyncClient, line: str) -> None:
    assert not is_made_of(line, set(leaves((await client.get(ROOT)).json())))


async def test_the_flow_is_listed_in_the_order_and_the_words_of_the_page(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{ROOT}/messages?flow=true")).json()
    start = LINES.index("01")
    steps = [LINES[start + 3 * place : start + 3 * place + 3] for place in range(10)]
    assert listed["filter"]["flow"] is True
    assert [
        [
            f"{message['flow_step']:02}",
            f"{message['action']} {message['direction_text']}",
            message["flow_text"],
        ]
        for message in listed["messages"]
    ] == steps


async def test_other_filters_narrow_the_flow(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{ROOT}/messages?flow=true&direction=csms-to-cp")).json()
    actions = [message["action"] for message in listed["messages"]]
    assert actions == ["SetChargingProfile", "RemoteStartTransaction", "ChangeConfiguration"]
