"""Every fact of the protocol page is in the API's answer, word for word and in order."""

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


def test_adoption(served: dict[str, object]) -> None:
    assert served["adoption"] == facts.ADOPTION


def test_capability_matrix_in_order(served: dict[str, object]) -> None:
    assert served["capabilities"] == [{"name": name, "level": level} for name, level in facts.CAPABILITIES]


def test_capability_levels_are_counted(served: dict[str, object]) -> None:
    assert served["capability_counts"] == {"supported": 5, "partial": 1, "not_supported": 4}


def test_migration(served: dict[str, object]) -> None:
    assert served["migration"] == {
        "from": facts.MIGRATION_SOURCE,
        "to": facts.MIGRATION_TARGET,
        "text": facts.MIGRATION_TEXT,
        "drivers": facts.MIGRATION_DRIVERS,
    }


def test_security_layer_in_order(served: dict[str, object]) -> None:
    assert served["security"] == [{"topic": topic, "text": text} for topic, text in facts.SECURITY]


def test_message_flow_in_order(served: dict[str, object]) -> None:
    flow = served["message_flow"]
    assert isinstance(flow, list)
    shown = [(step["step"], step["action"], step["direction_text"], step["text"]) for step in flow]
    assert shown == facts.MESSAGE_FLOW


def test_deployments_with_their_caveat(served: dict[str, object]) -> None:
    assert served["deployments"] == {
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
    (card,) = listed["protocols"]
    assert {name: card[name] for name in facts.IDENTITY} == facts.IDENTITY
    assert card["adoption"] == facts.ADOPTION
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
