"""The pages: every fact of the protocol, sound markup, a strict policy, and no link that leads nowhere."""

import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from math import hypot

import httpx
import pytest
from fastapi import FastAPI

from app.catalog.catalog import Catalog, ProtocolCatalog
from app.catalog.overview import make_map
from app.catalog.pages.drawing import draw_flow
from app.catalog.pages.map_drawing import ConnectionLine, MapDrawing, draw_map
from app.catalog.pages.rendering import Pages
from tests.catalog import facts

PAGE = "/protocols/ocpp-16j"
PAGES = [
    "/protocols",
    "/protocols?q=idTag&family=CP2CSMS",
    "/protocols/map",
    "/protocols/matrix",
    "/protocols/ocpp-201",
    "/protocols/iec-63110",
    PAGE,
    f"{PAGE}/messages",
    f"{PAGE}/messages/SetChargingProfile",
    f"{PAGE}/messages/Heartbeat",
    f"{PAGE}/configuration-keys",
    f"{PAGE}/error-codes",
]
CHIP = ("a", "chip strong")
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
    matrix = text.partition("Capability Level")[2].partition("Migration intelligence")[0]
    rest = matrix
    for name, level in facts.CAPABILITIES:
        before, found, rest = rest.partition(words[level])
        assert found, name
        assert name in before
        assert not any(other in before for other in words.values()), name


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
    loaded = [attributes for tag, attributes in page.elements if tag != "a"]
    assert not [
        address
        for attributes in loaded
        for address in (attributes.get("src"), attributes.get("href"))
        if address and not re.match(r"/[^/]", address)
    ]


async def test_the_list_is_filtered_by_a_form_without_script(client: httpx.AsyncClient) -> None:
    everything = await read(client, "/protocols")
    (form,) = [attributes for tag, attributes in everything.elements if tag == "form"]
    assert (form["action"], form["method"]) == ("/protocols", "get")
    policy = (await client.get("/protocols")).headers["content-security-policy"]
    assert "form-action 'self'" in policy
    named = [attributes["name"] for tag, attributes in everything.elements if tag in ("input", "select")]
    assert named == ["q", "family", "party", "depth", "capability"]
    labelled = {attributes["for"] for tag, attributes in everything.elements if tag == "label"}
    assert labelled == {f"filter-{name}" for name in named}
    filtered = await read(client, "/protocols?q=&family=CSMS2DSO&party=utility&depth=&capability=")
    cards = [link for link in filtered.links() if re.fullmatch(r"/protocols/(?!map|matrix)[a-z0-9-]+", link)]
    assert cards == ["/protocols/openadr-3", "/protocols/openadr-20b"]
    chosen = [attributes["value"] for _, attributes in filtered.elements if "selected" in attributes]
    assert chosen == ["CSMS2DSO", "utility"]


async def test_a_text_finds_messages_fields_and_keys_too(client: httpx.AsyncClient) -> None:
    page = await read(client, "/protocols?q=reservationId")
    assert "0 protocols" in page.text
    assert "/protocols/ocpp-16j/messages/ReserveNow#request" in page.links()
    nothing = await read(client, "/protocols?q=%3Cscript%3E")
    assert "Nothing matches." in nothing.text
    assert nothing.count("script") == 0


@pytest.mark.parametrize("query", ["utm=1", "depth=deep", "capability=x&q="])
async def test_a_wrong_filter_of_a_page_filters_nothing(client: httpx.AsyncClient, query: str) -> None:
    plain, asked = await client.get("/protocols"), await client.get(f"/protocols?{query}")
    assert (asked.status_code, asked.headers["etag"]) == (200, plain.headers["etag"])


async def test_a_page_says_how_sure_each_fact_is(client: httpx.AsyncClient) -> None:
    page = await read(client, PAGE)
    assert "41,000+ deployments 62% of mapped EU DC chargers as stated by 1" in page.text
    card = await read(client, "/protocols/iec-63110")
    assert "Not fixed in part 1 general knowledge" in card.text
    assert "No figure of its adoption is known." in card.text
    assert "Later parts date not known" in card.text


async def test_the_migration_leads_to_the_next_protocol(client: httpx.AsyncClient) -> None:
    page = await read(client, PAGE)
    chips = [attributes for tag, attributes in page.elements if (tag, attributes.get("class")) == CHIP]
    assert [chip["href"] for chip in chips] == ["/protocols/ocpp-201"]


def test_the_map_has_a_box_for_each_party_and_no_line_through_a_third_one(catalog: Catalog) -> None:
    drawn = make_map(catalog)
    drawing = draw_map(drawn.parties, drawn.edges)
    places = {box.key: (box.x, box.y) for box in drawing.boxes}
    assert len(set(places.values())) == len(drawn.parties) == 11
    assert {line.number for line in drawing.lines} == {edge.number for edge in drawn.edges}
    for line in drawing.lines:
        assert not [key for key, place in places.items() if _crosses(line, place, drawing)], line.words
    numbers = [(line.number_x, line.number_y) for line in drawing.lines]
    assert all(
        hypot(one[0] - other[0], one[1] - other[1]) >= 24
        for place, one in enumerate(numbers)
        for other in numbers[:place]
    ), "numbers do not cover each other"


def _crosses(line: ConnectionLine, place: tuple[int, int], drawing: MapDrawing) -> bool:
    """Say whether a line runs through the box at this place, and neither starts nor ends there."""
    half_width, half_height = drawing.box_width / 2, drawing.box_height / 2

    def inside(x: float, y: float) -> bool:
        return abs(x - place[0]) <= half_width and abs(y - place[1]) <= half_height

    if inside(line.x1, line.y1) or inside(line.x2, line.y2):
        return False
    steps = [step / 100 for step in range(101)]
    return any(
        inside(line.x1 + (line.x2 - line.x1) * part, line.y1 + (line.y2 - line.y1) * part) for part in steps
    )


async def test_no_link_leads_nowhere(client: httpx.AsyncClient, catalog: Catalog) -> None:
    pages = Pages(catalog).documents
    assert len(pages) == 236
    ids = {path: set(Reader(document.body.decode()).ids()) for path, document in pages.items()}
    leading_out: set[str] = set()
    for path, document in pages.items():
        for link in Reader(document.body.decode()).links():
            target, _, anchor = link.partition("#")
            target = target or path
            if target in pages:
                assert not anchor or anchor in ids[target], (path, link)
            elif not target.startswith("https://"):
                leading_out.add(target)
    leading_out -= {"/docs", "/docs#/Protocol%20catalog", "/console"}  # served by the composition root
    for target in leading_out:
        assert (await client.get(target)).status_code == 200, target


async def test_the_list_leads_to_what_else_is_here(client: httpx.AsyncClient) -> None:
    links = (await read(client, "/protocols")).links()
    for target in (
        f"{PAGE}/validator",
        "/openapi.json",
        "/llms.txt",
        "/console",
        "/docs#/Protocol%20catalog",
    ):
        assert target in links


async def test_only_a_search_that_finds_nothing_says_so(client: httpx.AsyncClient) -> None:
    assert "Nothing matches" not in (await read(client, "/protocols?q=idTag")).text
    assert "Nothing matches. Show all" in (await read(client, "/protocols?q=nothingatall")).text


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
