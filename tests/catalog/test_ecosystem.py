"""The 26 protocols: the evidence of their facts, the filters of the list, the map, the matrix, the search."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.catalog.catalog import Catalog
from app.catalog.ecosystem import Ecosystem, load_ecosystem
from app.catalog.entry import Entry, load_entries
from tests.support.catalog import ROOT

ENTRIES = load_entries()
OTHERS = [slug for slug in ENTRIES if slug != "ocpp-16j"]


async def listed(client: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await client.get("/v1/protocols", params=query)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["count"] == len(document["protocols"])
    return [protocol["slug"] for protocol in document["protocols"]]


async def test_all_26_protocols_are_listed_the_deepest_first(client: httpx.AsyncClient) -> None:
    everything = await listed(client)
    assert len(everything) == len(set(everything)) == 26
    assert everything[:3] == ["ocpp-16j", "ocpp-201", "ocpp-21"]


FILTERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "family": ({"family": "CSMS2DSO"}, ["oscp-20", "openadr-3", "openadr-20b"]),
    "party": ({"party": "authority"}, ["ocpi-230", "ocpi-221", "datex-ii-energy-infrastructure"]),
    "depth": ({"depth": "all"}, ["ocpp-16j"]),
    "capability, in part too": (
        {"capability": "v2g_bidirectional", "family": "EV2EVSE"},
        ["iso-15118-20", "chademo"],
    ),
    "text in any case": ({"q": "HUBJECT"}, ["oicp-23"]),
    "text in the transport": ({"q": "can 2.0"}, ["chademo"]),
    "filters add up": ({"party": "hub", "q": "ocpi"}, ["ocpi-230", "ocpi-221"]),
    "an empty text": ({"family": "EMS2DER", "q": ""}, ["sunspec-modbus"]),
    "nothing": ({"q": "no such thing"}, []),
}


@pytest.mark.parametrize(("query", "expected"), FILTERS.values(), ids=FILTERS)
async def test_filter(client: httpx.AsyncClient, query: dict[str, str], expected: list[str]) -> None:
    assert await listed(client, **query) == expected


REFUSED = {
    "family": ("/v1/protocols?family=CPCSMS", "family", "Did you mean CP2CSMS"),
    "party": ("/v1/protocols?party=eMSPs", "party", "Did you mean emsp"),
    "depth": ("/v1/protocols?depth=deep", "depth", ""),
    "capability": ("/v1/protocols?capability=v2g", "capability", ""),
    "text too long": (f"/v1/protocols?q={'x' * 65}", "q", ""),
    "unknown parameter": ("/v1/protocols?partys=emsp", "partys", "is not a known parameter"),
    "search without text": ("/v1/search", "q", ""),
    "search for nothing": ("/v1/search?q=", "q", ""),
    "search in an unknown protocol": ("/v1/search?q=x&protocol=ocpp-202", "protocol", "ocpp-201"),
    "search for an unknown kind": ("/v1/search?q=x&kind=enum", "kind", ""),
    "search with an unknown parameter": ("/v1/search?q=x&limit=5", "limit", "is not a known parameter"),
}


@pytest.mark.parametrize(("path", "field", "words"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_parameter_is_named(client: httpx.AsyncClient, path: str, field: str, words: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["field"] == field
    assert words in answer.text


@pytest.mark.parametrize("slug", OTHERS)
async def test_a_card_has_ten_capabilities_and_its_evidence(client: httpx.AsyncClient, slug: str) -> None:
    shown = (await client.get(f"/v1/protocols/{slug}")).json()
    assert len(shown["capabilities"]) == sum(shown["capability_counts"].values()) == 10
    facts = [shown[name] for name in ("identity", "transport", "encoding", "governance", "field_status")]
    facts += [shown["text_access"], shown["certification"], shown["relations"]]
    facts += [row for name in ("versions", "security", "schema_sets", "capabilities") for row in shown[name]]
    for fact in facts:
        assert fact["confidence"] == "known" or fact["sources"], fact
        assert set(fact["sources"]) <= shown["sources"].keys()
    assert all(source["document"] and source["where"] for source in shown["sources"].values())
    assert shown["spoken"], "it is on the map"
    assert (await client.get(shown["page"])).status_code == 200


async def test_a_card_has_no_messages_and_says_so(client: httpx.AsyncClient) -> None:
    for below in ("messages", "messages/Heartbeat", "messages/Heartbeat/schema", "error-codes", "deviations"):
        answer = await client.get(f"/v1/protocols/emip/{below}")
        assert answer.status_code == 404
        assert (answer.json()["field"], "only of ocpp-16j" in answer.json()["detail"]) == ("slug", True)
    answer = await client.post("/v1/protocols/emip/validate", json={"frame": "[]"})
    assert (answer.status_code, answer.json()["field"]) == (404, "slug")


def changed(**change: Any) -> dict[str, Any]:
    return {**ENTRIES["emip"].model_dump(), **change}


UNPROVEN = {
    "a fact without a source": {"transport": {"text": "x", "confidence": "read", "sources": []}},
    "a source that is not listed": {"transport": {"text": "x", "confidence": "read", "sources": ["gone"]}},
    "a matrix of nine rows": {"capabilities": ENTRIES["emip"].model_dump()["capabilities"][:9]},
    "a date in words": {"versions": [{"version": "1", "published": "May", "confidence": "known"}]},
}


@pytest.mark.parametrize("change", UNPROVEN.values(), ids=UNPROVEN)
def test_an_entry_without_evidence_is_refused(change: dict[str, Any]) -> None:
    Entry.model_validate(changed())
    with pytest.raises(ValidationError):
        Entry.model_validate(changed(**change))


def test_each_relation_leads_to_an_entry() -> None:
    for entry in ENTRIES.values():
        assert set(entry.relations.slugs()) <= ENTRIES.keys(), entry.slug
        assert entry.migration is None or entry.migration.target_slug in ENTRIES


async def test_the_map_tells_who_speaks_what_to_whom(client: httpx.AsyncClient) -> None:
    drawn = (await client.get("/v1/protocol-map")).json()
    names = {party["key"]: party["name"] for party in drawn["parties"]}
    edge = drawn["edges"][8]
    assert (names[edge["from"]], [names[key] for key in edge["to"]]) == (
        "Energy manager (site)",
        ["EVSE / charge point"],
    )
    assert edge["passes"] == "Limits, measurements, charging plans"
    confidence = {spoken["name"]: spoken["confidence"] for spoken in edge["protocols"]}
    assert confidence == {
        "EEBUS (SPINE / SHIP)": "read",
        "OCPP 2.0.1": "read",
        "OCPP 2.1": "read",
        "Modbus of the maker": "known",
    }
    spoken = {found["slug"] for edge in drawn["edges"] for found in edge["protocols"]} - {None}
    assert spoken == ENTRIES.keys()


def test_a_map_of_unknown_parties_or_protocols_is_refused() -> None:
    facts = load_ecosystem().model_dump()
    for change in ({"from": "nowhere"}, {"to": ["nowhere"]}, {"protocols": [{"slug": "nothing"}]}):
        with pytest.raises(ValidationError):
            Ecosystem.model_validate({**facts, "edges": [{**facts["edges"][0], **change}]})


def test_an_entry_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="without a place: another-1"):
        load_ecosystem().in_order([*ENTRIES, "another-1"])


async def test_the_matrix_repeats_the_rows_of_each_protocol(
    client: httpx.AsyncClient, catalog: Catalog
) -> None:
    matrix = (await client.get("/v1/protocol-matrix")).json()
    keys = [row["key"] for row in matrix["capabilities"]]
    assert [protocol["slug"] for protocol in matrix["protocols"]] == list(catalog.protocols)
    for protocol in matrix["protocols"]:
        rows = (await client.get(protocol["href"])).json()["capabilities"]
        assert [protocol["capabilities"][key]["level"] for key in keys] == [row["level"] for row in rows]


FOUND: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a protocol": ("OCPP 1.6J", "protocol", {"href": ROOT, "page": "/protocols/ocpp-16j"}),
    "a message": ("bootnotification", "message", {"href": f"{ROOT}/messages/BootNotification"}),
    "a field of a message": (
        "reservationId",
        "field",
        {"of": "StartTransaction request", "page": "/protocols/ocpp-16j/messages/StartTransaction#request"},
    ),
    "a field of a type": (
        "startPeriod",
        "field",
        {"of": "ChargingSchedulePeriod", "protocol": "ocpp-16j"},
    ),
    "a configuration key": (
        "HeartbeatInterval",
        "configuration_key",
        {"page": "/protocols/ocpp-16j/configuration-keys#HeartbeatInterval"},
    ),
    "an error code": ("SecurityError", "error_code", {"href": f"{ROOT}/error-codes"}),
}


@pytest.mark.parametrize(("q", "kind", "expected"), FOUND.values(), ids=FOUND)
async def test_search(client: httpx.AsyncClient, q: str, kind: str, expected: dict[str, Any]) -> None:
    result = (await client.get("/v1/search", params={"q": q, "kind": kind})).json()
    hit = result["hits"][0]
    assert hit["name"].casefold() == q.casefold()
    assert {name: hit[name] for name in expected} == expected
    assert (await client.get(hit["href"])).status_code == 200
    page = await client.get(hit["page"])
    anchor = hit["page"].partition("#")[2]
    assert not anchor or f'id="{anchor}"' in page.text


async def test_exact_names_come_first_then_beginnings_then_the_rest(client: httpx.AsyncClient) -> None:
    result = (await client.get("/v1/search?q=idtag")).json()
    names = [hit["name"].casefold() for hit in result["hits"]]
    ranks = [0 if name == "idtag" else 1 if name.startswith("idtag") else 2 for name in names]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


async def test_a_long_result_is_cut_and_says_how_many_there_are(client: httpx.AsyncClient) -> None:
    result = (await client.get("/v1/search?q=e")).json()
    assert len(result["hits"]) == 100 < result["count"]
    narrowed = (await client.get("/v1/search?q=e&protocol=emip")).json()
    assert {hit["protocol"] for hit in narrowed["hits"]} == {"emip"}
