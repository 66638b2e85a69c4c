"""The ledger of accepted charging profiles: each rule of OCPP 1.6 3.13, 5.5 and 5.16 that it follows."""

from typing import Any

import pytest

from app.types import Json
from tests.support.profile_story import Story, only, profile


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_same_id_anywhere_is_replaced(story: Story) -> None:
    old = story.set(1, profile(5))
    story.set(2, profile(5, level=3))
    (item,) = story.ledger.states[0]
    assert (item.connector_id, item.profile["stackLevel"]) == (2, 3)
    assert story.ledger.superseded == {old}


def test_the_same_purpose_and_level_on_the_connector_is_replaced(story: Story) -> None:
    story.set(1, profile(5))
    story.set(1, profile(6, validFrom="2030-01-01T00:00:00Z"))
    assert only(story.ledger) == [6]


def test_other_levels_purposes_and_connectors_stay(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.set(2, profile(3))
    story.set(0, profile(4, "ChargePointMaxProfile"))
    assert only(story.ledger) == [1, 2, 3, 4]


def test_a_default_of_a_connector_does_not_remove_the_one_of_the_charge_point(story: Story) -> None:
    story.set(0, profile(1))
    story.set(1, profile(2))
    assert only(story.ledger) == [1, 2]


def test_a_tx_profile_is_replaced_within_its_transaction_only(story: Story) -> None:
    story.start(501)
    story.set(1, profile(1, "TxProfile", transactionId=501))
    story.set(1, profile(2, "TxProfile", transactionId=501))
    assert only(story.ledger) == [2]


def test_clearing_by_id_ignores_every_other_filter(story: Story) -> None:
    story.set(1, profile(1))
    story.set(2, profile(2, level=1))
    story.clear(id=1, connectorId=2, stackLevel=1)
    assert only(story.ledger) == [2]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({}, []),
        ({"connectorId": 1}, [3, 4]),
        ({"stackLevel": 1}, [1, 3, 4]),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, [4]),
        ({"chargingProfilePurpose": "TxDefaultProfile", "connectorId": 1, "stackLevel": 1}, [1, 3, 4]),
        ({"chargingProfilePurpose": "ChargePointMaxProfile", "connectorId": 1}, [1, 2, 3, 4]),
    ],
)
def test_clearing_by_filters_takes_what_fits_all_of_them(
    story: Story, filters: Json, left: list[int]
) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.set(2, profile(3))
    story.set(0, profile(4, "ChargePointMaxProfile"))
    story.clear(**filters)
    assert only(story.ledger) == left


def test_a_clear_that_met_nothing_changes_nothing(story: Story) -> None:
    story.set(1, profile(1))
    clear = story.clear("Unknown", id=9)
    assert only(story.ledger) == [1]
    assert clear in story.ledger.superseded


def test_the_end_of_the_transaction_drops_its_tx_profile(story: Story) -> None:
    story.set(1, profile(1))
    story.start(501)
    story.set(1, profile(2, "TxProfile", transactionId=501))
    assert only(story.ledger) == [1, 2]
    story.stop(501)
    assert only(story.ledger) == [1]


def test_a_later_transaction_on_the_connector_shows_that_the_one_before_has_ended(story: Story) -> None:
    story.start(501)
    story.set(1, profile(2, "TxProfile", transactionId=501))
    story.start(502)
    assert only(story.ledger) == []


def test_what_a_dropped_tx_profile_had_replaced_does_not_come_back(story: Story) -> None:
    story.start(501)
    story.set(1, profile(5))
    story.set(1, profile(5, "TxProfile", transactionId=501))
    story.stop(501)
    assert only(story.ledger) == []
    assert len(story.ledger.superseded) == 2


def test_a_tx_profile_without_transaction_id_belongs_to_the_one_that_ran(story: Story) -> None:
    story.start(501)
    story.set(1, profile(2, "TxProfile"))
    (item,) = story.ledger.states[0]
    assert item.profile["transactionId"] == 501
    story.stop(501)
    assert only(story.ledger) == []


def test_the_profile_of_a_remote_start_belongs_to_the_transaction_that_followed(story: Story) -> None:
    command = story.send(
        "RemoteStartTransaction", {"idTag": "T", "chargingProfile": profile(7, "TxProfile")}
    ).id
    (item,) = story.ledger.states[0]
    assert (item.waiting, item.connector_id) == (True, None)
    story.start(501, connector=2, command=command)
    (item,) = story.ledger.states[0]
    assert (item.waiting, item.connector_id, item.profile["transactionId"]) == (False, 2, 501)
    story.stop(501)
    assert only(story.ledger) == []


def test_the_profile_of_a_remote_start_that_led_to_nothing_is_gone(story: Story) -> None:
    story.send(
        "RemoteStartTransaction",
        {"idTag": "T", "chargingProfile": profile(7, "TxProfile")},
        effect={"observed": "no_effect"},
    )
    assert only(story.ledger) == []


def test_without_smart_charging_the_profile_of_a_remote_start_is_not_supported(story: Story) -> None:
    story.smart_charging = False
    story.send("RemoteStartTransaction", {"idTag": "T", "chargingProfile": profile(7, "TxProfile")})
    assert only(story.ledger) == []
    assert [event.verdict for event in story.ledger.refused] == ["not_supported"]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"status": "Rejected"}, "rejected"),
        ({"status": "NotSupported"}, "not_supported"),
        ({"status": None, "state": "call_error", "error": {"code": "NotSupported"}}, "not_supported"),
        ({"status": None, "state": "call_error", "error": {"code": "NotImplemented"}}, "not_supported"),
        ({"status": None, "state": "call_error", "error": {"code": "InternalError"}}, "rejected"),
    ],
)
def test_what_is_refused_is_kept_and_does_not_limit(story: Story, answer: Any, verdict: str) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1), **answer)
    assert only(story.ledger) == [1]
    assert [event.verdict for event in story.ledger.refused] == [verdict]
    assert story.ledger.superseded == set()


def test_a_refusal_is_forgotten_once_the_profile_is_accepted_or_cleared(story: Story) -> None:
    story.set(1, profile(1), "Rejected")
    story.set(1, profile(1))
    story.set(1, profile(2, level=1), "Rejected")
    story.clear(stackLevel=1)
    assert story.ledger.refused == ()
