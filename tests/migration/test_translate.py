"""Each message of 1.6, in both ways, becomes valid messages of 2.0.1, or the report says why not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.migration.mapping import load_mapping
from app.migration.rules.draft import Draft
from app.migration.rules.translate import translate
from tests.support.protocol import DIRECTIONS, MESSAGES, OCPP201, Direction
from tests.support.strategies import payloads

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
MAPPING = load_mapping()
TOO_LARGE = {"/firmware/location", "/log/remoteLocation"}


def translated(action: str, way: Direction, payload: dict[str, Any]) -> Draft:
    return translate(MAPPING, action, way, payload, NOW)


def broken(draft: Draft) -> list[tuple[str, str, str]]:
    """List the faults of the messages in 2.0.1."""
    return [
        (message.action, violation.pointer, violation.detail)
        for message in draft.messages
        for violation in OCPP201.check_payload(
            message.action, message.way, json.dumps(message.payload)
        ).violations
    ]


@pytest.mark.parametrize("way", DIRECTIONS)
@pytest.mark.parametrize("action", MESSAGES)
def test_the_example_becomes_valid_messages_that_the_mapping_names(action: str, way: Direction) -> None:
    draft = translated(action, way, MESSAGES[action]["examples"][way])
    assert draft.messages
    assert broken(draft) == []
    assert draft.impossible == []
    assert {message.action for message in draft.messages} <= set(MAPPING.messages[action].to)


@pytest.mark.slow
@pytest.mark.parametrize("way", DIRECTIONS)
def test_any_valid_payload_becomes_valid_messages_or_is_said_to_be_impossible(way: Direction) -> None:
    outcomes: list[bool] = []

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data(), st.sampled_from(sorted(MESSAGES)))
    def judge(data: st.DataObject, action: str) -> None:
        draft = translated(action, way, data.draw(payloads(action, way)))
        assert broken(draft) == []
        assert bool(draft.messages) != bool(draft.impossible)
        outcomes.append(bool(draft.messages))

    judge()
    assert outcomes.count(True) / len(outcomes) > 0.9
