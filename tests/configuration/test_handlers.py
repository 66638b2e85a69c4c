"""The effects of answers on the stored configuration."""

from app.commands.rules import REDACTED
from app.configuration.store import ConfigurationStore
from tests.support.cluster import Cluster

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
