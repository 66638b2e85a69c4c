"""The pages for programs: Markdown twins by path and by `Accept`, and `/llms.txt`."""

import re

import httpx
import pytest

from app.catalog.catalog import Catalog
from app.catalog.pages.markdown import markdown_of
from app.catalog.pages.rendering import Pages

PAGES = [
    "/protocols",
    "/protocols/ocpp-16j",
    "/protocols/ocpp-16j/messages",
    "/protocols/ocpp-16j/messages/SetChargingProfile",
    "/protocols/ocpp-16j/configuration-keys",
    "/protocols/ocpp-16j/error-codes",
    "/protocols/ocpp-16j/deviations",
    "/protocols/ocpp-16j/validator",
]


@pytest.mark.parametrize("path", PAGES)
async def test_a_twin_is_the_page_in_markdown(client: httpx.AsyncClient, path: str) -> None:
    twin = await client.get(f"{path}.md")
    assert (twin.status_code, twin.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert len(re.findall("^# ", twin.text, re.MULTILINE)) == 1
    assert not re.search(r"</?[a-z]+[ >]", re.sub(r"```.*?```|`[^`]*`", "", twin.text, flags=re.DOTALL))
    asked = await client.get(path, headers={"Accept": "text/markdown"})
    assert asked.text == twin.text
    page = await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in page.headers["vary"].split(", ")
    assert page.headers["etag"] != twin.headers["etag"]


async def test_the_facts_of_the_protocol_are_in_its_twin(client: httpx.AsyncClient) -> None:
    text = (await client.get("/protocols/ocpp-16j.md")).text
    assert "# OCPP 1.6J" in text
    assert "## Capability matrix" in text
    assert "| Capability | Level |\n| --- | --- |\n| Remote start / stop | Supported |\n" in text
    assert "**[BootNotification](/protocols/ocpp-16j/messages/BootNotification.md)**" in text


async def test_a_message_has_its_fields_and_examples(client: httpx.AsyncClient) -> None:
    text = (await client.get("/protocols/ocpp-16j/messages/BootNotification.md")).text
    assert re.search("^- `chargePointModel` .*required.*at most 20 characters", text, re.MULTILINE)
    assert re.search(r'^```\n\{\n  "chargePoint(Model|Vendor)": ', text, re.MULTILINE)


async def test_no_link_of_a_twin_leads_nowhere(client: httpx.AsyncClient, catalog: Catalog) -> None:
    pages = Pages(catalog)
    targets = {
        target.partition("#")[0]
        for path in pages.documents
        for target in re.findall(r"\]\(([^)#][^)]*)\)", pages.markdown(path).body.decode())
    }
    assert len(targets) > 100
    for target in targets - {"/docs", "/openapi.json"}:
        # Sources are elsewhere.
        if not target.startswith("https://"):
            assert (await client.get(target)).status_code == 200, target


async def test_llms_txt_lists_what_is_there(client: httpx.AsyncClient) -> None:
    answer = await client.get("/llms.txt")
    assert (answer.status_code, answer.text.splitlines()[0]) == (200, "# Stationmaster")
    links = re.findall(r"\]\(([^)]+)\)", answer.text)
    assert "/protocols/ocpp-16j.md" in links
    for link in links:
        if link.endswith(".md"):
            assert (await client.get(link)).status_code == 200, link


async def test_a_twin_of_nothing_is_not_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/protocols/nothing.md")).status_code == 404


def test_elements_become_marks() -> None:
    html = (
        "<nav>no</nav><main><h1>A <code>b</code></h1><p>One\n two <a href='/x'>three</a></p>"
        "<ul><li><p>four</p><p>five</p></li><li>six <span aria-hidden='true'>no</span></li></ul>"
        "<dl><dt>seven</dt><dd>eight</dd></dl>"
        "<table><tr><th>nine</th><td>ten</td></tr></table><pre><code>{\n  1\n}</code></pre>"
        "<svg><text>no</text></svg><img src='y'><p><strong>end</strong></p></main><p>no</p>"
    )
    assert markdown_of(html, lambda target: f"{target}.md") == (
        "# A `b`\n\nOne two [three](/x.md)\n\n"
        "- four five\n- six\n- seven: eight\n\n| nine | ten |\n| --- | --- |\n\n"
        "```\n{\n  1\n}\n```\n\n**end**\n"
    )
