"""Campaigns: waves, moves and the next step."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Conflict, InvalidInput
from app.firmware.records import (
    CampaignPlan,
    CampaignState,
    FirmwareJobState,
    MaintenanceWindow,
    TargetState,
    WaveProgress,
)
from app.firmware.rules.campaigns import (
    STEP_AFTER,
    CampaignSnapshot,
    CampaignStep,
    Candidate,
    moved,
    moves_from,
    next_step,
    require_percents,
    target_outcome,
    wave_sizes,
)
from app.firmware.rules.windows import closes_at

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
PLAN = CampaignPlan(0, (100,), None, None, None, 3600, 600, 10, NOW + timedelta(days=2))


def snapshot(
    waves: list[WaveProgress], candidates: list[Candidate], plan: CampaignPlan = PLAN, began: int = 0
) -> CampaignSnapshot:
    """Make a snapshot. began: seconds before NOW at which the waves began."""
    times = {wave.number: NOW - timedelta(seconds=began) for wave in waves} if began else {}
    return CampaignSnapshot(NOW, plan, tuple(waves), times, tuple(candidates))


@pytest.mark.parametrize(
    ("total", "canary", "percents", "sizes"),
    [
        (100, 5, [20, 80], [5, 19, 76]),
        (100, 0, [100], [100]),
        (3, 5, [20, 80], [3]),
        (4, 1, [50, 50], [1, 2, 1]),
        (2, 0, [1, 1, 98], [1, 1]),
        (1, 0, [10, 90], [1]),
    ],
)
def test_the_waves_share_the_charge_points(
    total: int, canary: int, percents: list[int], sizes: list[int]
) -> None:
    assert wave_sizes(total, canary, percents) == sizes


@given(st.integers(1, 500), st.integers(0, 20), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_every_charge_point_is_in_one_wave(total: int, canary: int, weights: list[int]) -> None:
    percents = [100 * weight // sum(weights) for weight in weights]
    percents[-1] += 100 - sum(percents)
    sizes = wave_sizes(total, canary, percents)
    assert sum(sizes) == total
    assert min(sizes) > 0


@pytest.mark.parametrize("percents", [[50, 49], [100, 1], [1]])
def test_shares_that_are_not_the_whole_are_refused(percents: list[int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_percents(percents, "/waves/percents")
    assert refused.value.field == "/waves/percents"


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (CampaignState.DRAFT, {"start": "running", "stop": "stopped"}),
        (CampaignState.RUNNING, {"pause": "paused", "stop": "stopped"}),
        (CampaignState.PAUSED, {"resume": "running", "stop": "stopped"}),
        (CampaignState.STOPPED, {}),
        (CampaignState.FINISHED, {}),
    ],
)
def test_a_state_allows_its_moves_only(state: CampaignState, moves: dict[str, str]) -> None:
    assert set(moves_from(state)) == moves.keys()
    for move in ("start", "pause", "resume", "stop"):
        if move in moves:
            assert moved(state, move) == moves[move]
        else:
            with pytest.raises(Conflict):
                moved(state, move)


@pytest.mark.parametrize(
    ("state", "reason", "running", "expected"),
    [
        (FirmwareJobState.INSTALLED, None, True, TargetState.UPDATED),
        (FirmwareJobState.INSTALLED_SEEN_BY_BOOT, "boot", True, TargetState.UPDATED),
        (FirmwareJobState.FAILED, "reported", True, TargetState.FAILED),
        (FirmwareJobState.REFUSED, "rejected", True, TargetState.FAILED),
        (FirmwareJobState.TIMED_OUT, "silent", True, TargetState.FAILED),
        (FirmwareJobState.REPLACED, "newer_update", True, TargetState.FAILED),
        (FirmwareJobState.CANCELLED, "not_sent_in_time", True, TargetState.WAITING),
        (FirmwareJobState.CANCELLED, "campaign_paused", True, TargetState.WAITING),
        (FirmwareJobState.CANCELLED, "campaign_paused", False, TargetState.LEFT_OUT),
        (FirmwareJobState.CANCELLED, "operator", True, TargetState.LEFT_OUT),
        (FirmwareJobState.IN_PROGRESS, None, True, None),
    ],
)
def test_the_end_of_a_job_decides_on_its_target(
    state: FirmwareJobState, reason: str | None, running: bool, expected: TargetState | None
) -> None:
    assert target_outcome(state, reason, running=running) is expected


def test_only_connected_charge_points_of_the_wave_are_begun() -> None:
    candidates = [
        Candidate(1, 1, True),
        Candidate(2, 1, False),
        Candidate(3, 1, True, has_target=True),
        Candidate(4, 1, True, is_busy=True),
        Candidate(5, 2, True),
    ]
    step = next_step(snapshot([WaveProgress(1, waiting=4), WaveProgress(2, waiting=1)], candidates))
    assert (step.begin, step.skip, step.wave) == ((1,), (3,), 1)


def test_the_next_wave_waits_for_the_last_update_of_the_one_before() -> None:
    second = [Candidate(9, 2, True)]
    waves = [WaveProgress(1, updating=1, updated=5), WaveProgress(2, waiting=1)]
    assert next_step(snapshot(waves, second, began=10_000)).begin == ()
    waves[0] = WaveProgress(1, updated=6)
    assert next_step(snapshot(waves, second, began=10_000)).begin == (9,)


def test_charge_points_that_are_not_connected_hold_up_a_wave_for_a_time_only() -> None:
    candidates = [Candidate(1, 1, False), Candidate(9, 2, True)]
    waves = [WaveProgress(1, waiting=1, updated=1), WaveProgress(2, waiting=1)]
    assert next_step(snapshot(waves, candidates, began=599)).begin == ()
    assert next_step(snapshot(waves, candidates, began=600)).begin == (9,)
    # No update has shown that the firmware works.
    nothing_shown = [WaveProgress(1, waiting=1, skipped=1), WaveProgress(2, waiting=1)]
    assert next_step(snapshot(nothing_shown, candidates, began=10_000)).begin == ()
    # They are updated when they come.
    came = [Candidate(1, 1, True), Candidate(9, 2, True)]
    assert next_step(snapshot(waves, came, began=10_000)).begin == (1,)


@pytest.mark.parametrize(
    ("limits", "failed", "stops"),
    [
        ({"failure_count": 2}, 1, False),
        ({"failure_count": 2}, 2, True),
        ({"failure_percent": 10}, 1, True),
        ({"failure_percent": 11}, 1, False),
        ({}, 9, False),
    ],
)
def test_failures_stop_a_campaign(limits: dict[str, int], failed: int, stops: bool) -> None:
    count, percent = limits.get("failure_count"), limits.get("failure_percent")
    plan = replace(PLAN, failure_count=count, failure_percent=percent)
    waves = [WaveProgress(1, waiting=10 - failed, failed=failed)]
    step = next_step(snapshot(waves, [Candidate(1, 1, True)], plan))
    assert (step.state is CampaignState.STOPPED) is stops
    assert (step.reason, step.begin) == (("failure_limit", ()) if stops else (None, (1,)))


def test_the_end_of_its_time_leaves_out_what_waits() -> None:
    plan = replace(PLAN, ends_at=NOW)
    step = next_step(snapshot([WaveProgress(1, waiting=1, updating=1)], [Candidate(1, 1, True)], plan))
    assert (step.state, step.reason, step.leave_out) == (CampaignState.FINISHED, "end_reached", True)


def test_a_closed_window_begins_nothing_and_says_when_to_look_again() -> None:
    window = MaintenanceWindow("UTC", frozenset({1}), 3600, 7200)
    plan = replace(PLAN, window=window)
    step = next_step(snapshot([WaveProgress(1, waiting=1)], [Candidate(1, 1, True)], plan))
    assert (step.begin, step.next_at) == ((), datetime(2026, 5, 5, 1, tzinfo=UTC))
    busy = next_step(snapshot([WaveProgress(1, waiting=1, updating=1)], [], plan))
    assert busy.next_at == NOW + STEP_AFTER


def test_a_job_is_sent_within_the_window_only() -> None:
    window = MaintenanceWindow("UTC", frozenset({0}), 8 * 3600 - 60, 8 * 3600 + 60)
    plan = replace(PLAN, window=window)
    step = next_step(snapshot([WaveProgress(1, waiting=1)], [Candidate(1, 1, True)], plan))
    assert (step.begin, step.send_until) == ((1,), NOW + timedelta(seconds=60))


# A whole campaign


@dataclass
class World:
    """A campaign that is carried out step by step. targets: state and wave by charge point."""

    plan: CampaignPlan
    targets: dict[int, tuple[TargetState, int]]
    now: datetime = NOW
    began: dict[int, datetime] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)

    def waves(self) -> list[WaveProgress]:
        found: dict[int, WaveProgress] = {}
        for state, number in self.targets.values():
            wave = found.get(number, WaveProgress(number))
            found[number] = wave._replace(**{state.value: getattr(wave, state.value) + 1})
        return [found[number] for number in sorted(found)]

    def step(self, connected: set[int], new: set[int]) -> CampaignStep:
        candidates = tuple(
            Candidate(point, wave, point in connected, point in new)
            for point, (state, wave) in self.targets.items()
            if state is TargetState.WAITING
        )
        waves = tuple(self.waves())
        step = next_step(CampaignSnapshot(self.now, self.plan, waves, dict(self.began), candidates))
        self._check(step, waves, connected)
        for point in step.skip:
            self._move(point, TargetState.SKIPPED)
        if step.leave_out:
            for point, (state, _) in list(self.targets.items()):
                if state is TargetState.WAITING:
                    self._move(point, TargetState.LEFT_OUT)
        for point in step.begin:
            self._move(point, TargetState.UPDATING)
            self.begun.append(point)
        if step.wave is not None:
            self.began[step.wave] = self.now
        return step

    def end(self, point: int, outcome: TargetState) -> None:
        if self.targets[point][0] is TargetState.UPDATING:
            self._move(point, outcome)

    def _move(self, point: int, state: TargetState) -> None:
        before, wave = self.targets[point]
        assert before in (TargetState.WAITING, TargetState.UPDATING), "an end is never changed"
        self.targets[point] = (state, wave)

    def _check(self, step: CampaignStep, waves: tuple[WaveProgress, ...], connected: set[int]) -> None:
        if not step.begin:
            return
        assert set(step.begin) <= connected
        assert sum(wave.updating for wave in waves) + len(step.begin) <= self.plan.concurrency
        limit = self.plan.failure_count
        assert limit is None or all(wave.failed < limit for wave in waves)
        percent = self.plan.failure_percent
        assert percent is None or all(
            not wave.failed or wave.failed * 100 < percent * wave.size for wave in waves
        )
        assert self.now < self.plan.ends_at
        if self.plan.window is not None:
            assert closes_at(self.plan.window, self.now) is not None
        last = max(self.targets[point][1] for point in step.begin)
        # Nothing of an earlier wave is under way when a later one begins.
        assert not any(wave.updating for wave in waves if wave.number < last)


WINDOWS = st.sampled_from(
    [
        None,
        MaintenanceWindow("Europe/Brussels", frozenset({0, 1}), 3600, 5 * 3600),
        MaintenanceWindow("America/New_York", frozenset(range(7)), 22 * 3600, 29 * 3600),
    ]
)


@given(st.data())
def test_any_campaign_keeps_its_limits_and_ends(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 12))
    sizes = wave_sizes(total, data.draw(st.integers(0, 3)), data.draw(st.sampled_from([[100], [20, 30, 50]])))
    numbers = [number for number, size in enumerate(sizes, 1) for _ in range(size)]
    plan = replace(
        PLAN,
        failure_count=data.draw(st.none() | st.integers(1, 3)),
        failure_percent=data.draw(st.none() | st.integers(1, 100)),
        concurrency=data.draw(st.integers(1, 5)),
        window=data.draw(WINDOWS),
    )
    world = World(plan, {point: (TargetState.WAITING, numbers[point]) for point in range(total)})
    points = st.sets(st.integers(0, total - 1))
    step = CampaignStep()
    for _ in range(40):
        step = world.step(data.draw(points), data.draw(points) if data.draw(st.booleans()) else set())
        if step.state is not CampaignState.RUNNING:
            break
        outcomes = st.sampled_from([TargetState.UPDATED, TargetState.FAILED, TargetState.WAITING])
        for point in data.draw(points):
            world.end(point, data.draw(outcomes))
        world.now += timedelta(seconds=data.draw(st.integers(1, 20_000)))
    else:
        world.now = plan.ends_at
        step = world.step(set(), set())
    assert step.state in (CampaignState.FINISHED, CampaignState.STOPPED)
    assert all(state is not TargetState.WAITING for state, _ in world.targets.values())
    for point in range(total):
        world.end(point, TargetState.UPDATED)
    final = {TargetState.UPDATED, TargetState.FAILED, TargetState.SKIPPED, TargetState.LEFT_OUT}
    assert {state for state, _ in world.targets.values()} <= final
