"""Bad input over a real socket: the exact answer, and that everybody else and every record is unharmed."""

import json
from typing import Any

import pytest

from app.charge_points.store import ChargePointStore, ConnectorStore
from app.frame_log.records import FrameFilter
from app.frame_log.service import FrameLogService
from app.tenants.store import TenantStore
from app.transactions.store.reading import TransactionStore
from app.types import TenantId
from tests.support.gateway import GatewayServer
from tests.support.raw_client import BINARY, CLOSE, PONG, TEXT, RawClient

HEARTBEAT = '[2,"hb","Heartbeat",{}]'
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-01-01T00:00:00Z"}
AUTHORIZE = '[2,"%s","Authorize",%s]'

# name, bytes of a text frame, code of the CALLERROR
CALL_ERRORS = [
    ("unknown action", b'[2,"b","Explode",{}]', "NotImplemented"),
    ("action of the other side", b'[2,"b","Reset",{"type":"Soft"}]', "NotSupported"),
    ("missing field", b'[2,"b","Authorize",{}]', "ProtocolError"),
    (
        "wrong type",
        b'[2,"b","StatusNotification",{"connectorId":"one","errorCode":"NoError","status":"Available"}]',
        "TypeConstraintViolation",
    ),
    ("payload is text", b'[2,"b","Authorize","TAG"]', "FormationViolation"),
    ("duplicate key", b'[2,"b","Authorize",{"idTag":"A","idTag":"B"}]', "FormationViolation"),
    (
        "deep nesting",
        b'[2,"b","Authorize",' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"]",
        "FormationViolation",
    ),
]


async def witness(server: GatewayServer) -> tuple[RawClient, int]:
    """Another charge point, in the middle of a transaction."""
    await server.register("WITNESS")
    client = await server.connect("WITNESS")
    answer = await client.call("StartTransaction", START)
    return client, answer[2]["transactionId"]


async def assert_unharmed(server: GatewayServer, client: RawClient, transaction_id: int) -> None:
    assert (await client.ask(HEARTBEAT))[0] == 3
    async with server.database.tenant(server.tenant.id) as work:
        (transaction,) = await TransactionStore(work).page(10)
    assert (transaction.id, transaction.meter_start_wh) == (transaction_id, 100)
    assert transaction.stopped_at is None


@pytest.mark.parametrize(
    ("text", "code"), [row[1:] for row in CALL_ERRORS], ids=[row[0] for row in CALL_ERRORS]
)
async def test_a_bad_call_gets_its_error_and_the_socket_stays(
    server: GatewayServer, text: bytes, code: str
) -> None:
    other, transaction_id = await witness(server)
    await server.register("CP1")
    client = await server.connect("CP1")
    answer = await client.ask(text)
    assert answer[:3] == [4, "b", code]
    assert answer[4] == {}
    assert (await client.ask(HEARTBEAT))[0] == 3
    await assert_unharmed(server, other, transaction_id)


async def test_an_over_long_string_is_kept_by_a_tolerant_tenant_and_refused_by_a_strict_one(
    server: GatewayServer,
) -> None:
    await server.register("CP1")
    boot = {"chargePointVendor": "V" * 300, "chargePointModel": "M"}
    tolerant = await server.connect("CP1")
    assert (await tolerant.call("BootNotification", boot))[2]["status"] == "Accepted"
    async with server.database.tenant(server.tenant.id) as work:
        record = await ChargePointStore(work).get("CP1")
    assert record is not None
    assert record.vendor is not None
    assert record.vendor.startswith("V" * 20)
    async with server.database.platform() as platform:
        await TenantStore(platform).update(server.tenant.slug, strict_protocol=True)
    strict = await server.connect("CP1")
    assert (await strict.call("BootNotification", boot))[2] == "PropertyConstraintViolation"


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"[", b"{}", b"[2]", b"[5,1,2]", b'[3,"x",{}]', b'[4,"x"]']
)
async def test_what_is_no_call_gets_no_answer(server: GatewayServer, text: bytes) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    client.send(text)
    # The next answer belongs to the next call: nothing was sent for the one before.
    assert (await client.ask(HEARTBEAT))[:2] == [3, "hb"]


async def test_twenty_unreadable_frames_close_with_1008(server: GatewayServer) -> None:
    other, transaction_id = await witness(server)
    await server.register("CP1")
    client = await server.connect("CP1")
    for _ in range(20):
        client.send("nonsense")
    assert await client.close_code() == 1008
    await assert_unharmed(server, other, transaction_id)


def masked(opcode: int, payload: bytes, fin: bool = True) -> tuple[int, bytes, bool]:
    return opcode, payload, fin


LIMIT = 8_388_608

# name, frames as (opcode, payload, fin), close code
CLOSINGS: list[tuple[str, list[tuple[int, bytes, bool]], int]] = [
    ("binary frame", [masked(BINARY, b"\x00\x01\x02")], 1003),
    ("10 MB", [masked(TEXT, b"x" * 10_000_000)], 1009),
    ("one byte too many", [masked(TEXT, b"x" * (LIMIT + 1))], 1009),
    (
        "too big in fragments",
        [
            masked(TEXT, b"x" * (LIMIT // 2), False),
            masked(0, b"x" * (LIMIT // 2), False),
            masked(0, b"x"),
        ],
        1009,
    ),
    ("continuation of nothing", [masked(0, b"x")], 1002),
    ("unknown opcode", [masked(0x3, b"x")], 1002),
    ("ping that is too long", [masked(0x9, b"x" * 126)], 1002),
    ("ping in fragments", [masked(0x9, b"x", False)], 1002),
    ("close with a bad code", [masked(CLOSE, b"\x00\x01")], 1002),
]


@pytest.mark.parametrize(("frames", "code"), [row[1:] for row in CLOSINGS], ids=[row[0] for row in CLOSINGS])
async def test_what_is_no_text_message_closes_with_its_code(
    server: GatewayServer, frames: list[tuple[int, bytes, bool]], code: int
) -> None:
    other, transaction_id = await witness(server)
    await server.register("CP1")
    client = await server.connect("CP1")
    for opcode, payload, fin in frames:
        client.send(payload, opcode, fin=fin)
    assert await client.close_code() == code
    await assert_unharmed(server, other, transaction_id)
    assert (await (await server.connect("CP1")).ask(HEARTBEAT))[0] == 3


@pytest.mark.parametrize("text", [b'[2,"b","Heartbeat",{"a":"\xff\xfe"}]', b'[2,"b","Heartbeat",{}]\xc3'])
@pytest.mark.parametrize("strict", [True, False])
async def test_text_that_is_not_utf8_is_read_unless_the_tenant_is_strict(
    server: GatewayServer, text: bytes, strict: bool
) -> None:
    async with server.database.platform() as work:
        await TenantStore(work).update(server.tenant.slug, strict_protocol=strict)
    await server.register("CP1")
    client = await server.connect("CP1")
    client.send(text)
    if strict:
        assert await client.close_code() == 1007
    else:
        assert json.loads(await client.text())[:2] == [3, "b"]


async def test_reserved_bits_without_an_extension_close_with_1002(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    client.send(HEARTBEAT, first_byte=0xC1)
    assert await client.close_code() == 1002


async def test_an_unmasked_frame_closes_with_1002(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    client.writer.write(bytes([0x81, 2]) + b"[]")
    assert await client.close_code() == 1002


async def test_a_fragmented_message_of_the_allowed_size_is_one_message(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    data = HEARTBEAT.encode()
    client.send(data[:5], TEXT, fin=False)
    client.send(b"", 0x9)
    client.send(data[5:], 0)
    assert (await client.frame())[0] == PONG
    assert json.loads(await client.text())[:2] == [3, "hb"]


async def test_before_acceptance_a_smaller_frame_is_too_big(server: GatewayServer) -> None:
    await server.register("CP1", registration_status="Pending")
    client = await server.connect("CP1")
    boot = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "x" * 17_000}
    client.send(json.dumps([2, "1", "BootNotification", boot]))
    assert await client.close_code() == 1009


async def test_text_in_a_binary_frame_is_answered(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    client.send(HEARTBEAT, BINARY)
    assert json.loads(await client.text())[:2] == [3, "hb"]
    await server.flush()
    tenant_id = TenantId(server.tenant.id)
    frames = await FrameLogService(server.database).page(tenant_id, "CP1", 10, None, FrameFilter())
    kinds = [found["kind"] for frame in frames for found in frame.deviations or []]
    assert kinds == ["binary_frame"]


NUL = "A\\u0000B"
SURROGATE = "A\\ud800B"


@pytest.mark.parametrize("text", [NUL, SURROGATE], ids=["NUL", "lone surrogate"])
async def test_characters_no_database_holds_are_replaced_and_nothing_fails(
    server: GatewayServer, text: str
) -> None:
    other, transaction_id = await witness(server)
    await server.register("CP1")
    client = await server.connect("CP1")

    async def call(action: str, payload: str) -> Any:
        answer = await client.ask(f'[2,"{action}","{action}",{payload.replace("TEXT", text)}]')
        assert answer[:2] == [3, action], answer
        return answer[2]

    await call("BootNotification", '{"chargePointVendor":"TEXT","chargePointModel":"TEXT"}')
    await call("Authorize", '{"idTag":"TEXT"}')
    await call(
        "StatusNotification", '{"connectorId":1,"status":"Available","errorCode":"NoError","info":"TEXT"}'
    )
    started = await call(
        "StartTransaction",
        '{"connectorId":1,"idTag":"TEXT","meterStart":0,"timestamp":"2026-01-01T00:00:00Z"}',
    )
    await call(
        "MeterValues",
        '{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"TEXT"}]}]}',
    )
    await call(
        "StopTransaction",
        f'{{"transactionId":{started["transactionId"]},"idTag":"TEXT","meterStop":5,'
        '"timestamp":"2026-01-01T01:00:00Z"}',
    )
    await server.flush()
    async with server.database.tenant(server.tenant.id) as work:
        transaction = await TransactionStore(work).get(started["transactionId"])
    assert transaction is not None
    assert transaction.id_tag == "A\ufffdB"
    assert transaction.meter_stop_wh == 5
    async with server.database.tenant(server.tenant.id) as work:
        untouched = await TransactionStore(work).get(transaction_id)
    assert untouched is not None
    assert untouched.stopped_at is None
    assert (await other.ask(HEARTBEAT))[0] == 3


async def test_a_defect_in_a_handler_costs_one_message(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, transaction_id = await witness(server)
    await server.register("CP1")
    client = await server.connect("CP1")

    async def defect(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(server.services.storage.ledger, "start_transaction", defect)
        answer = await client.call("StartTransaction", START)
    assert answer[:3] == [4, "1", "InternalError"]
    assert "ZeroDivision" not in json.dumps(answer)
    # The same message again is a new try, not the remembered error.
    assert (await client.call("StartTransaction", START))[0] == 3
    async with server.database.tenant(server.tenant.id) as work:
        assert len(await TransactionStore(work).page(10)) == 2
        first = await TransactionStore(work).get(transaction_id)
    assert first is not None
    assert (await other.ask(HEARTBEAT))[0] == 3


async def test_new_connectors_have_a_limit_and_are_answered_beyond_it(server: GatewayServer) -> None:
    record = await server.register("CP1")
    client = await server.connect("CP1")
    for n in range(70):
        report = {"connectorId": n, "status": "Available", "errorCode": "NoError"}
        assert (await client.call("StatusNotification", report, str(n)))[2] == {}
    async with server.database.tenant(server.tenant.id) as work:
        connectors = await ConnectorStore(work).for_charge_point(record.id)
    assert len(connectors) == server.settings.connectors_per_charge_point + 1
