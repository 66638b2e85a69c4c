"""A session stores billing messages before it answers them, and answers them in order."""

import asyncio
import json

import pytest

from tests.gateway.test_session import HEARTBEAT, METER_VALUES, code_of
from tests.support.session_harness import SessionHarness


async def test_meter_values_are_answered_after_their_commit_only() -> None:
    harness = SessionHarness()
    assert await harness.receive(METER_VALUES) == ['[3,"m1",{}]']
    assert harness.storage.ledger.sent_before_commit == [[]]


async def test_without_the_store_a_billing_message_is_never_acknowledged() -> None:
    harness = SessionHarness()
    harness.storage.ledger.available = False
    (answer,) = await harness.receive(METER_VALUES)
    assert code_of(answer) == "InternalError"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "payload",
    [
        '{"connectorId":1,"meterValue":[5,{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"1"}]}]}',
        '{"connectorId":1,"connectorId":2,"meterValue":[]}',
        '{"connectorId":"one","meterValue":[]}',
        '{"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":NaN}]}',
        '{"connectorId":1,"x":' + "[" * 2000,
        "7",
    ],
)
async def test_a_damaged_billing_message_is_answered_after_its_text_is_kept(
    payload: str, strict: bool
) -> None:
    harness = SessionHarness(strict=strict)
    text = f'[2,"m1","MeterValues",{payload}]'
    assert await harness.receive(text) == ['[3,"m1",{}]']
    (kept,) = harness.storage.ledger.kept
    assert (kept.action, kept.raw) == ("MeterValues", text)
    assert harness.storage.ledger.sent_before_commit == [[], []]


async def test_a_damaged_billing_message_that_cannot_be_kept_is_asked_for_again() -> None:
    harness = SessionHarness()
    harness.storage.ledger.available = False
    (answer,) = await harness.receive('[2,"m1","MeterValues",{"connectorId":[]}]')
    assert json.loads(answer)[1:3] == ["m1", "InternalError"]


async def test_a_call_behind_records_is_answered_behind_them() -> None:
    harness = SessionHarness()
    answers = await harness.receive(METER_VALUES, HEARTBEAT, METER_VALUES.replace("m1", "m2"))
    assert [json.loads(answer)[1] for answer in answers] == ["m1", "h1", "m2"]
    records = (METER_VALUES.replace("m1", unique_id) for unique_id in ("m3", "m4"))
    answers = await harness.receive(*records, HEARTBEAT.replace("h1", "h2"))
    assert [json.loads(answer)[1] for answer in answers] == ["m3", "m4", "h2"]


async def test_many_records_of_one_connection_stop_the_reading_too() -> None:
    harness = SessionHarness()
    for n in range(6):
        harness.session.receive_text(METER_VALUES.replace("m1", f"m{n}"))
    assert len(harness.storage.ledger.meters) == 1
    assert not harness.is_reading()
    await harness.session.settled()
    assert harness.is_reading()
    assert len(harness.transport.sent) == 6


async def test_the_end_of_the_socket_does_not_wait_for_records(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = SessionHarness()
    ledger = harness.storage.ledger
    monkeypatch.setattr(ledger, "wake", lambda: None)
    harness.session.receive_text(METER_VALUES)
    harness.session.receive_text(HEARTBEAT)
    settled = asyncio.create_task(harness.session.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    harness.session.closed()
    await settled
    ledger.write_meters()
    assert harness.transport.sent == []
    assert len(ledger.readings) == 1, "it is stored all the same"
