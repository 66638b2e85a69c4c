"""The decisions about campaigns: the waves, and the next step. Pure values.

A campaign is a draft, then running or paused, then finished or stopped. The store settles the targets whose
job has ended; `next_step` then looks at a snapshot, and says what to begin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from app.errors import Conflict, FieldViolation, InvalidInput
from app.firmware.records import CampaignPlan, CampaignState, FirmwareJobState, TargetState, WaveProgress
from app.firmware.rules.windows import closes_at, opens_at

STEP_AFTER: Final = timedelta(seconds=10)
"""The time between two steps of a campaign that is under way."""
SEND_WITHIN: Final = timedelta(minutes=5)
"""How long a job of a campaign may wait to be sent, before its charge point waits again."""

CampaignMove = Literal["start", "pause", "resume", "stop"]
"""The changes of state that an operator may ask for."""

_MOVES: Final[Mapping[CampaignMove, tuple[tuple[CampaignState, ...], CampaignState]]] = {
    "start": ((CampaignState.DRAFT,), CampaignState.RUNNING),
    "pause": ((CampaignState.RUNNING,), CampaignState.PAUSED),
    "resume": ((CampaignState.PAUSED,), CampaignState.RUNNING),
    "stop": ((CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED), CampaignState.STOPPED),
}
"""From which states, and to which one."""

_OUTCOMES: Final[Mapping[FirmwareJobState, TargetState]] = {
    FirmwareJobState.INSTALLED: TargetState.UPDATED,
    FirmwareJobState.INSTALLED_SEEN_BY_BOOT: TargetState.UPDATED,
    FirmwareJobState.FAILED: TargetState.FAILED,
    FirmwareJobState.REFUSED: TargetState.FAILED,
    FirmwareJobState.TIMED_OUT: TargetState.FAILED,
    FirmwareJobState.REPLACED: TargetState.FAILED,
}


def moved(state: CampaignState, move: CampaignMove) -> CampaignState:
    """Return the state of a campaign after what an operator asks for.

    Raises:
        Conflict: the state does not allow it.
    """
    sources, target = _MOVES[move]
    if state not in sources:
        raise Conflict(f"The campaign is {state}: only one that is {' or '.join(sources)} can {move}.")
    return target


def moves_from(state: CampaignState) -> list[CampaignMove]:
    """Return what an operator may ask for in a state."""
    return [move for move, (sources, _) in _MOVES.items() if state in sources]


def require_percents(percents: Sequence[int], pointer: str) -> None:
    """Refuse shares that are not the whole.

    Raises:
        InvalidInput: they do not add up to 100.
    """
    if sum(percents) != 100:
        detail = f"must add up to 100, but make {sum(percents)}"
        raise InvalidInput([FieldViolation(pointer, "not_the_whole", detail)])


def wave_sizes(total: int, canary: int, percents: Sequence[int]) -> list[int]:
    """Return how many charge points each wave has, without empty waves. The canary wave is the first one."""
    first = min(canary, total)
    rest, sizes, share, given = total - first, [first], 0, 0
    for percent in percents:
        share += percent
        # Rounded up, so that a share of few charge points is not empty.
        upto = min(rest, -(-rest * share // 100))
        sizes.append(upto - given)
        given = upto
    return [size for size in sizes if size]


WAITS_AGAIN: Final = frozenset({"not_sent_in_time", "campaign_paused"})
"""Why a job was cancelled that did not reach its charge point, which then waits again."""


def target_outcome(job_state: FirmwareJobState, reason: str | None, *, running: bool) -> TargetState | None:
    """Return the state of a target whose job has ended; None: the job has not ended.

    A job that was not sent failed nowhere: the charge point waits again, or is left out if the campaign has
    ended or an operator has cancelled the job.
    """
    if job_state is FirmwareJobState.CANCELLED:
        return TargetState.WAITING if running and reason in WAITS_AGAIN else TargetState.LEFT_OUT
    return _OUTCOMES.get(job_state)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A charge point that waits. has_target: it runs the wanted version; is_busy: an update of it is open."""

    charge_point_id: int
    wave: int
    connected: bool
    has_target: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class CampaignSnapshot:
    """A running campaign at one moment.

    Attributes:
        waves: all of them, in their order, each with its targets by state.
        wave_began: when each wave began, by its number.
        candidates: charge points that wait, not necessarily all of them.
    """

    now: datetime
    plan: CampaignPlan
    waves: tuple[WaveProgress, ...]
    wave_began: Mapping[int, datetime]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class CampaignStep:
    """The next step of a campaign.

    begin, skip: charge points; leave_out: all others that wait; wave: the number of one that begins now.
    """

    state: CampaignState = CampaignState.RUNNING
    reason: str | None = None
    begin: tuple[int, ...] = ()
    skip: tuple[int, ...] = ()
    leave_out: bool = False
    wave: int | None = None
    send_until: datetime | None = None
    next_at: datetime | None = None


def is_over_limit(plan: CampaignPlan, wave: WaveProgress) -> bool:
    """Tell whether a wave has as many failures as stop the campaign."""
    if plan.failure_count is not None and wave.failed >= plan.failure_count:
        return True
    limit = plan.failure_percent
    return limit is not None and wave.failed > 0 and wave.failed * 100 >= limit * wave.size


def next_step(snapshot: CampaignSnapshot) -> CampaignStep:
    """Return the next step of a running campaign."""
    plan, now, waves = snapshot.plan, snapshot.now, snapshot.waves
    if any(is_over_limit(plan, wave) for wave in waves):
        return CampaignStep(CampaignState.STOPPED, "failure_limit", leave_out=True)
    if now >= plan.ends_at:
        return _at_the_end(waves)
    skip = tuple(one.charge_point_id for one in snapshot.candidates if one.has_target)
    current = _current_wave(snapshot)
    if current is None:
        return CampaignStep(CampaignState.FINISHED, "complete")
    wave = current.number if current.number not in snapshot.wave_began else None
    closes = plan.ends_at if plan.window is None else closes_at(plan.window, now)
    if closes is None:
        # A job that ends outside of the window is still settled.
        return CampaignStep(skip=skip, next_at=_next_opening(snapshot))
    begin = _to_begin(snapshot, current.number)
    until = min(now + SEND_WITHIN, plan.ends_at, closes)
    return CampaignStep(skip=skip, begin=begin, wave=wave, send_until=until, next_at=now + STEP_AFTER)


def _next_opening(snapshot: CampaignSnapshot) -> datetime:
    window = snapshot.plan.window
    if window is None or any(wave.updating for wave in snapshot.waves):
        return snapshot.now + STEP_AFTER
    return min(opens_at(window, snapshot.now), snapshot.plan.ends_at)


def _at_the_end(waves: Sequence[WaveProgress]) -> CampaignStep:
    """Return the step after the end of the time: nothing is begun, and what is under way may end."""
    return CampaignStep(
        CampaignState.FINISHED, "end_reached" if _waiting(waves) else "complete", leave_out=True
    )


def _waiting(waves: Sequence[WaveProgress]) -> bool:
    return any(wave.waiting for wave in waves)


def _current_wave(snapshot: CampaignSnapshot) -> WaveProgress | None:
    """Return the first wave that later ones must wait for; None: all have ended.

    If only charge points that are not connected are missing, a wave in which an update succeeded does not
    hold up the next one for longer than its waiting time. They are updated when they come.
    """
    unfinished = [wave for wave in snapshot.waves if wave.waiting or wave.updating]
    for wave in unfinished:
        if not _may_be_passed(snapshot, wave):
            return wave
    return unfinished[-1] if unfinished else None


def _may_be_passed(snapshot: CampaignSnapshot, wave: WaveProgress) -> bool:
    began = snapshot.wave_began.get(wave.number)
    if wave.updating or not wave.updated or began is None:
        return False
    if snapshot.now < began + timedelta(seconds=snapshot.plan.wave_wait_s):
        return False
    return not any(one.connected and one.wave == wave.number for one in snapshot.candidates)


def _to_begin(snapshot: CampaignSnapshot, current: int) -> tuple[int, ...]:
    room = snapshot.plan.concurrency - sum(wave.updating for wave in snapshot.waves)
    ready = [
        one.charge_point_id
        for one in sorted(snapshot.candidates, key=lambda one: one.wave)
        if one.wave <= current and one.connected and not one.has_target and not one.is_busy
    ]
    return tuple(ready[: max(room, 0)])
