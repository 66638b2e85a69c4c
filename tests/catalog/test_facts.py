"""Every fact of the protocol page is in the API's answer, word for word and in order."""

from typing import Any

import httpx
import pytest

from tests.catalog import facts
from tests.support.catalog import ROOT


@pytest.fixture
async def served(client: httpx.AsyncClient) -> dict[str, object]:
    answer = await client.get(ROOT)
    assert answer.status_code == 200
    document: dict[str, object] = answer.json()
    return document


@pytest.mark.parametrize("name", facts.IDENTITY)
def test_identity(served: dict[str, object], name: str) -> None:
    assert served[name] == facts.IDENTITY[name]


STATED = {"confidence": "stated", "sources": ["owner-page"]}
"""The evidence of what the owner of the page states, without another source."""


def rows(served: dict[str, object], section: str) -> list[dict[str, Any]]:
    found = served[section]
    assert isinstance(found, list)
    return found


def test_adoption(served: dict[str, object]) -> None:
    assert served["adoption"] == {**facts.ADOPTION, **STATED, "note": None}


def test_capability_matrix_in_order(served: dict[str, object]) -> None:
    shown = rows(served, "capabilities")
    assert [(row["name"], row["level"]) for row in shown] == facts.CAPABILITIES
    assert {row["confidence"] for row in shown} == {"stated"}
    assert all("owner-page" in row["sources"] for row in shown)


def test_capability_levels_are_counted(served: dict[str, object]) -> None:
    assert served["capability_counts"] == {
        "supported": 5,
        "partial": 1,
        "not_supported": 4,
        "not_applicable": 0,
        "unknown": 0,
    }


def test_migration(served: dict[str, object]) -> None:
    assert served["migration"] == {
        "from": facts.MIGRATION_SOURCE,
        "to": facts.MIGRATION_TARGET,
        "text": facts.MIGRATION_TEXT,
        "drivers": facts.MIGRATION_DRIVERS,
        "target_slug": "ocpp-201",
        "href": "/v1/protocols/ocpp-201",
        "page": "/protocols/ocpp-201",
        **STATED,
        "note": None,
    }


def test_security_layer_in_order(served: dict[str, object]) -> None:
    *stated, extension = rows(served, "security")
    assert [(row["topic"], row["text"]) for row in stated] == facts.SECURITY
    assert {row["confidence"] for row in stated} == {"stated"}
    assert (extension["topic"], extension["confidence"]) == ("Extension (separate document)", "read")


def test_a_note_says_where_this_server_goes_beyond_the_page(served: dict[str, object]) -> None:
    notes = {row["topic"]: row["note"] for row in rows(served, "security")}
    assert "No mutual TLS in spec." in dict(facts.SECURITY)["Authentication"]
    assert "TLS with client certificates" in notes["Authentication"]
    assert "No certificate-based auth." in dict(facts.SECURITY)["Authorization"]
    assert "certificates" in notes["Authorization"]


def test_message_flow_in_order(served: dict[str, object]) -> None:
    flow = served["message_flow"]
    assert isinstance(flow, list)
    shown = [(step["step"], step["action"], step["direction_text"], step["text"]) for step in flow]
    assert shown == facts.MESSAGE_FLOW


def test_deployments_with_their_caveat(served: dict[str, object]) -> None:
    assert served["deployments"] == {
        **STATED,
        "note": facts.DEPLOYMENTS_NOTE,
        "examples": [{"operator": operator, "text": text} for operator, text in facts.DEPLOYMENTS],
    }


def test_api_links_come_first_and_lead_to_the_docs(served: dict[str, object]) -> None:
    links = served["api"]
    assert isinstance(links, list)
    assert [(link["method"], link["path"]) for link in links[:2]] == facts.API_LINKS
    assert served["docs"] == "/docs"


async def test_the_list_names_the_ecosystem_and_the_card(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/protocols")).json()
    assert listed["ecosystem"] == "Protocol Ecosystem"
    card = listed["protocols"][0]
    assert {name: card[name] for name in facts.IDENTITY} == facts.IDENTITY
    assert card["adoption"] == {**facts.ADOPTION, **STATED, "note": None}
    assert (card["href"], card["page"]) == (ROOT, "/protocols/ocpp-16j")


@pytest.mark.parametrize(("method", "path"), facts.API_LINKS)
async def test_every_endpoint_of_the_page_answers(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status_code == 200


async def test_each_step_leads_to_its_message(client: httpx.AsyncClient, served: dict[str, object]) -> None:
    flow = served["message_flow"]
    assert isinstance(flow, list)
    for step in flow:
        message = (await client.get(step["href"])).json()
        assert (message["action"], message["flow_step"]) == (step["action"], step["step"])
