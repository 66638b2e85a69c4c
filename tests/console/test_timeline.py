"""The timeline: a CALL and its answer are one entry, repairs are marked, and each field has its note."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from app.console.timeline import Notes, timeline
from app.frame_log.records import Direction, FrameRecord
from tests.support.protocol import OCPP16

NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)
NOTES = Notes(orjson.loads(OCPP16.describe()))


def frame(
    number: int,
    text: str,
    *,
    direction: Direction = "in",
    at_ms: int = 0,
    connection: str = "a",
    deviations: list[dict[str, Any]] | None = None,
) -> FrameRecord:
    at = NOW + timedelta(milliseconds=at_ms)
    return FrameRecord(number, at, 1, at, direction, text, deviations, connection)


def test_a_call_and_its_answer_are_one_entry_with_milliseconds() -> None:
    call = frame(1, '[2,"7","Heartbeat",{}]')
    answer = frame(2, '[3,"7",{"currentTime":"2026-05-04T08:15:30Z"}]', direction="out", at_ms=12)
    [entry] = timeline([answer, call], (), (), NOTES)
    assert (entry.kind, entry.title, entry.incoming, entry.message_id) == ("call", "Heartbeat", True, "7")
    assert (entry.milliseconds, entry.outcome, entry.failed) == (12.0, "ok", False)
    assert entry.texts == (call.text, answer.text)
    [current_time] = entry.answer_fields
    assert current_time.path == "/currentTime"
    assert current_time.note != ""


def test_calls_of_both_sides_may_have_the_same_message_id() -> None:
    frames = [
        frame(4, '[3,"1",{"status":"Accepted"}]', direction="in", at_ms=3),
        frame(3, '[3,"1",{}]', direction="out", at_ms=2),
        frame(2, '[2,"1","Reset",{"type":"Soft"}]', direction="out", at_ms=1),
        frame(1, '[2,"1","Heartbeat",{}]', direction="in"),
    ]
    found = {entry.title: (entry.outcome, entry.milliseconds) for entry in timeline(frames, (), (), NOTES)}
    assert found == {"Reset": ("Accepted", 2.0), "Heartbeat": ("ok", 2.0)}


def test_an_answer_on_another_connection_is_not_that_of_the_call() -> None:
    frames = [
        frame(2, '[3,"1",{}]', direction="out", at_ms=9, connection="b"),
        frame(1, '[2,"1","Heartbeat",{}]'),
    ]
    kinds = [(entry.kind, entry.milliseconds) for entry in timeline(frames, (), (), NOTES)]
    assert kinds == [("connection", None), ("answer", None), ("call", None)]


def test_an_error_is_told_by_its_code() -> None:
    frames = [
        frame(2, '[4,"1","NotSupported","",{}]', at_ms=5),
        frame(1, '[2,"1","Reset",{"type":"Soft"}]', direction="out"),
    ]
    [entry] = timeline(frames, (), (), NOTES)
    assert (entry.outcome, entry.failed) == ("NotSupported", True)


def test_repaired_values_are_marked_where_they_are() -> None:
    deviations = [{"kind": "number_as_text", "pointer": "/connectorId", "raw": '"1"'}]
    text = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]'
    [entry] = timeline([frame(1, text, deviations=deviations)], (), (), NOTES)
    assert entry.repaired == ("number_as_text",)
    repaired = {field.path: field.repaired for field in entry.fields}
    assert repaired == {"/connectorId": 'number_as_text, came as "1"', "/errorCode": "", "/status": ""}


def test_nested_fields_have_the_notes_of_the_catalog() -> None:
    text = (
        '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-05-04T08:15:30Z",'
        '"sampledValue":[{"value":"1"}]}]}]'
    )
    [entry] = timeline([frame(1, text)], (), (), NOTES)
    notes = {field.path: field.note for field in entry.fields}
    assert list(notes) == ["/connectorId", "/meterValue/0/timestamp", "/meterValue/0/sampledValue/0/value"]
    assert all(notes.values())


def test_what_is_no_frame_is_shown_as_it_came() -> None:
    texts = ["not JSON", "{}", "[]", "[9,1]", '[2,"1"]', "[" * 3000]
    found = timeline([frame(number, text) for number, text in enumerate(texts)], (), (), NOTES)
    assert {entry.kind for entry in found} == {"unreadable"}
    assert sorted(entry.texts[0] for entry in found) == sorted(texts)


def test_odd_members_do_not_break_the_page() -> None:
    texts = ['[2,7,"X"]', '[2,"8",9,[1]]', '[3,"q"]', '[4,"r"]', '[2,"s","Reset",{"a":{"b":[]}}]']
    found = timeline([frame(number, text) for number, text in enumerate(texts)], (), (), NOTES)
    assert len(found) == len(texts)
