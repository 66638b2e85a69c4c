"""The plan that brings a charge point to its desired configuration, against charge points of many habits."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration.records import ConfigurationRecord, DesiredKey, KeyState
from app.configuration.rules import (
    ChangeStep,
    KeyTypes,
    ReadStep,
    Situation,
    WaitStep,
    after_answer,
    is_same_value,
    key_types,
    max_keys,
    pause,
    plan,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TYPES: Final[KeyTypes] = key_types(
    [
        {"name": "HeartbeatInterval", "type": "integer", "access": "RW"},
        {"name": "LocalAuthorizeOffline", "type": "boolean", "access": "RW"},
        {"name": "MeterValuesSampledData", "type": "CSL", "access": "RW"},
        {"name": "VendorText", "type": "string", "access": "RW"},
    ]
)
HABITS: Final = (
    "good",
    "rejects",
    "reboot",
    "changes back",
    "not supported",
    "silent",
    "write-only",
    "odd case",
)
DAYS: Final = 10


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [
        ("HeartbeatInterval", "300", " 0300", True),
        ("heartbeatinterval", "300", "301", False),
        ("HeartbeatInterval", "abc", "ABC", False),
        ("LocalAuthorizeOffline", "true", "True ", True),
        ("LocalAuthorizeOffline", "true", "false", False),
        ("LocalAuthorizeOffline", "yes", "YES", False),
        ("MeterValuesSampledData", "Voltage,Current.Import", "Voltage, Current.Import", True),
        ("MeterValuesSampledData", "a,b", "b,a", False),
        ("VendorText", "true", "TRUE", False),
        ("AcmeKey", "true", "TRUE", True),
        ("AcmeKey", "x", "X", False),
    ],
)
def test_values_are_compared_by_their_type(key: str, one: str, other: str, same: bool) -> None:
    assert is_same_value(TYPES, key, one, other) is same


def test_pauses_grow_up_to_a_day() -> None:
    pauses = [pause(timedelta(minutes=5), attempts) for attempts in range(1, 40)]
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=24)


@pytest.mark.parametrize(("told", "number"), [(None, 20), ("3", 3), ("0", 20), ("500", 20), ("x", 20)])
def test_a_read_has_no_more_keys_than_the_charge_point_takes(told: str | None, number: int) -> None:
    record = ConfigurationRecord(1, "GetConfigurationMaxKeys", told, True, NOW)
    assert max_keys({"getconfigurationmaxkeys": record}) == number


@dataclass
class ModelPoint:
    """A charge point with a habit for each key, and the central system that plans for it."""

    habits: dict[str, str]
    max_keys: int
    stored: dict[str, str] = field(default_factory=dict)
    after_boot: dict[str, str] = field(default_factory=dict)
    known: dict[str, ConfigurationRecord] = field(default_factory=dict)
    states: dict[str, KeyState] = field(default_factory=dict)
    booted_at: datetime = NOW - timedelta(days=1)
    now: datetime = NOW
    changes: list[tuple[datetime, str]] = field(default_factory=list)
    reads: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        told = ConfigurationRecord(1, "GetConfigurationMaxKeys", str(self.max_keys), True, NOW)
        self.known["getconfigurationmaxkeys"] = told

    def boot(self) -> None:
        self.booted_at = self.now
        self.stored |= self.after_boot
        self.after_boot.clear()

    def change(self, step: ChangeStep) -> None:
        """Answer ChangeConfiguration, and let the central system note the answer."""
        folded, habit = step.key.lower(), self.habits[step.key]
        self.changes.append((self.now, folded))
        status: str | None = "Accepted"
        if habit == "rejects":
            status = "Rejected"
        elif habit == "not supported":
            status = "NotSupported"
        elif habit == "reboot":
            status, self.after_boot[folded] = "RebootRequired", step.value
        elif habit == "silent":
            status = None
        elif habit != "changes back":
            self.stored[folded] = step.value
        self.states[folded] = after_answer(self.states[folded], status, self.now)
        if status in ("Accepted", "RebootRequired"):
            self.known[folded] = ConfigurationRecord(
                1, step.key, step.value, None, self.now, "ChangeConfiguration", "configuration"
            )

    def read(self, step: ReadStep) -> None:
        """Answer GetConfiguration, and let the central system note the answer."""
        self.reads.append(step.keys)
        for key in step.keys:
            folded, habit = key.lower(), self.habits[key]
            value = None if habit in ("not supported", "write-only") else self.stored.get(folded, "0")
            if value is not None:
                shown = key.upper() if habit == "odd case" else key
                self.known[folded] = ConfigurationRecord(
                    1, shown, value, False, self.now, "GetConfiguration", "configuration"
                )
            self.states[folded] = _read_at(self.states[folded], self.now)

    def run(self, desired: dict[str, DesiredKey], until: datetime) -> None:
        """Do what is planned, and let time pass when nothing is."""
        for _ in range(10_000):
            situation = Situation(TYPES, self.known, self.booted_at, self.now)
            planned = plan(desired, self.states, situation)
            self.states = planned.states
            match planned.step:
                case ReadStep():
                    self.read(planned.step)
                case ChangeStep():
                    self.change(planned.step)
                case WaitStep(until=next_at):
                    assert next_at is None or next_at > self.now
                    if next_at is None or next_at > until:
                        self.now = until
                        return
                    self.now = next_at
            self.now += timedelta(seconds=1)
        raise AssertionError("the plan does not come to rest")


def _read_at(state: KeyState, at: datetime) -> KeyState:
    return KeyState(
        state.folded_key, state.value, state.state, state.attempts, state.next_at, state.since, at
    )


@given(
    st.lists(st.sampled_from(HABITS), min_size=1, max_size=6),
    st.integers(1, 30),
    st.lists(st.integers(0, 1), min_size=6, max_size=6),
    st.booleans(),
)
def test_a_plan_comes_to_rest_and_never_loops(
    habits: list[str], keys_at_once: int, values: list[int], boots: bool
) -> None:
    named = {f"Key{place}": habit for place, habit in enumerate(habits)}
    desired = {
        key.lower(): DesiredKey(key, str(value))
        for (key, _), value in zip(named.items(), values, strict=False)
    }
    point = ModelPoint(named, keys_at_once)
    point.run(desired, NOW + timedelta(hours=1))
    if boots:
        point.boot()
    point.run(desired, NOW + timedelta(days=DAYS))
    assert all(1 <= len(keys) <= min(keys_at_once, 20) for keys in point.reads)
    for key, habit in named.items():
        state = point.states[key.lower()]
        times = [at for at, changed in point.changes if changed == key.lower()]
        had_it_before = habit not in ("not supported", "write-only") and state.value == "0"
        if had_it_before:
            # It has the value from the start, so there is nothing to change.
            assert (state.state, times) == ("in_sync", [])
            continue
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap >= pause(timedelta(minutes=5), place + 1) for place, gap in enumerate(pauses))
        ends = {
            "good": ("in_sync", 1, 1),
            "odd case": ("in_sync", 1, 1),
            "write-only": ("unverified", 1, 1),
            "reboot": ("in_sync" if boots else "reboot_required", 1, 1),
            "rejects": ("rejected", 5, 20),
            "not supported": ("not_supported", 2, 2),
            "changes back": ("drifted", 5, 20),
            "silent": ("failed", 5, 20),
        }
        end, fewest, most = ends[habit]
        assert state.state == end
        assert fewest <= len(times) <= most


def test_a_new_value_is_sent_at_once_and_a_dropped_key_is_forgotten() -> None:
    point = ModelPoint({"A": "rejects", "B": "good"}, 20)
    point.run({"a": DesiredKey("A", "1"), "b": DesiredKey("B", "1")}, NOW + timedelta(minutes=1))
    point.habits["A"] = "good"
    point.run({"a": DesiredKey("A", "2")}, NOW + timedelta(minutes=2))
    assert {key: state.state for key, state in point.states.items()} == {"a": "in_sync"}
    assert [key for _, key in point.changes] == ["a", "b", "a"]


def test_a_key_that_drifts_after_a_day_is_changed_at_once() -> None:
    point = ModelPoint({"A": "good"}, 20)
    desired = {"a": DesiredKey("A", "1")}
    point.run(desired, NOW + timedelta(days=2))
    point.known["a"] = ConfigurationRecord(1, "A", "7", False, point.now, "GetConfiguration", "operator")
    point.run(desired, NOW + timedelta(days=2, minutes=1))
    assert len(point.changes) == 2
    assert point.states["a"].state == "in_sync"
