"""The order of the faults: a pure function of a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_CALM_MOST = 4


@dataclass(frozen=True)
class Planned:
    """One fault. calm: answers for each charge point before it begins; seed: of what it chooses itself."""

    kind: str
    calm: int
    seed: int


def schedule(seed: int, kinds: Sequence[str]) -> Iterator[Planned]:
    """Yield faults without an end: all kinds in a random order, then all in another one, and so on.

    A fault may begin in the middle of what the one before has left behind (calm: 0).
    """
    chance = random.Random(seed)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Planned(kind, chance.randrange(_CALM_MOST), chance.getrandbits(32))
