"""The ledger of accepted charging profiles: each rule of OCPP 1.6 3.13, 5.5 and 5.16 that it follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.csms.smart_charging.ledger import WORLDS_LIMIT, Ledger, World, fold_ledger
from app.csms.smart_charging.ledger_reading import read_events
from app.store.records import CommandState, ConnectorTransaction, Json, ProfileCommandRecord

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def profile(number: int, purpose: str = "TxDefaultProfile", level: int = 0, **changes: Any) -> Json:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **changes,
    }


class Story:
    """What was sent to one charge point and answered by it, and the transactions meanwhile."""

    def __init__(self) -> None:
        self.commands: list[ProfileCommandRecord] = []
        self.transactions: list[ConnectorTransaction] = []
        self.smart_charging = True

    def send(
        self, action: str, payload: Json, status: str | None = "Accepted", **changes: Any
    ) -> ProfileCommandRecord:
        """status None: no answer came."""
        state: CommandState = "timed_out"
        if status is not None:
            state = "accepted" if status == "Accepted" else "rejected"
        number = len(self.commands) + 1
        fields: dict[str, Any] = {
            "id": UUID(int=number),
            "action": action,
            "payload": payload,
            "state": state,
            "created_at": self.at(number),
            "sent_at": self.at(number),
            "finished_at": self.at(number),
            "result": None if status is None else {"status": status},
            "error": None,
            "late_result": None,
            "effect": None,
        }
        command = ProfileCommandRecord(**(fields | changes))
        self.commands.append(command)
        return command

    def set(self, connector: int, wanted: Json, status: str | None = "Accepted", **changes: Any) -> UUID:
        payload = {"connectorId": connector, "csChargingProfiles": wanted}
        return self.send("SetChargingProfile", payload, status, **changes).id

    def clear(self, status: str | None = "Accepted", **filters: Any) -> UUID:
        return self.send("ClearChargingProfile", filters, status).id

    def start(self, number: int, connector: int = 1, command: UUID | None = None) -> None:
        at = self.at(len(self.commands) + 0.5)
        self.transactions.append(ConnectorTransaction(number, connector, at, at, None, command))

    def stop(self, number: int) -> None:
        at = self.at(len(self.commands) + 0.7)
        self.transactions = [
            ConnectorTransaction(
                row.id,
                row.connector_id,
                row.started_at,
                row.started_received_at,
                at,
                row.remote_start_command_id,
            )
            if row.id == number
            else row
            for row in self.transactions
        ]

    @staticmethod
    def at(minutes: float) -> datetime:
        return NOW + timedelta(minutes=minutes)

    @property
    def ledger(self) -> Ledger:
        return fold_ledger(read_events(self.commands, self.transactions, smart_charging=self.smart_charging))


def numbers(world: World) -> list[int]:
    return [item.charging_profile_id for item in world]


def only(ledger: Ledger) -> list[int]:
    assert ledger.certain
    return numbers(ledger.worlds[0])


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_same_id_anywhere_is_replaced(story: Story) -> None:
    old = story.set(1, profile(5))
    story.set(2, profile(5, level=3))
    (item,) = story.ledger.worlds[0]
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


def test_a_clear_that_met_nothing_where_we_know_of_something_leaves_both(story: Story) -> None:
    story.set(1, profile(1))
    story.clear("Unknown", id=1)
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), ()}


def test_what_a_clear_did_not_find_is_denied_until_it_is_sent_again(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.clear("Unknown", id=1)
    assert story.ledger.denied == {1}
    story.set(1, profile(1), None)
    assert story.ledger.denied == set()


def test_of_clears_that_meet_nothing_each_time_few_are_kept(story: Story) -> None:
    story.set(1, profile(1))
    clears = []
    for _ in range(9):
        clears.append(story.clear("Unknown", id=1))
        story.set(1, profile(1, level=3), None)
    assert story.ledger.superseded >= set(clears[2:-2])
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), ()}
    story.clear(id=1)
    assert only(story.ledger) == []


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
    (item,) = story.ledger.worlds[0]
    assert item.profile["transactionId"] == 501
    story.stop(501)
    assert only(story.ledger) == []


def test_the_profile_of_a_remote_start_belongs_to_the_transaction_that_followed(story: Story) -> None:
    command = story.send(
        "RemoteStartTransaction", {"idTag": "T", "chargingProfile": profile(7, "TxProfile")}
    ).id
    (item,) = story.ledger.worlds[0]
    assert (item.waiting, item.connector_id) == (True, None)
    story.start(501, connector=2, command=command)
    (item,) = story.ledger.worlds[0]
    assert (item.waiting, item.connector_id, item.profile["transactionId"]) == (False, 2, 501)
    story.stop(501)
    assert only(story.ledger) == []


def test_the_profile_of_a_remote_start_that_led_to_nothing_is_gone(story: Story) -> None:
    story.send(
        "RemoteStartTransaction",
        {"idTag": "T", "chargingProfile": profile(7, "TxProfile")},
        effect={"observed": "none"},
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


def test_a_word_of_its_own_is_no_refusal(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), "Done")
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), (2,)}


@pytest.mark.parametrize("state", ["timed_out", "connection_lost", "expired", "sent"])
def test_without_an_answer_both_the_old_and_the_new_may_hold(story: Story, state: str) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), None, state=state)
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), (2,)}
    assert story.ledger.superseded == set()
    assert numbers(story.ledger.everywhere()) == []
    assert numbers(story.ledger.anywhere) == [1, 2]


def test_an_answer_nobody_can_read_leaves_both(story: Story) -> None:
    story.set(
        1, profile(1), None, state="call_error", result={"state": "?"}, error={"code": "FormationViolation"}
    )
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(), (1,)}


@pytest.mark.parametrize(
    ("late", "left"),
    [
        ({"state": "accepted", "result": {"status": "Accepted"}, "error": None}, [2]),
        ({"state": "rejected", "result": {"status": "Rejected"}, "error": None}, [1]),
    ],
)
def test_a_late_answer_settles_it_in_its_own_place(story: Story, late: Json, left: list[int]) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), None, late_result=late)
    assert only(story.ledger) == left


def test_a_late_answer_counts_before_what_was_sent_after_it(story: Story) -> None:
    late = {"state": "accepted", "result": {"status": "Accepted"}, "error": None}
    story.set(1, profile(1), None, late_result=late)
    story.set(1, profile(2))
    assert only(story.ledger) == [2]


def test_an_unanswered_clear_leaves_both(story: Story) -> None:
    story.set(1, profile(1))
    story.clear(None)
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), ()}


def test_a_later_certain_answer_settles_what_was_open(story: Story) -> None:
    story.set(1, profile(1))
    open_command = story.set(1, profile(2), None)
    story.set(1, profile(3))
    assert only(story.ledger) == [3]
    assert open_command in story.ledger.superseded


def test_the_same_profile_sent_again_without_an_answer_is_not_in_doubt(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.set(1, profile(1), None)
    assert only(story.ledger) == [1, 2]


def test_repeated_tries_without_an_answer_do_not_multiply(story: Story) -> None:
    story.set(1, profile(1))
    for _ in range(20):
        story.set(1, profile(2), None)
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), (2,)}


def test_of_the_tries_of_a_silent_charge_point_few_are_kept(story: Story) -> None:
    story.set(1, profile(1))
    tries = [story.set(1, profile(2), None) for _ in range(9)]
    refused = story.set(1, profile(3), "Rejected")
    tries += [story.set(1, profile(2), None) for _ in range(9)]
    assert story.ledger.superseded == set(tries[2:-2])
    assert refused not in story.ledger.superseded
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), (2,)}


def test_an_open_try_counts_however_the_ones_after_it_are_answered(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1), None)
    story.set(1, profile(2, level=1), None)
    story.clear(None, id=2)
    refused: Json = {"state": "rejected", "result": {"status": "Rejected"}, "error": None}
    story.commands = [row for row in story.commands if row.id not in story.ledger.superseded]
    story.commands[-2:] = [replace(row, late_result=refused) for row in story.commands[-2:]]
    assert {tuple(numbers(world)) for world in story.ledger.worlds} == {(1,), (1, 2)}


def test_with_too_many_open_answers_nothing_is_said(story: Story) -> None:
    several = range(1, WORLDS_LIMIT.bit_length() + 5)
    for number in several:
        story.set(1, profile(number, level=number), None)
    assert story.ledger.overflow
    assert story.ledger.worlds == ((),)
    assert story.ledger.superseded == set()
    for number in several:
        story.set(1, profile(number, level=number))
    assert only(story.ledger) == list(several)
    for number in several:
        story.set(2, profile(number + 100, level=number), None)
    assert story.ledger.overflow
    story.clear()
    assert only(story.ledger) == []


def test_leaving_out_the_superseded_changes_nothing(story: Story) -> None:
    story.start(501)
    story.set(0, profile(1))
    story.set(1, profile(2))
    story.set(1, profile(3, "TxProfile", transactionId=501))
    story.set(1, profile(2, level=4), "Rejected")
    story.clear(connectorId=1, stackLevel=0, chargingProfilePurpose="TxDefaultProfile")
    story.set(2, profile(4), None)
    story.set(2, profile(4))
    before = story.ledger
    assert before.superseded
    story.commands = [row for row in story.commands if row.id not in before.superseded]
    assert story.ledger.worlds == before.worlds
    assert story.ledger.refused == before.refused
    assert story.ledger.superseded == set()
