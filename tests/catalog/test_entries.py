"""Entries: a further protocol is a further file, and a file that is wrong is refused at start."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.catalog.catalog import Catalog, ProtocolCatalog, load_catalog
from app.catalog.entry import Entry, load_entries
from tests.support.catalog import ROOT, build_application
from tests.support.protocol import OCPP16


@pytest.fixture
def another() -> Entry:
    """A protocol that is only presented: the core describes none of its messages."""
    shipped = load_entries()["ocpp-16j"]
    return shipped.model_copy(update={"slug": "another-1", "name": "Another 1", "definition": None})


async def test_a_second_protocol_is_served_beside_the_first(catalog: Catalog, another: Entry) -> None:
    application = build_application(Catalog([*catalog.protocols.values(), ProtocolCatalog(another, None)]))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        listed = (await client.get("/v1/protocols")).json()["protocols"]
        assert [protocol["slug"] for protocol in listed][-1] == "another-1"
        shown = (await client.get("/v1/protocols/another-1")).json()
        assert (shown["counts"], shown["profiles"], len(shown["api"])) == (None, [], 1)
        assert all(step["href"] is None for step in shown["message_flow"])
        assert (await client.get("/v1/protocols/another-1/messages")).status_code == 404
        assert (await client.get("/protocols/another-1")).status_code == 200
        assert (await client.get(f"{ROOT}/messages")).status_code == 200


WRONG: dict[str, dict[str, Any]] = {
    "a misspelt key": {"adopton": {}},
    "an unknown level": {"capabilities": [{"name": "x", "level": "maybe"}]},
    "an unknown direction": {"message_flow": [{"action": "Reset", "direction": "up", "text": "x"}]},
    "a share above 100": {"adoption": {"share_percent": 101}},
    "a slug that cannot be in a path": {"slug": "OCPP 1.6"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_refused(change: dict[str, Any]) -> None:
    facts = load_entries()["ocpp-16j"].model_dump()
    for key, value in change.items():
        facts[key] = {**facts.get(key, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(ValidationError):
        Entry.model_validate(facts)


def test_a_flow_that_contradicts_the_core_is_refused() -> None:
    entry = load_entries()["ocpp-16j"]
    turned = entry.message_flow[0].model_copy(update={"direction": "csms-to-cp"})
    with pytest.raises(ValueError, match="BootNotification contradicts"):
        ProtocolCatalog(entry.model_copy(update={"message_flow": (turned,)}), OCPP16)


def test_an_entry_whose_definition_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="ocpp-16j: there is no definition v16"):
        load_catalog({})
