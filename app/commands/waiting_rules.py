"""Decides when a command that waits is sent, and how it ends if it cannot be. Pure values."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.commands.records import CommandRequest, CommandState, Line, LineEntry
from app.commands.rules import JudgedRequest, refusing_registrations
from app.errors import FieldViolation, InvalidInput
from app.settings import Settings
from app.types import Json

LOOK_AGAIN: Final = timedelta(seconds=15)
"""Until the next look at a command that is forbidden now, or has others before it."""
LOOK_AGAIN_OFFLINE: Final = timedelta(minutes=10)
"""Until the next look at a command whose charge point is not connected: its login is what counts."""

NOT_REGISTERED: Final[Json] = {
    "code": "NotRegistered",
    "description": "The registration of the charge point forbade the command when its time had come.",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """When a command may be sent. ready_at: not before; until: it expires then."""

    ready_at: datetime
    until: datetime


@dataclass(slots=True)
class LineDecision:
    """The next step of each command of a charge point.

    send: the one that is sent; ends: those that end, by state; forbidden: those that expire because of the
    registration; later: those that are looked at again.
    """

    send: LineEntry | None = None
    ends: dict[CommandState, list[UUID]] = field(default_factory=dict)
    forbidden: list[UUID] = field(default_factory=list)
    later: dict[timedelta, list[UUID]] = field(default_factory=dict)

    def end(self, entry: LineEntry, state: CommandState) -> None:
        """Let a command end."""
        self.ends.setdefault(state, []).append(entry.id)

    def look_again(self, entry: LineEntry, after: timedelta) -> None:
        """Let a command be looked at again."""
        self.later.setdefault(after, []).append(entry.id)


def judge_terms(judged: JudgedRequest, now: datetime, settings: Settings) -> Terms:
    """Return when a command that waits may be sent.

    Raises:
        InvalidInput: the times contradict each other or are too far away, or the command must not wait.
    """
    request, longest = judged.request, timedelta(seconds=settings.command_waiting_longest_s)
    if judged.new_key is not None:
        detail = "a change of the AuthorizationKey is sent at once, because both keys count until its end"
        raise InvalidInput([FieldViolation("/key", "cannot_wait", detail)])
    ready_at = max(now, request.not_before or now)
    if ready_at - now > longest:
        _refuse("not_before", f"must be at most {longest.total_seconds():.10g} seconds from now")
    until = _until(request, ready_at, now, settings)
    name = "expires_at" if request.expires_at is not None else "expires_in"
    if until <= ready_at:
        _refuse(name, "must be after the time from which the command may be sent")
    if until - ready_at > longest:
        _refuse(name, f"must be at most {longest.total_seconds():.10g} seconds after the sending may begin")
    return Terms(ready_at, until)


def require_terms_to_wait(request: CommandRequest) -> None:
    """Refuse an expiry of a command that does not wait.

    Raises:
        InvalidInput: it has one.
    """
    for name, value in (("expires_in", request.expires_in_s), ("expires_at", request.expires_at)):
        if value is not None:
            _refuse(name, "needs when_offline or not_before: other commands do not wait")


def decide(line: Line, *, is_connected: bool, now: datetime) -> LineDecision:
    """Return what becomes of a line. One command of it is under way at a time, so their order stays."""
    decision, is_busy = LineDecision(), False
    for entry in line.entries:
        if entry.state != "waiting":
            is_busy = True
        elif entry.deadline_at <= now:
            decision.end(entry, "expired")
        elif entry.ready_at > now:
            continue
        elif not is_connected:
            _decide_offline(decision, entry)
        elif line.registration_status in refusing_registrations(entry.action):
            if entry.when_offline == "fail":
                decision.forbidden.append(entry.id)
            else:
                decision.look_again(entry, LOOK_AGAIN)
        elif is_busy or decision.send is not None:
            decision.look_again(entry, LOOK_AGAIN)
        else:
            decision.send = entry
    return decision


def _decide_offline(decision: LineDecision, entry: LineEntry) -> None:
    if entry.when_offline == "fail":
        decision.end(entry, "offline")
    else:
        decision.look_again(entry, LOOK_AGAIN_OFFLINE)


def _until(request: CommandRequest, ready_at: datetime, now: datetime, settings: Settings) -> datetime:
    if request.expires_at is not None and request.expires_in_s is not None:
        _refuse("expires_at", "must not be given together with expires_in")
    if request.expires_at is not None:
        return request.expires_at
    if request.expires_in_s is not None:
        if request.expires_in_s > 2 * settings.command_waiting_longest_s:
            # No date may be so far away.
            _refuse("expires_in", f"must be at most {2 * settings.command_waiting_longest_s:.10g} seconds")
        return now + timedelta(seconds=request.expires_in_s)
    life_s = settings.command_waiting_s if request.when_offline == "queue" else settings.command_expiry_s
    return ready_at + timedelta(seconds=life_s)


def _refuse(name: str, detail: str) -> None:
    raise InvalidInput([FieldViolation(name, "out_of_range", detail)])
