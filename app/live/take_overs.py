"""How often the connections of a charge point replace each other, and how long the next one has to wait.

Two chargers with one identity, or two sockets of one client, would else evict each other once a second. The
times go from owner to owner, so that all workers know them. They are seconds since 1970.
"""

from typing import Final

WINDOW_S: Final = 600.0
FLAPPING_FROM: Final = 6
"""Take-overs within the window from which the next connection is delayed."""

_LONGEST_PAUSE_S: Final = 30.0
_KEPT: Final = 16

Times = tuple[float, ...]
"""When newer connections took over, oldest first."""


def recent(times: Times, now: float) -> Times:
    """Return the take-overs within the window."""
    return tuple(at for at in times if now - WINDOW_S < at <= now)


def with_another(known: Times, told: Times, now: float) -> Times:
    """Return the take-overs up to one that happens now.

    known: what this worker knows; told: what the replaced owner knows. The longer one is more complete.
    """
    return (*max(recent(known, now), recent(told, now), key=len), now)[-_KEPT:]


def is_flapping(times: Times, now: float) -> bool:
    """Tell whether the connections of a charge point replace each other too often."""
    return len(recent(times, now)) >= FLAPPING_FROM


def pause_s(times: Times, now: float) -> float:
    """Return how many seconds the next connection has to wait: 1 after the last take-over, doubling to 30.

    It counts from the last take-over, so a client that gives up early gets in by its next tries.
    """
    times = recent(times, now)
    surplus = len(times) - FLAPPING_FROM
    if surplus < 0:
        return 0.0
    return max(0.0, times[-1] + min(_LONGEST_PAUSE_S, 2.0**surplus) - now)
