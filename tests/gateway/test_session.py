"""A session answers frames exactly, stores what must be stored, and closes when it must. OCPP-J 4"""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from app import close_codes
from app.connection import Connection
from app.errors import CallFailed, StoreUnavailable
from app.types import CommandId
from tests.support.session_harness import LIMITS, SessionHarness

HEARTBEAT = '[2,"h1","Heartbeat",{}]'
# The session answers it by its handler, which tests replace.
TRANSFER = '[2,"d1","DataTransfer",{"vendorId":"V"}]'
METER_VALUES = (
    '[2,"m1","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":'
    '[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"1"}]}]}]'
)
# Required fields are missing: refused with ProtocolError (OCPP-J 4.2.3).
BROKEN_START = '[2,"s1","StartTransaction",{"connectorId":1}]'


def code_of(answer: str) -> str:
    frame = json.loads(answer)
    assert frame[0] == 4
    return str(frame[2])


async def test_a_call_gets_its_result_and_the_charge_point_counts_as_heard() -> None:
    harness = SessionHarness()
    harness.clock.seconds += 5
    answers = await harness.receive(HEARTBEAT)
    assert [json.loads(answer) for answer in answers] == [
        [3, "h1", {"currentTime": "2026-01-01T00:00:05.000Z"}]
    ]
    assert harness.connection.last_seen == harness.clock.now()


async def test_frames_are_logged_in_both_directions() -> None:
    harness = SessionHarness()
    (answer,) = await harness.receive(HEARTBEAT)
    assert harness.storage.frame_log.rows == [("in", HEARTBEAT, None), ("out", answer, None)]


@pytest.mark.parametrize(
    "microseconds", [0, 999, 1_000, 123_456, 999_999, 86_399_999_999, 31_536_000_000_000]
)
async def test_the_core_answers_a_heartbeat_as_its_handler_does(microseconds: int) -> None:
    done: list[Any] = []
    for is_answered_by_core in (True, False):
        harness = SessionHarness()
        harness.clock.seconds += microseconds / 1_000_000
        harness.session.reader.is_accepted = is_answered_by_core
        answers = await harness.receive(HEARTBEAT, '[2,"\\u00e4","Heartbeat",{}]', '[2,7,"Heartbeat",{}]')
        counters = harness.services.quotas.counters_of(harness.connection.tenant_id)
        received, _, sent, by_action = counters.take()
        done.append((answers, harness.storage.frame_log.rows, harness.connection.last_seen_us))
        done[-1] += (received, sent, sum(by_action["Heartbeat"][0]))
    assert done[0] == done[1]
    assert len(done[0][0]) == 3


async def test_a_heartbeat_is_answered_behind_the_calls_before_it() -> None:
    gate = asyncio.Event()

    async def wait(connection: Connection, request: Any) -> Any:
        await gate.wait()
        return {"status": "Accepted"}

    harness = SessionHarness({"DataTransfer": wait})
    for text in (HEARTBEAT, TRANSFER, HEARTBEAT.replace("h1", "h2")):
        harness.session.receive_text(text)
    await asyncio.sleep(0)
    assert len(harness.transport.sent) == 1
    gate.set()
    answers = await harness.receive(METER_VALUES, HEARTBEAT.replace("h1", "h3"))
    ids = [json.loads(answer)[1] for answer in [*harness.transport.sent[:1], *answers]]
    assert ids == ["h1", "d1", "h2", "m1", "h3"]


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_a_heartbeat_of_who_is_not_accepted_is_refused(registration: str) -> None:
    harness = SessionHarness(registration=registration)
    (answer,) = await harness.receive(HEARTBEAT)
    assert code_of(answer) == "SecurityError"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallFailed("SecurityError", "no"), "SecurityError"),
        (StoreUnavailable(), "InternalError"),
        (RuntimeError("a defect"), "InternalError"),
    ],
)
async def test_a_failing_handler_costs_its_own_message_only(error: Exception, code: str) -> None:
    async def fail(connection: Connection, request: Any) -> Any:
        raise error

    harness = SessionHarness({"DataTransfer": fail})
    answers = await harness.receive(TRANSFER, METER_VALUES)
    assert code_of(answers[0]) == code
    assert "defect" not in answers[0]
    assert answers[1] == '[3,"m1",{}]'


async def test_a_handler_that_answers_nonsense_is_an_internal_error() -> None:
    async def nonsense(connection: Connection, request: Any) -> Any:
        return {"status": 5}

    (answer,) = await SessionHarness({"DataTransfer": nonsense}).receive(TRANSFER)
    assert code_of(answer) == "InternalError"


async def test_calls_are_answered_one_at_a_time_and_in_order() -> None:
    running = 0
    order: list[str] = []

    async def slow(connection: Connection, request: Any) -> Any:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        order.append(request["idTag"])
        running -= 1
        return {"idTagInfo": {"status": "Accepted"}}

    harness = SessionHarness({"Authorize": slow})
    answers = await harness.receive(*(f'[2,"a{n}","Authorize",{{"idTag":"T{n}"}}]' for n in range(4)))
    assert order == ["T0", "T1", "T2", "T3"]
    assert [json.loads(answer)[1] for answer in answers] == ["a0", "a1", "a2", "a3"]


async def test_the_same_call_again_gets_the_same_answer_and_no_second_effect() -> None:
    harness = SessionHarness()
    first = await harness.receive(METER_VALUES)
    assert await harness.receive(METER_VALUES) == first
    assert len(harness.storage.ledger.readings) == 1


async def test_a_call_of_ours_and_one_of_theirs_may_cross() -> None:
    harness = SessionHarness()
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    answers = await harness.receive(HEARTBEAT)
    assert json.loads(answers[-1])[:2] == [3, "h1"]
    await harness.receive('[3,"c1",{"status":"Accepted"}]')
    assert harness.transport.sent[0] == '[2,"c1","ClearCache",{}]'
    assert harness.commands.events == [("sent", "c1"), ("result", "c1")]


async def test_a_result_is_taken_while_a_call_of_theirs_is_being_worked_on() -> None:
    gate = asyncio.Event()

    async def wait(connection: Connection, request: Any) -> Any:
        await gate.wait()
        return {"status": "Accepted"}

    harness = SessionHarness({"DataTransfer": wait})
    harness.session.receive_text(TRANSFER)
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.session.receive_text('[3,"c1",{"status":"Rejected"}]')
    await harness.session._results.settled()
    assert harness.commands.events == [("sent", "c1"), ("result", "c1")]
    gate.set()
    await harness.session.settled()
    assert json.loads(harness.transport.sent[-1])[:2] == [3, "d1"]


async def test_a_second_call_of_ours_waits_for_the_first() -> None:
    harness = SessionHarness()
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.session.issue(CommandId("c2"), "ClearCache", "{}", 30.0)
    assert harness.transport.sent == ['[2,"c1","ClearCache",{}]']
    await harness.receive('[3,"c1",{"status":"Accepted"}]')
    assert harness.transport.sent[1] == '[2,"c2","ClearCache",{}]'
    assert harness.commands.events[1:] in (
        [("result", "c1"), ("sent", "c2")],
        [("sent", "c2"), ("result", "c1")],
    )


async def test_a_queued_call_can_be_withdrawn_and_a_sent_one_cannot() -> None:
    harness = SessionHarness()
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.session.issue(CommandId("c2"), "ClearCache", "{}", 30.0)
    assert harness.session.withdraw(CommandId("c2"))
    assert not harness.session.withdraw(CommandId("c1"))


async def test_an_overdue_call_times_out_and_its_late_answer_is_attached() -> None:
    harness = SessionHarness()
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.clock.seconds += 29.0
    harness.deadlines.check()
    await harness.session.settled()
    assert harness.commands.events == [("sent", "c1")]
    harness.clock.seconds += 1.0
    harness.deadlines.check()
    await harness.session.settled()
    assert harness.commands.events[-1] == ("timed_out", "c1")
    await harness.receive('[3,"c1",{"status":"Accepted"}]')
    assert harness.commands.resolves[-1].late


async def test_an_invalid_payload_of_ours_is_never_sent() -> None:
    harness = SessionHarness()
    with pytest.raises(ValueError, match="type"):
        harness.session.issue(CommandId("c1"), "Reset", "{}", 30.0)
    assert harness.transport.sent == []


async def test_the_end_of_the_socket_ends_our_calls() -> None:
    harness = SessionHarness()
    harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.session.issue(CommandId("c2"), "ClearCache", "{}", 30.0)
    harness.session.closed()
    await harness.session.settled()
    assert harness.commands.events == [("sent", "c1"), ("connection_lost", "c1"), ("not_sent", "c2")]


async def test_another_refused_message_is_answered_at_once_and_not_kept() -> None:
    harness = SessionHarness()
    harness.session.receive_text('[2,"a1","Authorize",{}]')
    assert code_of(harness.transport.sent[0]) == "ProtocolError"
    await harness.session.settled()
    assert harness.storage.ledger.kept == []


@pytest.mark.parametrize(
    ("text", "tolerant", "strict"),
    [
        ('[2,"x","Fly",{}]', "NotImplemented", "NotImplemented"),
        ('[2,"x","Reset",{"type":"Soft"}]', "NotSupported", "NotSupported"),
        ('[2,"x","DataTransfer",{}]', "ProtocolError", "ProtocolError"),
        ('[2,"x","DataTransfer",5]', "FormationViolation", "FormationViolation"),
        (
            '[2,"x","DataTransfer",{"vendorId":"a","vendorId":"b"}]',
            "FormationViolation",
            "FormationViolation",
        ),
        ('[2,"x","DataTransfer",' + "[" * 100 + "]" * 100 + "]", "FormationViolation", "FormationViolation"),
        ('[2,"x","DataTransfer",{"vendorId":5}]', None, "TypeConstraintViolation"),
        ('[2,"x","DataTransfer",{"vendorId":"%s"}]' % ("v" * 256), None, "PropertyConstraintViolation"),
        ('[2,"%s","DataTransfer",{"vendorId":"v"}]' % ("i" * 40), None, "FormationViolation"),
        ('[2,"x","DataTransfer",{"vendorId":"v","more":1}]', None, "FormationViolation"),
    ],
)
async def test_bad_calls_get_the_exact_error(text: str, tolerant: str | None, strict: str) -> None:
    for code, harness in ((tolerant, SessionHarness()), (strict, SessionHarness(strict=True))):
        (answer,) = await harness.receive(text)
        frame = json.loads(answer)
        assert frame[1] == json.loads(text)[1]
        assert (frame[2] if frame[0] == 4 else None) == code
        assert harness.close_code() is None
        assert len(await harness.receive(HEARTBEAT)) == 1


async def test_unknown_and_unreadable_frames_get_no_answer() -> None:
    harness = SessionHarness()
    assert await harness.receive("nonsense", "[9,1]", '[3,"nobody",{}]', '[4,"nobody","InternalError"]') == []
    assert harness.close_code() is None
    assert len(await harness.receive(HEARTBEAT)) == 1


async def test_twenty_unreadable_frames_in_a_minute_close_the_connection() -> None:
    harness = SessionHarness()
    await harness.receive(*["nonsense"] * 19)
    assert harness.close_code() is None
    await harness.receive("[9,1]")
    assert harness.close_code() == close_codes.POLICY_VIOLATION


async def test_unreadable_frames_over_a_longer_time_are_forgiven() -> None:
    harness = SessionHarness()
    for _ in range(60):
        await harness.receive("nonsense")
        harness.clock.seconds += 3.2
    assert harness.close_code() is None


async def test_a_closed_session_takes_nothing_more() -> None:
    harness = SessionHarness()
    harness.session.evict("a newer connection")
    assert harness.transport.closed == (close_codes.SUPERSEDED, "a newer connection")
    assert await harness.receive(HEARTBEAT) == []


async def test_text_in_a_binary_frame_is_tolerated() -> None:
    harness = SessionHarness()
    harness.clock.seconds += 5
    harness.session.receive_binary(b"\xef\xbb\xbf" + HEARTBEAT.encode())
    await harness.session.settled()
    assert harness.connection.last_seen == harness.clock.now()
    assert json.loads(harness.transport.sent[0])[:2] == [3, "h1"]
    assert "binary_frame" in harness.kinds


@pytest.mark.parametrize(
    ("data", "strict"),
    [(b"\x00\x01", False), (b"\xff[2,", False), (b"{}", False), (b"", False), (HEARTBEAT.encode(), True)],
)
async def test_other_binary_frames_close_with_1003(data: bytes, strict: bool) -> None:
    harness = SessionHarness(strict=strict)
    harness.session.receive_binary(data)
    assert harness.close_code() == close_codes.UNSUPPORTED_DATA


@pytest.mark.parametrize(
    ("registration", "accepted_before", "size", "closed"),
    [
        ("Accepted", True, 4096, False),
        ("Accepted", True, 4097, True),
        ("Pending", False, 1024, False),
        ("Pending", False, 1025, True),
        ("Pending", True, 4096, False),
    ],
)
async def test_frames_have_a_largest_size(
    registration: str, accepted_before: bool, size: int, closed: bool
) -> None:
    harness = SessionHarness(registration=registration, accepted_before=accepted_before)
    frame = '[2,"d","DataTransfer",{"vendorId":"v","data":"%s"}]'
    text = frame % ("x" * (size - len(frame) + 2))
    assert len(text) == size
    await harness.receive(text)
    assert (harness.transport.closed == (close_codes.MESSAGE_TOO_BIG, "frame too big")) is closed


async def test_the_size_counts_bytes_not_characters() -> None:
    harness = SessionHarness()
    await harness.receive('[2,"d","DataTransfer",{"vendorId":"v","data":"' + "é" * 2100 + '"}]')
    assert harness.transport.closed == (close_codes.MESSAGE_TOO_BIG, "frame too big")


async def test_a_flood_is_slowed_down_and_nothing_of_it_is_lost() -> None:
    harness = SessionHarness(limits=replace(LIMITS, rate_per_s=10.0, rate_burst=5, inbound_queue=100))
    answers = await harness.receive(*(METER_VALUES.replace("m1", f"m{n}") for n in range(6)))
    assert len(answers) == 6
    assert not harness.is_reading()
    ((pause_s, resume),) = harness.later
    assert pause_s == pytest.approx(0.1)
    harness.clock.seconds += pause_s
    resume()
    assert harness.is_reading()
    assert len(await harness.receive(HEARTBEAT)) == 1


async def test_many_waiting_calls_stop_the_reading_until_half_are_done() -> None:
    gate = asyncio.Semaphore(0)

    async def wait(connection: Connection, request: Any) -> Any:
        await gate.acquire()
        return {"idTagInfo": {"status": "Accepted"}}

    harness = SessionHarness({"Authorize": wait})
    for n in range(6):
        harness.session.receive_text(f'[2,"a{n}","Authorize",{{"idTag":"T"}}]')
        await asyncio.sleep(0)
    assert not harness.is_reading()
    for _ in range(6):
        gate.release()
    await harness.session.settled()
    assert harness.is_reading()
    assert len(harness.transport.sent) == 6


async def test_secrets_never_reach_the_frame_log() -> None:
    harness = SessionHarness()
    secret = "00112233445566778899aabbccddeeff00112233"
    payload = json.dumps({"key": "AuthorizationKey", "value": secret})
    harness.session.issue(CommandId("c1"), "ChangeConfiguration", payload, 30.0)
    await harness.receive('[3,"c1",{"status":"Accepted"}]')
    harness.session.issue(CommandId("c2"), "GetConfiguration", "{}", 30.0)
    leak = {"configurationKey": [{"key": "authorizationKEY", "readonly": False, "value": secret}]}
    await harness.receive(json.dumps([3, "c2", leak]))
    assert secret in harness.transport.sent[0]
    logged = str(harness.storage.frame_log.rows)
    assert "GetConfiguration" in logged
    assert secret not in logged


async def test_tolerated_deviations_are_in_the_frame_log() -> None:
    harness = SessionHarness()
    await harness.receive('[2,7,"heartbeat",null]')
    assert json.loads(harness.transport.sent[0])[1] == 7
    assert "action_spelling" in harness.kinds


async def test_an_operator_can_cut_the_session_off_in_the_middle_of_a_handler() -> None:
    gate = asyncio.Event()

    async def wait(connection: Connection, request: Any) -> Any:
        await gate.wait()
        return {"status": "Accepted"}

    harness = SessionHarness({"DataTransfer": wait})
    harness.session.receive_text(TRANSFER)
    harness.session.receive_text(METER_VALUES)
    await asyncio.sleep(0)
    harness.session.closed()
    gate.set()
    await harness.session.settled()
    assert harness.transport.sent == []


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (METER_VALUES, ['[4,"m1","InternalError","",{}]']),
        ('[2,7,"Heartbeat",{}]', ['[4,7,"InternalError","",{}]']),
        ('[3,"c1",{}]', []),
        ("[2,", []),
    ],
)
async def test_a_failure_of_the_core_costs_its_own_message_only(text: str, answers: list[str]) -> None:
    harness = SessionHarness()
    harness.session._core_failed(text)
    assert harness.transport.sent == answers
    assert await harness.receive(METER_VALUES) == ['[3,"m1",{}]']


async def test_a_call_for_a_closing_socket_is_not_taken_for_sent() -> None:
    harness = SessionHarness()
    harness.session.close(1001, "the server is going away")
    with pytest.raises(ValueError, match="closing"):
        harness.session.issue(CommandId("c1"), "ClearCache", "{}", 30.0)
    harness.session.closed()
    await harness.session.settled()
    assert harness.commands.events == []
