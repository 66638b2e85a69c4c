"""The effects of answers on the stored configuration."""

from typing import Any

import pytest

from app.commands.records import CommandRequest
from app.commands.rules import REDACTED
from app.configuration.records import RECONCILER_ISSUER
from app.configuration.rules import fresh_state
from app.configuration.store import ConfigurationStore, KeyStateStore
from tests.support.cluster import Cluster
from tests.support.limits import times_hit

KEY = "00112233445566778899aabbccddeeff00112233"


async def test_the_configuration_view_follows_what_was_accepted(cluster: Cluster) -> None:
    answers = iter([{"status": "Accepted"}, {"status": "RebootRequired"}, {"status": "Rejected"}])
    charger = await cluster.charger(cluster.b, lambda *_: next(answers))
    for key, value in (("A", "1"), ("StationPassword", "2"), ("C", "3")):
        text = f'{{"key":"{key}","value":"{value}"}}'
        await cluster.end(cluster.a, await cluster.issue(cluster.a, charger, "ChangeConfiguration", text))
    async with cluster.database.tenant(cluster.tenant_id) as work:
        view = await ConfigurationStore(work).for_charge_point(charger.connection.charge_point_id)
    assert {entry.key: entry.value for entry in view} == {"A": "1", "StationPassword": REDACTED}


async def test_get_configuration_fills_the_view_without_the_key(cluster: Cluster) -> None:
    entries = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "AuthorizationKey", "readonly": False, "value": KEY},
        {"key": "NumberOfConnectors", "readonly": True},
        {"key": "G_CardPin", "readonly": False, "value": KEY},
        {"key": "Bad", "readonly": []},
        {"key": "Unsaid", "value": "1"},
    ]
    charger = await cluster.charger(cluster.b, lambda *_: {"configurationKey": entries})
    command = await cluster.end(cluster.a, await cluster.issue(cluster.a, charger, "GetConfiguration", "{}"))
    assert KEY not in repr(command)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        view = await ConfigurationStore(work).for_charge_point(charger.connection.charge_point_id)
    assert {entry.key: (entry.value, entry.readonly) for entry in view} == {
        "HeartbeatInterval": ("300", False),
        "AuthorizationKey": (REDACTED, False),
        "NumberOfConnectors": (None, True),
        "G_CardPin": (REDACTED, False),
        "Unsaid": ("1", None),
    }


async def test_an_answer_of_very_many_keys_is_one_statement_and_bounded(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.configuration.store.KEYS_LIMIT", 600)
    entries: list[dict[str, Any]] = [
        {"key": f"Key{number}", "readonly": False, "value": "1"} for number in range(500)
    ]
    # Real ones name a key twice, or in another case.
    entries += [{"key": "Key7", "value": "2"}, {"key": "KEY7", "value": "3"}]
    charger = await cluster.charger(cluster.b, lambda *_: {"configurationKey": entries})
    before = times_hit("configuration_keys")
    for _ in range(2):
        await cluster.end(cluster.a, await cluster.issue(cluster.a, charger, "GetConfiguration", "{}"))
        entries += [{"key": f"More{number}"} for number in range(500)]
    async with cluster.database.tenant(cluster.tenant_id) as work:
        view = await ConfigurationStore(work).for_charge_point(charger.connection.charge_point_id)
    known = {entry.key: entry.value for entry in view}
    assert (len(known), known["Key7"], known["KEY7"]) == (600, "2", "3")
    assert {"Key499", "More0", "More98"} <= known.keys()
    assert times_hit("configuration_keys") == before + 1


@pytest.mark.parametrize("key", ["HeartbeatInterval", "StationPassword"])
async def test_a_late_answer_says_nothing_of_another_value(cluster: Cluster, key: str) -> None:
    charger = await cluster.charger(cluster.b)
    point = charger.connection.charge_point_id
    async with cluster.database.tenant(cluster.tenant_id) as work:
        # Another value is desired since, and was not sent.
        state = fresh_state(key.lower(), "another", cluster.clock.now())
        await KeyStateStore(work).put(point, [state])
    text = f'{{"key":"{key}","value":"1"}}'
    request = CommandRequest(charger.connection.identity, "ChangeConfiguration", text, RECONCILER_ISSUER)
    await cluster.a.commands.issue(cluster.tenant_id, request, wait_s=20)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert (await KeyStateStore(work).of_charge_point(point))[key.lower()] == state
