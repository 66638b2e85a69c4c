"""docs/messages.md names each message and only operations that exist."""

import re
from typing import Any

import httpx

from tests.support.api import Api
from tests.support.operator_page import DOCS

PAGE = (DOCS / "messages.md").read_text("utf-8")
BASE = "/v1/charge-points/{identity}"


def rows(heading: str) -> list[str]:
    """Return the first cells of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| ([A-Z]\w+) \|", section, re.MULTILINE)


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return method and path of each operation of the API."""
    return {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    }


async def test_the_page_has_each_message_once(client: httpx.AsyncClient) -> None:
    for heading, direction in (
        ("Messages of charge points", "cp-to-csms"),
        ("Commands of the central system", "csms-to-cp"),
    ):
        answer = await client.get(f"/v1/protocols/ocpp-16j/messages?direction={direction}")
        actions = [message["action"] for message in answer.json()["messages"]]
        assert sorted(rows(heading)) == sorted(actions)


async def test_each_operation_of_the_page_exists(api: Api) -> None:
    document = (await api.call("GET", "/openapi.json")).json()
    named = set()
    for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) ([^`?]+)", PAGE):
        named.add((method, path.strip().replace("...", BASE).removesuffix("/")))
    # The documentation of the API has an operation for each action.
    named.discard(("POST", f"{BASE}/commands/{{action}}"))
    assert len(named) > 30
    assert sorted(named - operations(document)) == []
