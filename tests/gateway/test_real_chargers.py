"""Billing messages of real chargers: none is refused, none is lost, and none costs another its money.

Each kind was seen in public reports. What is sent here are variants of it.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.charge_points.store import ChargePointStore
from app.clock import utc_text
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueRecord, StoredOrphan, TransactionRecord
from tests.support.gateway import GatewayServer
from tests.support.raw_client import RawClient

BASE = datetime.now(UTC) - timedelta(minutes=30)
HOUR = timedelta(hours=1)
DEAD_CLOCKS = ["1970-01-01T00:00:00Z", "2000-01-01T00:00:12Z", "0001-01-01T00:00:00Z", "", "unknown", None, 0]
NO_IDS: list[dict[str, Any]] = [
    {},
    {"transactionId": None},
    {"transactionId": ""},
    {"transactionId": 0},
    {"transactionId": -1},
    {"transactionId": "none"},
    {"transactionId": 2**70},
]

EMPTY_ELEMENTS = ['{"timestamp":"2026-01-01T00:00:00Z"}', '{"sampledValue":null}', '{"a":{}}']


def at(minutes: float) -> str:
    return utc_text(BASE + timedelta(minutes=minutes))


def start(**changes: Any) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": at(0), **changes}


def stop(**changes: Any) -> dict[str, Any]:
    return {"meterStop": 9000, "timestamp": at(20), **changes}


@pytest.fixture
async def charger(server: GatewayServer) -> RawClient:
    await server.register("CP1")
    async with server.database.tenant(server.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG", max_active_transactions=1))
    return await server.connect("CP1")


class Stored:
    """The records that the server has stored of the charge point."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server

    async def transactions(self) -> list[TransactionRecord]:
        async with self._server.database.tenant(self._server.tenant.id) as work:
            return (await TransactionStore(work).page(100))[::-1]

    async def transaction(self) -> TransactionRecord:
        [record] = await self.transactions()
        return record

    async def orphans(self) -> list[StoredOrphan]:
        async with self._server.database.tenant(self._server.tenant.id) as work:
            return await TransactionStore(work).orphan_records(100)

    async def samples(self) -> list[MeterValueRecord]:
        async with self._server.database.tenant(self._server.tenant.id) as work:
            point = await ChargePointStore(work).get("CP1")
            assert point is not None
            return await TransactionStore(work).meter_values_of_charge_point(point.id, 10_000)


@pytest.fixture
def stored(server: GatewayServer) -> Stored:
    return Stored(server)


class Numbered:
    """Sends CALLs with an id each, and expects a CALLRESULT."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.count = 0

    async def __call__(self, action: str, payload: Any) -> dict[str, Any]:
        self.count += 1
        answer = await self.client.call(action, payload, f"{action}-{self.count}")
        assert answer[0] == 3, answer
        result: dict[str, Any] = answer[2]
        return result

    async def started(self, **changes: Any) -> int:
        number: int = (await self("StartTransaction", start(**changes)))["transactionId"]
        return number


@pytest.fixture
def send(charger: RawClient) -> Numbered:
    return Numbered(charger)


# A clock that says nothing


@pytest.mark.parametrize("text", DEAD_CLOCKS)
@pytest.mark.parametrize("no_id", NO_IDS[:5])
async def test_two_sessions_of_a_dead_clock_and_a_session_meter_are_two(
    send: Numbered, stored: Stored, text: Any, no_id: dict[str, Any]
) -> None:
    numbers = []
    for register in (5000, 7000):
        numbers.append(await send.started(timestamp=text, meterStart=0))
        assert (await send("StartTransaction", start(timestamp=text, meterStart=0)))[
            "transactionId"
        ] == numbers[-1], "a retry before the stop"
        await send("StopTransaction", {"meterStop": register, "timestamp": text, **no_id})
    assert len(set(numbers)) == 2
    found = await stored.transactions()
    assert [(record.meter_start_wh, record.meter_stop_wh) for record in found] == [(0, 5000), (0, 7000)]
    for record in found:
        assert any(flag.startswith("time_") for flag in record.flags)
        assert abs(record.started_at - datetime.now(UTC)) < HOUR


@pytest.mark.parametrize("hours", [2, 9, 24 * 365])
async def test_a_clock_that_runs_ahead_is_flagged(send: Numbered, stored: Stored, hours: int) -> None:
    await send.started(timestamp=utc_text(datetime.now(UTC) + hours * HOUR))
    record = await stored.transaction()
    assert record.flags == ("time_implausible",)
    assert abs(record.started_at - datetime.now(UTC)) < HOUR


@pytest.mark.parametrize("missing", ["timestamp", "idTag", "meterStart", "connectorId"])
@pytest.mark.parametrize("how", ["missing", "null", "empty", "object"])
async def test_a_start_lacks_a_field(send: Numbered, stored: Stored, missing: str, how: str) -> None:
    payload = start()
    del payload[missing]
    if how != "missing":
        payload[missing] = {"null": None, "empty": "", "object": {"a": 1}}[how]
    assert (await send("StartTransaction", payload))["transactionId"] > 0
    record = await stored.transaction()
    assert record.flags or (how == "object" and missing == "idTag") or (how == "empty" and missing == "idTag")


@pytest.mark.parametrize("missing", ["timestamp", "meterStop"])
@pytest.mark.parametrize("how", ["missing", "null", "empty"])
async def test_a_stop_lacks_a_field(send: Numbered, stored: Stored, missing: str, how: str) -> None:
    number = await send.started()
    payload = stop(transactionId=number)
    del payload[missing]
    if how != "missing":
        payload[missing] = {"null": None, "empty": ""}[how]
    for _ in range(2):
        await send("StopTransaction", payload)
    record = await stored.transaction()
    assert record.stopped_received_at is not None
    assert record.meter_stop_wh == (None if missing == "meterStop" else 9000)
    assert {"timestamp": "time_missing", "meterStop": "meter_missing"}[missing] in record.flags


# A stop without an id


@pytest.mark.parametrize("no_id", NO_IDS)
async def test_a_stop_without_an_id_closes_the_open_transaction(
    send: Numbered, stored: Stored, no_id: dict[str, Any]
) -> None:
    await send.started()
    for _ in range(2):
        await send("StopTransaction", stop(**no_id))
    record = await stored.transaction()
    assert (record.meter_stop_wh, record.stop_reason) == (9000, "Local")


async def test_the_next_driver_does_not_pay_with_the_stop_of_a_wrong_clock(
    send: Numbered, stored: Stored
) -> None:
    ahead = utc_text(datetime.now(UTC) + timedelta(minutes=50))
    await send("StopTransaction", {"transactionId": -1, "meterStop": 52000, "timestamp": ahead})
    number = await send.started(meterStart=52000, timestamp=utc_text(datetime.now(UTC)))
    assert (await stored.transaction()).stopped_received_at is None
    now = utc_text(datetime.now(UTC))
    await send("StopTransaction", {"transactionId": number, "meterStop": 67000, "timestamp": now})
    record = await stored.transaction()
    assert (record.meter_start_wh, record.meter_stop_wh) == (52000, 67000)


async def test_a_stop_that_came_before_its_start_is_joined(send: Numbered, stored: Stored) -> None:
    sample = {"timestamp": at(10), "sampledValue": [{"value": "5000"}]}
    await send("StopTransaction", stop(transactionId=-1, idTag="TAG", transactionData=[sample]))
    number = await send.started()
    record = await stored.transaction()
    assert (record.id, record.meter_stop_wh) == (number, 9000)
    assert "stop_came_first" in record.flags
    assert [(value.transaction_id, value.connector_id) for value in await stored.samples()] == [(number, 1)]


# A stop that never comes


@pytest.mark.parametrize("shown_by", ["later_start", "boot", "available"])
async def test_a_session_without_a_stop_is_presumed_ended_and_its_tag_is_free(
    server: GatewayServer, send: Numbered, stored: Stored, shown_by: str
) -> None:
    number = await send.started()
    sample = {"timestamp": at(5), "sampledValue": [{"value": "1.75", "unit": "kWh"}]}
    await send("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [sample]})
    match shown_by:
        case "later_start":
            await send.started(idTag="OTHER", meterStart=2000)
        case "boot":
            await send("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        case "available":
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            await send("StatusNotification", status)
    [record, *_] = await stored.transactions()
    assert (record.id, record.presumed_ended_reason, record.last_meter_wh) == (number, shown_by, 1750)
    free = await send("StartTransaction", start(connectorId=2, timestamp=at(30)))
    assert free["idTagInfo"]["status"] == "Accepted"
    await send("StopTransaction", stop(transactionId=number))
    late = next(one for one in await stored.transactions() if one.id == number)
    assert (late.meter_stop_wh, late.stopped_received_at is not None) == (9000, True)


async def test_a_session_on_another_connector_runs_on(send: Numbered, stored: Stored) -> None:
    number = await send.started(connectorId=2)
    await send("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
    await send("StatusNotification", {"connectorId": 2, "errorCode": "NoError", "status": "Charging"})
    await send.started(connectorId=1, idTag="OTHER")
    for record in await stored.transactions():
        assert record.presumed_ended_at is None, record.id == number


# Samples


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "7",
        "[]",
        '{"timestamp":"2026-01-01T00:00:00Z"}',
        '{"sampledValue":null}',
        '"x"',
        "NaN",
        '{"a":{}}',
    ],
)
@pytest.mark.parametrize("place", ["meterValue", "transactionData"])
async def test_a_damaged_element_costs_no_good_neighbour(
    charger: RawClient, send: Numbered, stored: Stored, bad: str, place: str
) -> None:
    number = await send.started()
    good = [json.dumps({"timestamp": at(n), "sampledValue": [{"value": str(n)}]}) for n in (1, 2)]
    elements = f"[{good[0]},{bad},{good[1]}]"
    if place == "meterValue":
        text = f'[2,"d","MeterValues",{{"connectorId":1,"transactionId":{number},"meterValue":{elements}}}]'
    else:
        text = (
            f'[2,"d","StopTransaction",{{"transactionId":{number},"transactionData":{elements},'
            f'"meterStop":9000,"timestamp":"{at(20)}"}}]'
        )
    for _ in range(2):
        assert (await charger.ask(text))[0] == 3
    samples = await stored.samples()
    assert [value.sampled_values for value in samples] == [[{"value": "1"}], [{"value": "2"}]]
    damaged = [orphan for orphan in await stored.orphans() if orphan.kind == "damaged"]
    assert [orphan.raw for orphan in damaged] in ([text], []), "its text is kept once, if something was lost"
    assert bool(damaged) is (
        bad not in ('{"timestamp":"2026-01-01T00:00:00Z"}', '{"sampledValue":null}', '{"a":{}}')
    )


@pytest.mark.parametrize("text", DEAD_CLOCKS)
async def test_a_sample_of_a_dead_clock_is_stored_once(send: Numbered, stored: Stored, text: Any) -> None:
    number = await send.started()
    values = [{"timestamp": text, "sampledValue": [{"value": value}]} for value in ("1", "2", "1")]
    for _ in range(2):
        await send("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})
    samples = await stored.samples()
    assert sorted(value.sampled_values[0]["value"] for value in samples) == ["1", "2"]
    assert all(abs(value.sampled_at - datetime.now(UTC)) < HOUR for value in samples)


async def test_a_sample_between_sessions_belongs_to_none(send: Numbered, stored: Stored) -> None:
    await send.started()
    second = await send.started(idTag="OTHER", meterStart=2000, timestamp=at(5))
    await send("StopTransaction", stop(transactionId=second, timestamp=at(10)))
    for minutes, owner in ((7, second), (12, None)):
        values = [{"timestamp": at(minutes), "sampledValue": [{"value": str(minutes)}]}]
        await send("MeterValues", {"connectorId": 1, "meterValue": values})
        assert (await stored.samples())[-1].transaction_id == owner


# Whole messages


_STOP = '"transactionId":{id},"meterStop":9000,"timestamp":"{at}"'
DAMAGED_STOPS = {
    "a member twice": "{{" + _STOP + ',"reason":"Local","reason":"Local"}}]',
    "a bracket too few": "{{" + _STOP + "]",
    "cut off": "{{" + _STOP + ',"transactionData":[{{"timestamp":"{at}","sampledValue":[{{"val',
    "names without quotes": '{{transactionId:{id},meterStop:9000,"timestamp":"{at}"}}]',
    "no commas": '{{"transactionId":{id} "meterStop":9000 "timestamp":"{at}"}}]',
    "in a list": "[{{" + _STOP + "}}]]",
    "numbers as text": '{{"transactionId":"{id}","meterStop":"9000","timestamp":"{at}","x":NaN}}]',
    "other numbers": '{{"transactionId":{id}.0,"meterStop":09000,"timestamp":"{at}"}}]',
}


@pytest.mark.parametrize("payload", DAMAGED_STOPS.values(), ids=DAMAGED_STOPS)
@pytest.mark.parametrize("head", ['[2,"w"', '["2","w"', '[2,""', "[2,17"])
async def test_a_damaged_stop_closes_its_transaction(
    charger: RawClient, send: Numbered, stored: Stored, head: str, payload: str
) -> None:
    number = await send.started()
    text = f'{head},"StopTransaction",{payload.format(id=number, at=at(20))}'
    assert (await charger.ask(text))[0] == 3
    record = await stored.transaction()
    assert (record.meter_stop_wh, record.stop_reason) == (9000, "Local")


@pytest.mark.parametrize("length", [36, 37, 255])
async def test_a_long_message_id_is_echoed(charger: RawClient, stored: Stored, length: int) -> None:
    answer = await charger.call("StartTransaction", start(), "m" * length)
    assert answer[:2] == [3, "m" * length]
    assert (await stored.transaction()).id == answer[2]["transactionId"]


async def test_one_message_id_for_everything(charger: RawClient, stored: Stored) -> None:
    for status in ("Available", "Preparing", "Available"):
        payload = {"connectorId": 1, "errorCode": "NoError", "status": status}
        assert (await charger.call("StatusNotification", payload, "1"))[0] == 3
    number = (await charger.call("StartTransaction", start(), "1"))[2]["transactionId"]
    assert (await charger.call("StopTransaction", stop(transactionId=number), "1"))[0] == 3
    assert (await stored.transaction()).meter_stop_wh == 9000


@pytest.mark.parametrize(
    ("start_wh", "stop_wh"), [(2**63 - 1, -(2**63)), (-(2**63), 2**63 - 1), (0, 2**63 - 1)]
)
async def test_no_register_breaks_a_list(send: Numbered, stored: Stored, start_wh: int, stop_wh: int) -> None:
    number = await send.started(meterStart=start_wh)
    await send("StopTransaction", stop(transactionId=number, meterStop=stop_wh))
    record = await stored.transaction()
    assert (record.meter_start_wh, record.meter_stop_wh) == (start_wh, stop_wh)


@pytest.mark.parametrize("field", ["idTag", "reason", "vendorField"])
@pytest.mark.parametrize("raw", [b"M\xfcller", b"\xff\xfe", b"\xc3"])
async def test_bytes_that_are_no_utf8_cost_nothing(
    charger: RawClient, send: Numbered, stored: Stored, field: str, raw: bytes
) -> None:
    number = await send.started()
    text = json.dumps([2, "u", "StopTransaction", {**stop(transactionId=number), field: "@"}])
    charger.send(text.encode().replace(b"@", raw))
    assert json.loads(await charger.text())[:2] == [3, "u"]
    assert (await stored.transaction()).meter_stop_wh == 9000
    [damaged] = await stored.orphans()
    [deviation, *_] = damaged.payload
    assert (damaged.kind, deviation["kind"]) == ("damaged", "not_utf8")
    assert bytes.fromhex(deviation["raw"]) == raw.strip(b"Mler")


def _samples(count: int) -> list[dict[str, Any]]:
    readings = [{"value": "123456.7", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
    return [
        {"timestamp": at(n / count), "sampledValue": [*readings, {"value": str(n)}]} for n in range(count)
    ]


@pytest.mark.parametrize("count", [2_200, 20_000])
async def test_a_night_of_samples_fits_into_a_stop(send: Numbered, stored: Stored, count: int) -> None:
    number = await send.started()
    await send("StopTransaction", stop(transactionId=number, transactionData=_samples(count)))
    assert (await stored.transaction()).meter_stop_wh == 9000
    assert len(await stored.samples()) == min(count, 10_000)


async def test_a_stop_over_the_limit_is_kept_as_far_as_it_fits(
    server: GatewayServer, charger: RawClient, send: Numbered, stored: Stored
) -> None:
    first = await send.started()
    limit = server.settings.frame_limit_bytes
    long = "x" * limit
    text = json.dumps([2, "o", "StopTransaction", {**stop(transactionId=first), "vendor": long}])
    assert (await charger.ask(text))[0] == 3
    second = await send.started(idTag="OTHER", meterStart=9000, timestamp=at(25))
    text = json.dumps([2, "p", "StopTransaction", {"vendor": long, **stop(transactionId=second)}])
    assert (await charger.ask(text))[:3] == [4, "p", "FormationViolation"]
    found = await stored.transactions()
    assert [record.meter_stop_wh for record in found] == [9000, None]
    assert [orphan.kind for orphan in await stored.orphans()] == ["damaged", "damaged"]
