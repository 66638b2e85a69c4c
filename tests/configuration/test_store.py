"""The rows of configuration keys: what each one keeps."""

from datetime import timedelta

from app.configuration.store import ConfigurationStore
from tests.support.store import NOW, ChargePointRecords

_HOUR = timedelta(hours=1)


async def test_the_newest_configuration_value_stays(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        put = ConfigurationStore(work).put
        await put(records.record.id, "HeartbeatInterval", "60", True, NOW)
        await put(records.record.id, "HeartbeatInterval", "90\x00", None, NOW + _HOUR)
        await put(records.record.id, "HeartbeatInterval", "30", False, NOW)
        await put(records.record.id, "heartbeatInterval", None, None, NOW)
        stored = await ConfigurationStore(work).for_charge_point(records.record.id)
    assert [(row.key, row.value, row.readonly) for row in stored] == [
        ("HeartbeatInterval", "90\ufffd", True),
        ("heartbeatInterval", None, None),
    ]
