"""Two definitions are compared by what they judge: messages, fields, limits, values."""

import json

import pytest

from app.catalog.definition import Definition
from app.migration.rules.differences import FieldChange, compare
from tests.support.protocol import OCPP16, OCPP21, OCPP201, invented_protocol

V16, V201, V21 = (Definition.read(found.describe()) for found in (OCPP16, OCPP201, OCPP21))


def greeting(**changes: object) -> Definition:
    """The invented protocol with another first field of Greet."""
    content = json.loads(invented_protocol().describe())
    content["messages"][0]["request"]["fields"][0] |= changes
    return Definition.read(json.dumps(content))


OLD = greeting()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "title"}, [("title", "added"), ("name", "removed")]),
        ({"type": "integer"}, [("name", "retyped")]),
        ({"many": True}, [("name[]", "retyped")]),
        ({"required": False}, [("name", "relaxed")]),
        ({"maxLength": 3}, [("name", "tightened")]),
        ({"maxLength": 99}, [("name", "relaxed")]),
        ({"maxLength": None}, [("name", "relaxed")]),
        ({"minimum": 1}, [("name", "tightened")]),
        ({"summary": "Another text."}, []),
    ],
    ids=["renamed", "type", "list", "optional", "shorter", "longer", "no limit", "least", "text"],
)
def test_a_changed_field_is_named(changes: dict[str, object], found: list[tuple[str, str]]) -> None:
    differences = compare(OLD, greeting(**changes))
    named = [(change.path, change.change) for message in differences.changed for change in message.changes]
    assert named == found
    assert differences.added == differences.removed == ()


def test_a_version_does_not_differ_from_itself() -> None:
    for version in (V16, V201, V21):
        differences = compare(version, version)
        assert (differences.added, differences.removed, differences.changed) == ((), (), ())
        assert len(differences.same) == len(version.messages)


def test_what_one_direction_adds_the_other_removes() -> None:
    there, back = compare(V201, V21), compare(V21, V201)
    assert (len(there.added), there.removed) == (27, ())
    assert set(there.added) == set(back.removed)
    assert {message.action for message in there.changed} == {message.action for message in back.changed}
    relaxed = [
        change for message in there.changed for change in message.changes if change.change == "relaxed"
    ]
    tightened = [
        change for message in back.changed for change in message.changes if change.change == "tightened"
    ]
    assert [(change.direction, change.path) for change in relaxed] == [
        (change.direction, change.path) for change in tightened
    ]
    assert len(relaxed) > 20


def test_known_differences_of_2_1_are_found() -> None:
    changed = {message.action: message.changes for message in compare(V201, V21).changed}
    assert FieldChange("request", "requestId", "added", "integer, optional") in changed["SignCertificate"]
    trigger = next(it for it in changed["TransactionEvent"] if it.path == "triggerReason")
    assert trigger.change == "values"
    assert "+ CostLimitReached" in trigger.detail
