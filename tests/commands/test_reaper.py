"""The reaper ends a command when it was lost for long enough, by monotonic time only."""

from uuid import UUID

import pytest

from app.commands.reaper import LostCommands, SteadyClock
from app.commands.records import CommandState, LostCommand

EXPIRY_S = 300.0


def lost(state: CommandState, worker: str, number: int = 1) -> LostCommand:
    return LostCommand(UUID(int=number), 1, state, worker, 30.0)


@pytest.mark.parametrize(
    ("command", "after_s", "end"),
    [
        (lost("queued", "dead"), 3.0, "connection_lost"),
        (lost("queued", "own"), 310.0, "expired"),
        (lost("sent", "own"), 40.0, "timed_out"),
    ],
)
def test_a_command_ends_when_it_was_lost_for_long_enough(
    command: LostCommand, after_s: float, end: CommandState
) -> None:
    commands = LostCommands("own", EXPIRY_S)
    assert commands.ends([command], 1000.0) == {}
    assert commands.ends([command], 1000.0 + after_s - 0.1) == {}
    assert commands.ends([command], 1000.0 + after_s) == {end: [command]}


def test_a_command_that_was_found_again_begins_anew_to_be_lost() -> None:
    commands, command = LostCommands("own", EXPIRY_S), lost("queued", "dead")
    commands.ends([command], 0.0)
    commands.ends([], 9.0)
    assert commands.ends([command], 12.0) == {}
    assert commands.ends([command], 15.0) == {"connection_lost": [command]}


def test_the_end_of_one_does_not_hasten_that_of_another() -> None:
    commands, old, new = LostCommands("own", EXPIRY_S), lost("queued", "dead"), lost("queued", "dead", 2)
    commands.ends([old], 0.0)
    assert commands.ends([old, new], 3.0) == {"connection_lost": [old]}


def test_what_a_dead_worker_has_sent_is_lost_at_once() -> None:
    command = lost("sent", "dead")
    assert LostCommands("own", EXPIRY_S).ends([command], 0.0) == {"connection_lost": [command]}


def test_a_clock_that_was_set_is_not_steady() -> None:
    clock = SteadyClock()
    assert clock.steady_s(5000.0, 100.0) == float("inf")
    assert clock.steady_s(5060.5, 160.0) == float("inf")
    for step_s in (3600.0, 0.0):
        assert clock.steady_s(5120.0 + step_s, 220.0) == 0.0
    assert clock.steady_s(5180.0, 280.0) == 60.0
