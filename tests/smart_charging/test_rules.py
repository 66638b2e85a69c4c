"""Decisions about installations, without a database: what to send, and when to check again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.errors import InvalidInput
from app.smart_charging.profile_ledger import LedgerView
from app.smart_charging.records import (
    CALENDAR_PROFILES,
    ChargingProfileRecord,
    ConnectorTransaction,
    InstallationRecord,
    ProfileContent,
)
from app.smart_charging.rules.abilities import Abilities, Conversion, Unit, unit_to_ask
from app.smart_charging.rules.installation import (
    REFUSED_RETRY_AFTER,
    RETRY_AFTER,
    KnownState,
    ProfileRequest,
    Refresh,
    Target,
    decide_refresh,
    plan_installation,
    plan_remote_start,
)
from app.smart_charging.rules.stored_profiles import accept_content, ocpp_ids, require_same_form
from app.types import Json
from tests.support.profile_story import Story, profile
from tests.support.protocol import OCPP16

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CLOCK_CHANGE = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
TARGET = Target(charge_point_id=1, connector_id=1)
CALENDAR: Json = {
    "charging_profile_purpose": "TxDefaultProfile",
    "stack_level": 0,
    "time_zone": "Europe/Brussels",
    "unit": "A",
    "rules": [{"days": ["Mon"], "from": "17:00", "to": "20:00", "limit": 8.0, "number_phases": None}],
    "otherwise": None,
    "number_phases": None,
}


def stored(number: int = 1, **changes: Any) -> ChargingProfileRecord:
    """A stored profile in the form of OCPP, unless `calendar` is given."""
    content = {name: value for name, value in profile(number).items() if name != "chargingProfileId"}
    fields: dict[str, Any] = {"charging_profile": content, "calendar": None, **changes}
    return ChargingProfileRecord(1, number, "Base", created_at=NOW, updated_at=NOW, **fields)


def calendar(number: int = 1, **changes: Any) -> ChargingProfileRecord:
    return stored(number, charging_profile=None, calendar={**CALENDAR, **changes})


def known(story: Story | None = None, *, running: bool = False, **abilities: Any) -> KnownState:
    transaction = ConnectorTransaction(501, 1, NOW, NOW, None, None)
    view = LedgerView((story or Story()).ledger, (transaction,) if running else ())
    return KnownState(OCPP16, view, Abilities(**abilities))


def installation(**changes: Any) -> InstallationRecord:
    record = InstallationRecord(1, 1, 1, "RDAM-1", 1, None, None, NOW - timedelta(days=1), NOW)
    return replace(record, **changes)


def wanted(state: KnownState, record: ChargingProfileRecord) -> tuple[ProfileRequest, ...]:
    return plan_installation(state, record, TARGET, NOW).requests


def codes(refusal: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(violation.code, violation.pointer) for violation in refusal.value.violations]


def test_a_missing_profile_is_sent_and_checked_at_the_next_try() -> None:
    story = Story()
    story.set(1, profile(1, level=3))
    state = known(story)
    assert decide_refresh(state, stored(), installation(), NOW) == Refresh(
        "wait", requests=wanted(state, stored())
    )


def test_an_installed_profile_needs_nothing_until_something_changes() -> None:
    story = Story()
    story.set(1, profile(1))
    assert decide_refresh(known(story), stored(), installation(), NOW) == Refresh("check", None)


def test_an_installed_calendar_is_checked_at_the_next_clock_change() -> None:
    record, story = calendar(), Story()
    (request,) = wanted(known(), record)
    story.set(1, request.payload["csChargingProfiles"])
    assert decide_refresh(known(story), record, installation(), NOW) == Refresh("check", CLOCK_CHANGE)


def test_a_refused_profile_is_sent_again_after_hours() -> None:
    story = Story()
    story.set(1, profile(1, level=3))
    story.set(1, profile(1), "Rejected")
    state = known(story)
    assert decide_refresh(state, stored(), installation(), NOW) == Refresh(
        "check", NOW + REFUSED_RETRY_AFTER, wanted(state, stored())
    )


@pytest.mark.parametrize(
    ("age", "action"), [(RETRY_AFTER, "wait"), (RETRY_AFTER + timedelta(seconds=1), "forget")]
)
def test_a_cleared_profile_is_forgotten_once_its_first_command_had_time(age: timedelta, action: str) -> None:
    story = Story()
    story.set(1, profile(1))
    story.clear(id=1)
    asked = installation(requested_at=NOW - age)
    assert decide_refresh(known(story), stored(), asked, NOW).action == action


def test_a_profile_that_the_charge_point_can_no_longer_take_is_checked_after_hours() -> None:
    refresh = decide_refresh(
        known(max_stack_level=0), stored(charging_profile=_level(2)), installation(), NOW
    )
    assert (refresh.action, refresh.check_at) == ("check", NOW + REFUSED_RETRY_AFTER)
    assert refresh.refusal is not None
    assert refresh.requests == ()


@pytest.mark.parametrize("running", [False, True])
def test_a_profile_of_another_transaction_is_forgotten(running: bool) -> None:
    record = stored(charging_profile={**_level(0), "chargingProfilePurpose": "TxProfile"})
    refresh = decide_refresh(known(running=running), record, installation(transaction_id=500), NOW)
    assert refresh.action == "forget"
    assert refresh.requests == ()


def test_profiles_that_a_calendar_no_longer_needs_are_cleared() -> None:
    record, story = calendar(7), Story()
    story.set(1, profile(8, level=1))
    story.set(1, profile(7 + CALENDAR_PROFILES, level=2))
    requests = wanted(known(story), record)
    assert [(request.action, request.payload.get("id")) for request in requests] == [
        ("ClearChargingProfile", 8),
        ("SetChargingProfile", None),
    ]


def test_one_profile_too_many_counts_in_the_fullest_possible_state() -> None:
    story = Story()
    story.set(2, profile(5), status=None)
    state = known(story, max_installed=1)
    assert [len(possible) for possible in state.view.ledger.states] == [0, 1]
    with pytest.raises(InvalidInput) as refusal:
        plan_installation(state, stored(), TARGET, NOW)
    assert codes(refusal) == [("too_many_profiles", "/csChargingProfiles")]


def test_a_tx_profile_is_bound_to_the_transaction_of_its_connector() -> None:
    record = stored(charging_profile={**_level(0), "chargingProfilePurpose": "TxProfile"})
    plan = plan_installation(known(running=True), record, TARGET, NOW)
    assert plan.transaction_id == 501
    assert plan.requests[0].payload["csChargingProfiles"]["transactionId"] == 501
    with pytest.raises(InvalidInput) as refusal:
        plan_installation(known(), record, TARGET, NOW)
    assert codes(refusal) == [("tx_profile_needs_transaction", "/csChargingProfiles/transactionId")]


def test_a_remote_start_carries_a_default_as_a_tx_profile() -> None:
    request = plan_remote_start(known(), stored(), "B4A63CDF", replace(TARGET, connector_id=0), NOW)
    assert request.action == "RemoteStartTransaction"
    assert "connectorId" not in request.payload
    assert request.payload["chargingProfile"]["chargingProfilePurpose"] == "TxProfile"


def test_a_remote_start_carries_one_profile_only() -> None:
    gaps = [{**CALENDAR["rules"][0], "days": ["Mon", "Wed"]}]
    with pytest.raises(InvalidInput) as refusal:
        plan_remote_start(known(), calendar(rules=gaps), "B4A63CDF", TARGET, NOW)
    assert codes(refusal) == [("one_profile_only", "/chargingProfile")]


def test_a_conversion_changes_the_unit_only_where_it_must() -> None:
    target = replace(TARGET, conversion=Conversion(230))
    for units, unit, limit in ((frozenset({"A"}), "A", 16), (frozenset({"W"}), "W", 11_040.0)):
        plan = plan_installation(known(units=units), stored(), target, NOW)
        schedule = plan.requests[0].payload["csChargingProfiles"]["chargingSchedule"]
        assert (schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"][0]["limit"]) == (unit, limit)


def test_the_form_of_a_stored_profile_never_changes() -> None:
    require_same_form(stored(), ProfileContent("Base", charging_profile=_level(1)))
    with pytest.raises(InvalidInput) as refusal:
        require_same_form(stored(), ProfileContent("Base", calendar=CALENDAR))
    assert codes(refusal) == [("form_never_changes", "/calendar")]


def test_content_that_limits_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput) as refusal:
        accept_content(OCPP16, ProfileContent("Free", calendar={**CALENDAR, "rules": []}), NOW)
    assert codes(refusal) == [("limits_nothing", "/calendar/rules")]


def test_a_calendar_takes_ids_for_its_gaps() -> None:
    assert ocpp_ids(stored(5)) == range(5, 6)
    assert ocpp_ids(calendar(5)) == range(5, 5 + CALENDAR_PROFILES)


def _level(level: int) -> Json:
    return {name: value for name, value in profile(1, level=level).items() if name != "chargingProfileId"}


@pytest.mark.parametrize(
    ("units", "installed", "expected"),
    [
        (None, [], "A"),
        (frozenset("W"), [], "W"),
        (frozenset("W"), ["A"], "W"),
        (frozenset("AW"), ["W"], "A"),
        (frozenset("A"), ["W"], "A"),
        (None, ["W", "W"], "W"),
        (None, ["W", "A"], "A"),
    ],
)
def test_a_schedule_is_asked_for_in_a_unit_that_the_charge_point_takes(
    units: frozenset[Unit] | None, installed: list[Unit], expected: Unit
) -> None:
    profiles = [{"chargingSchedule": {"chargingRateUnit": unit}} for unit in installed]
    assert unit_to_ask("A", Abilities(units=units), profiles) == expected
