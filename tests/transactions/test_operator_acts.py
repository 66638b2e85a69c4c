"""An operator ends a transaction by hand, or attaches an orphan record. Each act is in the audit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.clock import microseconds_of
from app.tenants.records import TenantRecord
from app.transactions.ledger import Ledger
from app.transactions.records import MeterReading, MeterReadings, TransactionStart, TransactionStop
from app.types import ChargePointId
from tests.support.api import Api

BASE = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REASON = "The cable was cut."


class Charger:
    """One charge point that sends to the ledger."""

    def __init__(self, api: Api, tenant: TenantRecord, charge_point_id: ChargePointId) -> None:
        self._place = (tenant.id, charge_point_id)
        self._ledger: Ledger = api.services.storage.ledger

    async def start(self, connector_id: int = 1) -> int:
        at = BASE + MINUTE
        start = TransactionStart(*self._place, connector_id, "TAG", BASE, at, 1000, epoch=1)
        return (await self._ledger.start_transaction(start)).transaction_id

    async def sample(self, number: int, value: str) -> None:
        at = microseconds_of(BASE + 2 * MINUTE)
        readings = MeterReadings(*self._place, 1, number, at, [MeterReading(at, f'[{{"value":"{value}"}}]')])
        await self._ledger.meter_values(readings)

    async def stop(self, number: int | None, meter_wh: int = 9000) -> None:
        at = BASE + 30 * MINUTE
        raw = {"transactionId": number, "meterStop": meter_wh}
        reading = MeterReading(microseconds_of(at), '[{"value":"8999"}]')
        await self._ledger.stop_transaction(
            TransactionStop(*self._place, number, at, at, meter_wh, transaction_data=(reading,), raw=raw)
        )


@pytest.fixture
def charger(api: Api, operator: TenantRecord, charge_point: ChargePointId) -> Charger:
    return Charger(api, operator, charge_point)


@pytest.mark.parametrize(("read", "register"), [(None, 4321), (5000, 5000), (0, 0)])
async def test_a_stuck_session_is_ended_and_a_late_stop_still_counts(
    api: Api, token: str, charger: Charger, read: int | None, register: int
) -> None:
    number = await charger.start()
    await charger.sample(number, "4321")
    path = f"/v1/transactions/{number}"
    body = {"reason": REASON} if read is None else {"reason": REASON, "meter_stop_wh": read}
    ended = await api.call("POST", f"{path}/end", token, json=body)
    assert ended.status_code == 200, ended.text
    shown = ended.json()
    assert (shown["state"], shown["presumed_ended_reason"]) == ("presumed_ended", "operator")
    assert shown["last_meter_wh"] == register
    assert (await api.call("GET", "/v1/transactions?open=true", token)).json()["items"] == []
    await charger.stop(number)
    late = (await api.call("GET", path, token)).json()
    assert (late["state"], late["meter_stop_wh"]) == ("stopped", 9000)
    assert (await api.call("POST", f"{path}/end", token, json=body)).status_code == 409
    [entry] = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert (entry["act"], entry["subject"], entry["reason"]) == ("end_transaction", path, REASON)
    assert entry["details"] == {"meter_stop_wh": read}
    assert entry["actor"].startswith("key:")


async def test_an_attached_stop_ends_the_transaction_with_its_samples(
    api: Api, token: str, charger: Charger
) -> None:
    await charger.stop(99)
    [orphan] = (await api.call("GET", "/v1/charge-points/RDAM-1/orphan-records", token)).json()["items"]
    number = await charger.start()
    path = f"/v1/transactions/{number}"
    body = {"orphan_record_id": orphan["id"], "reason": REASON}
    attached = await api.call("POST", f"{path}/orphan-records", token, json=body)
    assert attached.status_code == 200, attached.text
    shown = attached.json()
    assert (shown["state"], shown["meter_stop_wh"], shown["flags"]) == (
        "stopped",
        9000,
        ["stop_attached"],
    )
    values = (await api.call("GET", f"{path}/meter-values", token)).json()["items"]
    assert [value["sampled_values"] for value in values] == [[{"value": "8999"}]]
    [orphan] = (await api.call("GET", "/v1/charge-points/RDAM-1/orphan-records", token)).json()["items"]
    assert orphan["transaction_id"] == number
    again = await api.call("POST", f"{path}/orphan-records", token, json=body)
    assert again.status_code == 409
    [entry] = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert (entry["act"], entry["details"]) == (
        "attach_orphan_record",
        {"orphan_record_id": orphan["id"]},
    )


async def test_what_does_not_fit_is_refused_and_not_audited(
    api: Api, operator: TenantRecord, token: str, charger: Charger
) -> None:
    other = Charger(api, operator, await api.charge_point(operator, "UTR-1"))
    await other.stop(-1)
    [foreign] = (await api.call("GET", "/v1/charge-points/UTR-1/orphan-records", token)).json()["items"]
    number = await charger.start()
    path = f"/v1/transactions/{number}/orphan-records"
    for orphan_id in (foreign["id"], foreign["id"] + 100):
        answer = await api.call("POST", path, token, json={"orphan_record_id": orphan_id, "reason": REASON})
        assert answer.status_code == 404
        assert "orphan record" in answer.text
    missing = await api.call("POST", "/v1/transactions/2000000/end", token, json={"reason": REASON})
    assert missing.status_code == 404
    assert (await api.call("GET", "/v1/audit", token)).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "a\nb"}, "reason"),
        ({"reason": REASON, "meter_stop_wh": -1}, "meter_stop_wh"),
        ({"reason": REASON, "meter_stop_wh": 2**63}, "meter_stop_wh"),
        ({"reason": REASON, "meter_stop_wh": 1.5}, "meter_stop_wh"),
        ({"reason": REASON, "register": 1}, "register"),
    ],
)
async def test_a_bad_body_is_named(api: Api, token: str, charger: Charger, body: Any, named: str) -> None:
    number = await charger.start()
    answer = await api.call("POST", f"/v1/transactions/{number}/end", token, json=body)
    assert answer.status_code == 422
    assert named in answer.text


async def test_another_tenant_sees_and_changes_nothing(api: Api, token: str, charger: Charger) -> None:
    number = await charger.start()
    stranger = await api.key(await api.tenant())
    path = f"/v1/transactions/{number}/end"
    assert (await api.call("POST", path, stranger, json={"reason": REASON})).status_code == 404
    await api.call("POST", path, token, json={"reason": REASON})
    assert (await api.call("GET", "/v1/audit", stranger)).json()["items"] == []
