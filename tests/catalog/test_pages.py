"""The pages: every fact of the protocol, sound markup, a strict policy, and no link that leads nowhere."""

import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import httpx
import pytest
from fastapi import FastAPI

from app.catalog.catalog import Catalog, ProtocolCatalog
from app.catalog.pages.drawing import draw_flow
from app.catalog.pages.rendering import Pages
from tests.catalog import facts

PAGE = "/protocols/ocpp-16j"
PAGES = [
    "/protocols",
    PAGE,
    f"{PAGE}/messages",
    f"{PAGE}/messages/SetChargingProfile",
    f"{PAGE}/messages/Heartbeat",
    f"{PAGE}/configuration-keys",
    f"{PAGE}/error-codes",
]
_VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Reads the words, elements and links of a page, and checks that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"title", "desc"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.elements)

    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.elements if tag == "a"]

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.elements if "id" in attributes]


async def read(client: httpx.AsyncClient, path: str) -> Reader:
    answer = await client.get(path)
    assert answer.status_code == 200, path
    return Reader(answer.text)


async def test_the_root_leads_to_the_pages(client: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/")
        assert (answer.status_code, answer.headers["location"]) == (307, "/protocols")


async def test_identity_and_adoption_are_on_the_page(client: httpx.AsyncClient) -> None:
    text = (await read(client, PAGE)).text
    for words in (
        "Protocol Ecosystem",
        "OCPP 1.6J",
        "CP2CSMS",
        "Common",
        "Released 2015",
        "1.6J (JSON edition)",
        "Charge Point ↔ CSMS",
        facts.IDENTITY["tagline"],
        facts.IDENTITY["summary"],
        *facts.IDENTITY["tags"],
        "41,000+",
        "deployments",
        facts.ADOPTION["share_text"],
    ):
        assert words in text


async def test_the_matrix_says_each_level_in_words_and_in_a_sign(client: httpx.AsyncClient) -> None:
    text = (await read(client, PAGE)).text
    words = {"supported": "✓ Supported", "partial": "◐ Partial", "not_supported": "— Not supported"}
    rows = [f"{name} {words[level]}" for name, level in facts.CAPABILITIES]
    places = [text.index(row) for row in rows]
    assert places == sorted(places)


async def test_migration_security_and_deployments_are_on_the_page(client: httpx.AsyncClient) -> None:
    text = (await read(client, PAGE)).text
    assert facts.MIGRATION_TEXT in text
    assert all(f"{topic} {words}" in text for topic, words in facts.SECURITY)
    assert facts.DEPLOYMENTS_NOTE in text
    assert all(f"{operator} {words}" in text for operator, words in facts.DEPLOYMENTS)


async def test_the_flow_stands_in_order_as_list_and_as_drawing(client: httpx.AsyncClient) -> None:
    page = await read(client, PAGE)
    assert "10 message types" in page.text
    rows = [f"{step:02} {action} {way} {words}" for step, action, way, words in facts.MESSAGE_FLOW]
    places = [page.text.index(row) for row in rows]
    assert places == sorted(places)
    arrows = [attributes for tag, attributes in page.elements if attributes.get("class", "") == "shaft"]
    assert len(arrows) == 10


async def test_the_links_to_api_and_docs_are_there(client: httpx.AsyncClient) -> None:
    page = await read(client, PAGE)
    for method, path in facts.API_LINKS:
        assert f"{method} {path}" in page.text
        assert path in page.links()
    assert "View API docs →" in page.text
    assert "/docs" in page.links()
    assert "← All protocols" in page.text
    assert "/protocols" in page.links()


def test_the_drawing_points_each_arrow_its_way(protocol: ProtocolCatalog) -> None:
    drawing = draw_flow(facts.IDENTITY["parties"], protocol.protocol.message_flow)
    assert [line.name for line in drawing.lifelines] == facts.IDENTITY["parties"]
    rightwards = [arrow.start_x < arrow.end_x for arrow in drawing.arrows]
    assert rightwards == [way == "CP → CSMS" for _, _, way, _ in facts.MESSAGE_FLOW]
    heights = [arrow.y for arrow in drawing.arrows]
    assert heights == sorted(set(heights))
    assert max(heights) < drawing.height


@pytest.mark.parametrize("path", PAGES)
async def test_structure(client: httpx.AsyncClient, path: str) -> None:
    page = await read(client, path)
    assert (page.count("h1"), page.count("main"), page.count("header"), page.count("footer")) == (1, 1, 1, 1)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.ids()) == len(set(page.ids()))
    assert all(attributes.get("alt") is not None for tag, attributes in page.elements if tag == "img")


@pytest.mark.parametrize("path", PAGES)
async def test_policy(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Reader(answer.text)
    assert page.count("script") == page.count("style") == page.count("iframe") == 0
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [attributes for _, attributes in page.elements if "style" in attributes]
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", answer.text)


async def test_no_link_leads_nowhere(client: httpx.AsyncClient, catalog: Catalog) -> None:
    pages = Pages(catalog).documents
    assert len(pages) == 45
    ids = {path: set(Reader(document.body.decode()).ids()) for path, document in pages.items()}
    leading_out: set[str] = set()
    for path, document in pages.items():
        for link in Reader(document.body.decode()).links():
            target, _, anchor = link.partition("#")
            target = target or path
            if target in pages:
                assert not anchor or anchor in ids[target], (path, link)
            else:
                leading_out.add(target)
    leading_out.remove("/docs")  # served by the composition root
    for target in leading_out:
        assert (await client.get(target)).status_code == 200, target


async def test_the_style_sheet_and_the_icon_are_served(client: httpx.AsyncClient) -> None:
    page = await read(client, "/protocols")
    sheets = [a["href"] or "" for tag, a in page.elements if tag == "link"]
    types = [(await client.get(sheet)).headers["content-type"] for sheet in sheets]
    assert types == ["image/svg+xml", "text/css; charset=utf-8"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_unknown_page_is_a_page_with_a_hint(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, f"{PAGE}/messages/Hartbeat")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    if method == "GET":
        assert f"{PAGE}/messages/Heartbeat" in Reader(answer.text).links()


async def test_what_was_asked_is_escaped(client: httpx.AsyncClient) -> None:
    answer = await client.get("/protocols/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code == 404
    assert "<script" not in answer.text
    assert "<script>alert(1)</script>" in unescape(answer.text)


async def test_a_slash_too_many_leads_back(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PAGE}/")
    assert (answer.status_code, answer.headers["location"]) == (307, PAGE)


async def test_pages_stand_outside_the_api_document(application: FastAPI) -> None:
    assert all(path.startswith("/v1/") for path in application.openapi()["paths"])
