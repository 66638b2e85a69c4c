"""Each thing that a conversation finds is counted by its codes."""

import pytest
from prometheus_client import REGISTRY

from tests.support.session_harness import SessionHarness

UNKNOWN_FIELDS = '[2,"1","Heartbeat",{"a":1,"b":2}]'


def tolerated(code: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_deviations_total", {"kind": code}) or 0.0


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('[2,"1","Heartbeat",{}]', []),
        (UNKNOWN_FIELDS, ["unknown_field"]),
        ('[2,"1","heartbeat",{"a":1}]', ["action_spelling", "unknown_field"]),
        ('[2,"1","NoSuchAction",{}]', ["call_refused"]),
        ('[3,"1",{}]', []),
        ("Heartbeat", ["frame_unreadable"]),
        ('[5,"1",{}]', ["frame_unreadable"]),
    ],
)
async def test_each_message_is_counted_by_its_codes(text: str, codes: list[str]) -> None:
    harness = SessionHarness()
    await harness.receive(text)
    assert harness.deviations.codes == codes


async def test_a_message_counts_once_and_the_metric_counts_each_place() -> None:
    harness, before = SessionHarness(), tolerated("unknown_field")
    await harness.receive(UNKNOWN_FIELDS)
    assert harness.deviations.codes == ["unknown_field"]
    assert tolerated("unknown_field") == before + 2


async def test_a_deviation_of_a_message_without_a_frame_is_counted() -> None:
    harness, before = SessionHarness(), tolerated("binary_frame")
    harness.session.receive_binary(b"[]")
    await harness.session.settled()
    assert harness.deviations.codes == ["binary_frame", "frame_unreadable"]
    assert tolerated("binary_frame") == before + 1


async def test_answers_to_commands_are_counted() -> None:
    harness = SessionHarness()
    for number, answer in enumerate(('{"status":"accepted"}', "{}", '{"status":')):
        harness.session.issue(f"command-{number}", "ClearCache", "{}", 30.0)  # type: ignore[arg-type]
        await harness.receive(f'[3,"command-{number}",{answer}]')
    assert harness.deviations.codes == ["enumeration_spelling", "answer_unusable", "answer_unusable"]


async def test_a_strict_tenant_sees_refusals() -> None:
    harness = SessionHarness(strict=True)
    await harness.receive(UNKNOWN_FIELDS)
    assert harness.deviations.codes == ["call_refused"]
