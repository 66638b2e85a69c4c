"""Habits of real chargers in the ten messages: answered, kept if possible, and the socket stays open."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.charge_points.store import ChargePointStore, ConnectorStore
from app.clock import parse_time
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueRecord, TransactionRecord
from tests.support.gateway import GatewayServer
from tests.support.raw_client import RawClient

AT = "2026-01-01T10:00:00Z"
START: dict[str, Any] = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": AT}
STOP: dict[str, Any] = {"transactionId": 0, "meterStop": 900, "timestamp": "2026-01-01T11:00:00Z"}


def reading(value: Any = "1", at: str = "2026-01-01T10:30:00Z", **more: Any) -> dict[str, Any]:
    return {"timestamp": at, "sampledValue": [{"value": value, **more}]}


@pytest.fixture
async def charger(server: GatewayServer) -> RawClient:
    await server.register("CP1")
    async with server.database.tenant(server.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG"))
        await IdTagStore(work).create(NewIdTag("GONE", status="Blocked"))
    return await server.connect("CP1")


async def transaction(server: GatewayServer, transaction_id: int) -> TransactionRecord:
    async with server.database.tenant(server.tenant.id) as work:
        record = await TransactionStore(work).get(transaction_id)
    assert record is not None
    return record


async def transactions(server: GatewayServer) -> list[TransactionRecord]:
    async with server.database.tenant(server.tenant.id) as work:
        return await TransactionStore(work).page(100)


async def values(server: GatewayServer) -> list[MeterValueRecord]:
    async with server.database.tenant(server.tenant.id) as work:
        record = await ChargePointStore(work).get("CP1")
        assert record is not None
        return await TransactionStore(work).meter_values_of_charge_point(record.id, 100)


async def orphans(server: GatewayServer) -> list[str]:
    async with server.database.tenant(server.tenant.id) as work:
        return [record.kind for record in await TransactionStore(work).orphan_records(100)]


async def connectors(server: GatewayServer) -> dict[int, tuple[str, str]]:
    async with server.database.tenant(server.tenant.id) as work:
        record = await ChargePointStore(work).get("CP1")
        assert record is not None
        known = await ConnectorStore(work).for_charge_point(record.id)
    return {connector.connector_id: (connector.status, connector.error_code) for connector in known}


async def start(client: RawClient, **changes: Any) -> int:
    answer = await client.call("StartTransaction", {**START, **changes}, f"start{changes}")
    assert answer[0] == 3, answer
    transaction_id: int = answer[2]["transactionId"]
    return transaction_id


# Starting and stopping


@pytest.mark.parametrize(
    ("id_tag", "status"), [("TAG", "Accepted"), ("tag", "Accepted"), ("GONE", "Blocked"), ("WHO", "Invalid")]
)
async def test_a_start_is_recorded_whatever_its_tag(
    server: GatewayServer, charger: RawClient, id_tag: str, status: str
) -> None:
    answer = await charger.call("StartTransaction", {**START, "idTag": id_tag})
    assert answer[2]["idTagInfo"]["status"] == status
    assert 0 < answer[2]["transactionId"] < 2**31
    record = await transaction(server, answer[2]["transactionId"])
    assert (record.id_tag, record.meter_start_wh, record.started_at) == (id_tag, 100, parse_time(AT))


async def test_a_replayed_start_gets_the_stored_answer(server: GatewayServer, charger: RawClient) -> None:
    first = await charger.call("StartTransaction", START, "a")
    async with server.database.tenant(server.tenant.id) as work:
        await IdTagStore(work).update("TAG", status="Blocked")
    same_id = await charger.call("StartTransaction", START, "a")
    new_id = await charger.call("StartTransaction", START, "b")
    await charger.close()
    reconnected = await server.connect("CP1")
    after_reconnect = await reconnected.call("StartTransaction", START, "c")
    assert first[2] == same_id[2] == new_id[2] == after_reconnect[2]
    assert len(await transactions(server)) == 1


async def test_a_start_hours_late_keeps_its_own_time(server: GatewayServer, charger: RawClient) -> None:
    record = await transaction(server, await start(charger, timestamp="2025-12-31T23:00:00+01:00"))
    assert record.started_at == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert record.started_received_at > record.started_at


async def test_a_stop_of_an_unknown_transaction_is_answered_and_kept(
    server: GatewayServer, charger: RawClient
) -> None:
    assert (await charger.call("StopTransaction", {**STOP, "transactionId": 4711}))[2] == {}
    assert await orphans(server) == ["stop_unknown_transaction"]


async def test_the_transaction_of_another_charge_point_is_not_touched(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger)
    await server.register("CP2")
    thief = await server.connect("CP2")
    assert (await thief.call("StopTransaction", {**STOP, "transactionId": transaction_id}))[2] == {}
    assert (await transaction(server, transaction_id)).stopped_at is None
    assert await orphans(server) == ["stop_unknown_transaction"]


async def test_a_second_identical_stop_gets_the_same_answer(
    server: GatewayServer, charger: RawClient
) -> None:
    stop = {**STOP, "transactionId": await start(charger), "idTag": "TAG"}
    first = await charger.call("StopTransaction", stop, "a")
    second = await charger.call("StopTransaction", stop, "b")
    assert first[2] == second[2] == {"idTagInfo": {"status": "Accepted"}}
    assert await orphans(server) == []


async def test_a_second_different_stop_is_kept_as_a_conflict(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger)
    stop = {**STOP, "transactionId": transaction_id}
    await charger.call("StopTransaction", stop, "a")
    assert (await charger.call("StopTransaction", {**stop, "meterStop": 950}, "b"))[0] == 3
    assert (await transaction(server, transaction_id)).meter_stop_wh == 900
    assert await orphans(server) == ["stop_conflict"]


async def test_a_stop_without_tag_and_reason_counts_as_local(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger)
    assert (await charger.call("StopTransaction", {**STOP, "transactionId": transaction_id}))[2] == {}
    record = await transaction(server, transaction_id)
    assert (record.stop_reason, record.stop_id_tag) == ("Local", None)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [({"meterStop": 50}, "meter_decreased"), ({"timestamp": "2026-01-01T09:00:00Z"}, "stop_before_start")],
)
async def test_an_odd_stop_is_kept_raw_and_flagged(
    server: GatewayServer, charger: RawClient, changes: dict[str, Any], flag: str
) -> None:
    transaction_id = await start(charger)
    stop = {**STOP, "transactionId": transaction_id, **changes}
    assert (await charger.call("StopTransaction", stop))[0] == 3
    record = await transaction(server, transaction_id)
    assert flag in record.flags
    assert record.meter_stop_wh == stop["meterStop"]


@pytest.mark.parametrize("transaction_id", [-1, 0])
async def test_a_stop_without_an_id_ends_the_open_transaction(
    server: GatewayServer, charger: RawClient, transaction_id: int
) -> None:
    started = await start(charger)
    await charger.call("StopTransaction", {**STOP, "transactionId": transaction_id})
    assert (await transaction(server, started)).stopped_at is not None


async def test_a_stop_that_overtook_its_start_is_joined_to_it(
    server: GatewayServer, charger: RawClient
) -> None:
    assert (await charger.call("StopTransaction", {**STOP, "transactionId": -1}))[2] == {}
    record = await transaction(server, await start(charger))
    assert record.meter_stop_wh == 900


@pytest.mark.parametrize("transaction_id", [2**31, 2**63 - 1, -(2**63)])
async def test_a_transaction_id_beyond_32_bits_is_answered(
    server: GatewayServer, charger: RawClient, transaction_id: int
) -> None:
    stop = {**STOP, "transactionId": transaction_id}
    assert (await charger.call("StopTransaction", stop, "a"))[0] == 3
    meter = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [reading()]}
    assert (await charger.call("MeterValues", meter, "b"))[2] == {}
    assert len(await values(server)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01 10:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T12:00:00+02", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00:00.123456Z"),
        ("2025-12-31T23:59:60Z", "2026-01-01T00:00:00Z"),
        ("2025-12-31T24:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-1-1T9:5:7Z", "2026-01-01T09:05:07Z"),
        (1767261600, "2026-01-01T10:00:00Z"),
    ],
)
async def test_an_odd_time_is_read(
    server: GatewayServer, charger: RawClient, text: Any, expected: str
) -> None:
    record = await transaction(server, await start(charger, timestamp=text))
    assert record.started_at == parse_time(expected)
    assert "time_unreadable" not in record.flags


async def test_an_unreadable_time_never_refuses_a_billing_record(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger, timestamp="yesterday")
    assert "time_unreadable" in (await transaction(server, transaction_id)).flags
    meter = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [reading(at="soon")]}
    assert (await charger.call("MeterValues", meter, "m"))[2] == {}
    stop = {**STOP, "transactionId": transaction_id, "timestamp": "later"}
    assert (await charger.call("StopTransaction", stop, "s"))[0] == 3
    assert (await transaction(server, transaction_id)).stopped_at is not None


async def test_sessions_without_a_clock_under_one_message_id_are_billed_each(
    server: GatewayServer, charger: RawClient
) -> None:
    begin = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "1970-01-01T00:00:10Z"}
    found = []
    for register, named in ((5000, True), (7000, False), (9000, False)):
        transaction_id = (await charger.call("StartTransaction", begin, "1"))[2]["transactionId"]
        again = await charger.call("StartTransaction", begin, "1")
        assert again[2]["transactionId"] == transaction_id
        number = transaction_id if named else -1
        end = {"transactionId": number, "meterStop": register, "timestamp": "1970-01-01T01:00:00Z"}
        assert (await charger.call("StopTransaction", end, "1"))[0] == 3
        found.append(transaction_id)
    assert [(await transaction(server, each)).meter_stop_wh for each in found] == [5000, 7000, 9000]


async def test_a_session_that_is_taken_for_a_retry_costs_no_later_one(
    server: GatewayServer, charger: RawClient
) -> None:
    begin = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": ""}

    async def session(client: RawClient, register: int, *, named: bool) -> int:
        transaction_id: int = (await client.call("StartTransaction", begin, "1"))[2]["transactionId"]
        number = transaction_id if named else -1
        end = {"transactionId": number, "meterStop": register, "timestamp": ""}
        assert (await client.call("StopTransaction", end, "1"))[0] == 3
        return transaction_id

    first = await session(charger, 5000, named=False)
    later = await server.connect("CP1")
    # Nothing tells this one from a retry of the first.
    assert await session(later, 6000, named=True) == first
    third = await session(later, 7000, named=True)
    assert (await transaction(server, third)).meter_stop_wh == 7000
    assert await session(later, 8000, named=True) not in (first, third)


@pytest.mark.parametrize("connector_id", [0, 7, "3", 2.0])
async def test_any_connector_may_start(server: GatewayServer, charger: RawClient, connector_id: Any) -> None:
    record = await transaction(server, await start(charger, connectorId=connector_id))
    assert record.connector_id == int(connector_id)


async def test_numbers_as_text_and_unknown_fields_are_understood(
    server: GatewayServer, charger: RawClient
) -> None:
    record = await transaction(server, await start(charger, meterStart="100", vendorField={"a": 1}))
    assert record.meter_start_wh == 100


async def test_fields_whose_names_have_another_case_are_worth_as_much(
    server: GatewayServer, charger: RawClient
) -> None:
    begin = {"ConnectorId": 3, "IdTag": "TAG-1", "MeterStart": 100, "Timestamp": "2026-01-01T10:00:00Z"}
    transaction_id = (await charger.call("StartTransaction", begin))[2]["transactionId"]
    end = {"transaction_id": transaction_id, "meter_stop": 700, "timestamp": "2026-01-01T11:00:00Z"}
    assert (await charger.call("StopTransaction.req", end, "s"))[0] == 3
    record = await transaction(server, transaction_id)
    assert (record.connector_id, record.id_tag, record.started_at) == (
        3,
        "TAG-1",
        parse_time("2026-01-01T10:00:00Z"),
    )
    assert (record.meter_start_wh, record.meter_stop_wh, record.flags) == (100, 700, ("replayed",))


# Meter values


async def test_a_retried_reading_is_stored_once(server: GatewayServer, charger: RawClient) -> None:
    meter = {"connectorId": 1, "meterValue": [reading("5"), reading("6", "2026-01-01T10:31:00Z")]}
    for unique_id in ("a", "b", "a"):
        assert (await charger.call("MeterValues", meter, unique_id))[2] == {}
    assert len(await values(server)) == 2


@pytest.mark.parametrize("connector_id", [0, 1, 9])
async def test_readings_of_any_connector_are_kept(
    server: GatewayServer, charger: RawClient, connector_id: int
) -> None:
    meter = {"connectorId": connector_id, "meterValue": [reading()]}
    assert (await charger.call("MeterValues", meter))[2] == {}
    assert [value.connector_id for value in await values(server)] == [connector_id]


async def test_readings_without_an_id_belong_to_the_transaction_under_way(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger)
    await charger.call("MeterValues", {"connectorId": 1, "meterValue": [reading()]}, "m")
    assert [value.transaction_id for value in await values(server)] == [transaction_id]


async def test_readings_after_the_stop_are_kept(server: GatewayServer, charger: RawClient) -> None:
    transaction_id = await start(charger)
    await charger.call("StopTransaction", {**STOP, "transactionId": transaction_id}, "s")
    meter = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [reading()]}
    assert (await charger.call("MeterValues", meter, "m"))[2] == {}
    assert [value.transaction_id for value in await values(server)] == [transaction_id]


async def test_the_readings_of_a_stop_are_kept_with_it(server: GatewayServer, charger: RawClient) -> None:
    transaction_id = await start(charger)
    stop = {**STOP, "transactionId": transaction_id, "transactionData": [reading("100"), reading("900", AT)]}
    assert (await charger.call("StopTransaction", stop, "s"))[0] == 3
    kept = await values(server)
    assert {(value.context, value.transaction_id) for value in kept} == {("stop", transaction_id)}
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("sample", "changed"),
    [
        ({"value": "NaN"}, {}),
        ({"value": ""}, {}),
        ({"value": "12,5"}, {}),
        ({"value": "x" * 5000, "format": "SignedData"}, {}),
        ({"value": "1", "measurand": "Current,Power"}, {}),
        ({"value": "50", "measurand": "frequency", "unit": "Hertz"}, {"measurand": "Frequency"}),
        ({"value": "20", "unit": "Celcius", "measurand": "Temperature"}, {}),
        (
            {"value": "1", "unit": "kW h", "context": "Odd", "phase": "L9", "location": "Moon"},
            {"unit": "kWh"},
        ),
    ],
)
async def test_an_odd_sample_is_kept_and_a_slip_of_the_pen_mended(
    server: GatewayServer, charger: RawClient, sample: dict[str, Any], changed: dict[str, Any]
) -> None:
    meter = {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [sample]}]}
    assert (await charger.call("MeterValues", meter))[2] == {}
    (kept,) = await values(server)
    assert kept.sampled_values == [{**sample, **changed}]


async def test_a_number_for_a_value_is_kept_as_text(server: GatewayServer, charger: RawClient) -> None:
    assert (await charger.call("MeterValues", {"connectorId": 1, "meterValue": [reading(12.5)]}))[2] == {}
    (kept,) = await values(server)
    assert kept.sampled_values == [{"value": "12.5"}]


async def test_a_single_reading_need_not_be_in_a_list(server: GatewayServer, charger: RawClient) -> None:
    assert (await charger.call("MeterValues", {"connectorId": 1, "meterValue": reading()}))[2] == {}
    assert len(await values(server)) == 1


async def test_a_reading_without_samples_is_answered(server: GatewayServer, charger: RawClient) -> None:
    meter = {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": []}]}
    assert (await charger.call("MeterValues", meter))[2] == {}


# Status, boot, heartbeat, authorize, data transfer


async def test_an_unknown_status_is_kept_raw(server: GatewayServer, charger: RawClient) -> None:
    report = {"connectorId": 3, "status": "Error", "errorCode": "Ouch"}
    assert (await charger.call("StatusNotification", report))[2] == {}
    assert await connectors(server) == {3: ("Error", "Ouch")}


async def test_the_status_that_came_last_counts_whatever_its_time(
    server: GatewayServer, charger: RawClient
) -> None:
    for unique_id, status, timestamp in (
        ("1", "Charging", "2026-01-01T10:00:00Z"),
        ("2", "Available", "2026-01-01T09:00:00Z"),
    ):
        report = {"connectorId": 1, "status": status, "errorCode": "NoError", "timestamp": timestamp}
        assert (await charger.call("StatusNotification", report, unique_id))[2] == {}
    assert await connectors(server) == {1: ("Available", "NoError")}


async def test_a_storm_of_flapping_states_ends_with_the_last_one(
    server: GatewayServer, charger: RawClient
) -> None:
    for n in range(60):
        status = "Preparing" if n % 2 else "Available"
        charger.send(
            json.dumps(
                [
                    2,
                    str(n),
                    "StatusNotification",
                    {"connectorId": 1, "status": status, "errorCode": "NoError"},
                ]
            )
        )
    answers = [json.loads(await charger.text()) for _ in range(60)]
    assert [answer[:2] for answer in answers] == [[3, str(n)] for n in range(60)]
    assert await connectors(server) == {1: ("Preparing", "NoError")}


async def test_a_boot_loop_is_answered_each_time(server: GatewayServer, charger: RawClient) -> None:
    for n in range(5):
        boot = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": str(n)}
        answer = await charger.call("BootNotification", boot, str(n))
        assert (answer[2]["status"], answer[2]["interval"]) == ("Accepted", 300)
    async with server.database.tenant(server.tenant.id) as work:
        record = await ChargePointStore(work).get("CP1")
    assert record is not None
    assert (record.vendor, record.model, record.firmware_version) == ("V", "M", "4")


async def test_the_operators_decision_counts_at_the_next_boot(server: GatewayServer) -> None:
    await server.register("NEW", registration_status="Pending")
    client = await server.connect("NEW")
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    assert (await client.call("BootNotification", boot, "1"))[2]["status"] == "Pending"
    assert (await client.call("Heartbeat", {}, "2"))[2] == "SecurityError"
    async with server.database.tenant(server.tenant.id) as work:
        await ChargePointStore(work).update("NEW", registration_status="Accepted", heartbeat_interval_s=77)
    answer = await client.call("BootNotification", boot, "3")
    assert (answer[2]["status"], answer[2]["interval"]) == ("Accepted", 77)
    assert (await client.call("Heartbeat", {}, "4"))[0] == 3
    async with server.database.tenant(server.tenant.id) as work:
        await ChargePointStore(work).update("NEW", registration_status="Rejected")
    assert (await client.call("BootNotification", boot, "5"))[2]["status"] == "Rejected"
    assert (await client.call("Heartbeat", {}, "6"))[2] == "SecurityError"


async def test_billing_records_of_a_better_time_are_still_taken(
    server: GatewayServer, charger: RawClient
) -> None:
    transaction_id = await start(charger)
    async with server.database.tenant(server.tenant.id) as work:
        await ChargePointStore(work).update("CP1", registration_status="Rejected")
    again = await server.connect("CP1")
    assert (await again.call("Heartbeat", {}, "1"))[2] == "SecurityError"
    assert (await again.call("StopTransaction", {**STOP, "transactionId": transaction_id}, "2"))[0] == 3
    assert (await transaction(server, transaction_id)).stopped_at is not None


async def test_a_heartbeat_may_be_used_as_a_ping(charger: RawClient) -> None:
    for n in range(50):
        answer = await charger.call("Heartbeat", {}, str(n))
        assert parse_time(answer[2]["currentTime"]) is not None


@pytest.mark.parametrize(
    ("id_tag", "status"), [("TAG", "Accepted"), ("tAg", "Accepted"), ("GONE", "Blocked"), ("WHO", "Invalid")]
)
async def test_authorize_always_has_a_status(charger: RawClient, id_tag: str, status: str) -> None:
    assert (await charger.call("Authorize", {"idTag": id_tag}))[2] == {"idTagInfo": {"status": status}}


@pytest.mark.parametrize("data", ["text", {"an": "object"}, None])
async def test_a_vendors_own_message_is_answered(charger: RawClient, data: Any) -> None:
    payload = {"vendorId": "com.example", "messageId": "m", "data": data}
    assert (await charger.call("DataTransfer", payload))[2] == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    "text",
    [
        '[2,"q","Heartbeat",null]',
        '[2,"q","Heartbeat",[]]',
        '[2,"q","Heartbeat"]',
        '[2,"q","heartbeat",{}]',
        '\ufeff[2,"q","Heartbeat",{}]',
        '[2,"q","Heartbeat",{}]\x00',
        '[2,"q","Heartbeat",{}]\n',
        '[,2,"q","Heartbeat",{}]',
        '[2,"q","StopTransaction",{"transactionId":,"meterStop":1,"timestamp":"2026-01-01T00:00:00Z"}]',
    ],
)
async def test_an_odd_frame_is_answered(charger: RawClient, text: str) -> None:
    answer = await charger.ask(text)
    assert answer[1] == "q"
    assert answer[0] == 3


async def test_two_texts_in_one_frame_get_two_answers(charger: RawClient) -> None:
    charger.send('[2,"a","Heartbeat",{}][2,"b","Heartbeat",{}]')
    answers = [json.loads(await charger.text()) for _ in range(2)]
    assert [answer[:2] for answer in answers] == [[3, "a"], [3, "b"]]


async def test_a_numeric_id_is_echoed_as_a_number(charger: RawClient) -> None:
    assert (await charger.ask('[2,17,"Heartbeat",{}]'))[:2] == [3, 17]
