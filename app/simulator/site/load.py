"""The loads other than cars: a building at the main fuse, lights at the feeders. In tenths of an A."""

import random
from collections.abc import Iterator

from app.simulator.site.installation import FEEDERS, SITE, PerPhase

# The building's usual draw at every second hour, in A on each phase; linear in between.
_BUILDING = (28, 25, 25, 34, 68, 96, 104, 98, 92, 84, 66, 42, 28)
_OFFSETS = (60, -40, 20)
_FASTEST = 10
"""The building's draw changes by at most 1 A in a step. Lights switch 2 A, one feeder at a time."""
_LIGHTS = 20
_LIGHTS_OFF_S = 7 * 3600
_LIGHTS_ON_S = 17 * 3600
_BETWEEN_FEEDERS_S = 600


def loads(seed: int, length_s: int) -> Iterator[dict[str, PerPhase]]:
    """Yield what is drawn in each step, by node, without end."""
    dice = random.Random(f"load-{seed}")  # noqa: S311 - a simulation, not a secret
    building = [_usual(0) + offset for offset in _OFFSETS]
    at_s = 0
    while True:
        found: dict[str, PerPhase] = {SITE.id: (building[0], building[1], building[2])}
        for place, feeder in enumerate(FEEDERS):
            later = place * _BETWEEN_FEEDERS_S
            lit = not _LIGHTS_OFF_S + later <= at_s % 86_400 < _LIGHTS_ON_S + later
            phase = place % 3
            found[feeder.id] = (
                _LIGHTS * (lit and phase == 0),
                _LIGHTS * (lit and phase == 1),
                _LIGHTS * (lit and phase == 2),
            )
        yield found
        at_s += length_s
        for phase, offset in enumerate(_OFFSETS):
            pull = _usual(at_s) + offset - building[phase] + dice.randrange(-25, 26)
            building[phase] += max(-_FASTEST, min(_FASTEST, pull))


def _usual(at_s: int) -> int:
    hour_pair, within = divmod(at_s % 86_400, 7200)
    before, after = _BUILDING[hour_pair], _BUILDING[hour_pair + 1]
    return before * 10 + (after - before) * 10 * within // 7200
