"""The version is a value: the catalog serves and judges by an invented protocol, next to OCPP 1.6."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.catalog.catalog import Catalog, ProtocolCatalog
from app.catalog.entry import load_entries
from tests.support.catalog import build_application
from tests.support.protocol import invented_protocol

ROOT = "/v1/protocols/invented"


@pytest.fixture(scope="module")
def invented() -> ProtocolCatalog:
    changes = {"slug": "invented", "name": "Invented 0.1", "definition": "v01", "message_flow": ()}
    return ProtocolCatalog(load_entries()["ocpp-16j"].model_copy(update=changes), invented_protocol())


@pytest.fixture
async def client(catalog: Catalog, invented: ProtocolCatalog) -> AsyncIterator[httpx.AsyncClient]:
    application = build_application(Catalog([*catalog.protocols.values(), invented]))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        yield client


async def test_its_messages_are_listed_and_shown(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{ROOT}/messages")).json()["messages"]
    assert [message["action"] for message in listed] == ["Greet", "Weigh", "Nudge"]
    shown = (await client.get(f"{ROOT}/messages/Greet")).json()
    assert [field["name"] for field in shown["request"]["fields"]] == ["name", "mood"]
    assert (await client.get(f"{ROOT}/messages/Heartbeat")).status_code == 404
    assert (await client.get("/protocols/invented/messages/Nudge")).status_code == 200


async def test_its_schemas_are_its_own(client: httpx.AsyncClient) -> None:
    schema = (await client.get(f"{ROOT}/messages/Greet/schema?direction=request")).json()
    assert schema["$id"] == "urn:ocpp:0.1:Greet:request"


@pytest.mark.parametrize(
    ("question", "verdict", "violation", "answer"),
    [
        ({"frame": [2, "1", "Greet", {"name": "Ada", "mood": "Glad"}]}, "valid", [], None),
        ({"frame": [2, "1", "Greet", {"name": "Ada", "mood": "Sad"}]}, "tolerated", [], None),
        ({"frame": [2, "1", "Heartbeat", {}]}, "invalid", [("Unheard", "", None)], [4, "1", "Unheard"]),
        (
            {"action": "Greet", "payload": {}},
            "invalid",
            [("ProtocolError", "/name", "1.1")],
            [4, "payload", "ProtocolError"],
        ),
    ],
    ids=["valid", "tolerated", "an action of OCPP 1.6", "a payload"],
)
async def test_frames_and_payloads_are_judged_by_it(
    client: httpx.AsyncClient,
    question: dict[str, object],
    verdict: str,
    violation: list[tuple[str, str, str | None]],
    answer: list[str] | None,
) -> None:
    judgement = (await client.post(f"{ROOT}/validate", json=question)).json()
    found = [(broken["code"], broken["pointer"], broken["section"]) for broken in judgement["violations"]]
    assert (judgement["verdict"], found) == (verdict, violation)
    assert (judgement["answer"] or [])[:3] == (answer or [])
