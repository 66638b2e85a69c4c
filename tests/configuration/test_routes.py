"""`/v1/charge-points/{identity}/configuration`: what it shows."""

import pytest

from app.configuration.store import ConfigurationStore
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api


async def test_the_configuration_is_shown(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    async with api.services.storage.database.tenant(operator.id) as work:
        await ConfigurationStore(work).put(key, "HeartbeatInterval", "300", False, NOW)
    response = await api.call("GET", "/v1/charge-points/RDAM-1/configuration", token)
    assert response.json()["items"] == [
        {
            "key": "HeartbeatInterval",
            "value": "300",
            "readonly": False,
            "reported_at": "2026-05-04T08:15:30.000Z",
            **dict.fromkeys(("source", "issued_by", "desired", "template", "state", "since")),
        }
    ]


PATH = "/v1/charge-points/RDAM-1/configuration"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("HeartbeatInterval", "300", "300"),
        ("WebSocketPingInterval", "60", "60"),
        ("StationPassword", "hunter2", "***"),
        ("G_CardPin", "1234", "***"),
        ("Authorization Key", "hunter2", "***"),
        ("StationPassword", None, None),
    ],
)
async def test_no_secret_is_shown_although_it_was_stored(
    api: Api, operator: TenantRecord, token: str, key: str, value: str | None, shown: str | None
) -> None:
    charge_point_id = await api.charge_point(operator)
    async with api.services.storage.database.tenant(operator.id) as work:
        await ConfigurationStore(work).put(charge_point_id, key, value, None, NOW)
    (item,) = (await api.call("GET", PATH, token)).json()["items"]
    assert (item["key"], item["value"], item["readonly"]) == (key, shown, None)
