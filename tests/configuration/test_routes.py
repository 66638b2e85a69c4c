"""`/v1/charge-points/{identity}/configuration`: what it shows."""

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
        }
    ]
