"""All charge points of a run, and how far they are."""

import asyncio
import random
from collections.abc import Sequence

from tests.faults.charge_point import ChargePoint
from tests.faults.commands import Caller
from tests.faults.waiting import until


class Fleet:
    """Charge points that charge until the run ends, and what faults wait for. caller: commands them."""

    def __init__(self, points: Sequence[ChargePoint], caller: Caller) -> None:
        self.points = points
        self.caller = caller
        self._quiet = asyncio.Event()
        self._answers = [0] * len(points)
        self._given_up = [0] * len(points)
        self._end = asyncio.Event()
        for number, point in enumerate(points):
            point.answered = lambda number=number: self._count(self._answers, number)  # type: ignore[misc]
            point.gave_up = lambda number=number: self._count(self._given_up, number)  # type: ignore[misc]

    async def charge(self) -> None:
        """Charge until `end` is called."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.caller.call_until(self._quiet))
            for point in self.points:
                group.create_task(point.charge_until(self._end))

    def command_no_more(self) -> None:
        """Let the last command be issued."""
        self._quiet.set()

    def end(self) -> None:
        """Let each charge point finish its transaction."""
        self._quiet.set()
        self._end.set()

    async def everyone_answered(self, times: int = 1) -> None:
        """Wait until each charge point got so many answers from now on."""
        before = list(self._answers)
        await until(lambda: all(now - then >= times for now, then in zip(self._answers, before, strict=True)))

    async def everyone_gave_up(self) -> None:
        """Wait until each charge point gave up a try from now on."""
        before = list(self._given_up)
        await until(lambda: all(now > then for now, then in zip(self._given_up, before, strict=True)))

    async def gave_up(self, times: int) -> None:
        """Wait until charge points gave up so many tries from now on."""
        before = sum(self._given_up)
        await until(lambda: sum(self._given_up) - before >= times)

    async def hold(self, chance: random.Random) -> None:
        """Wait while a fault lasts: for some answers in spite of it, or some tries that are given up."""
        answers, given_up = sum(self._answers), sum(self._given_up)
        enough = chance.randint(1, 30) * len(self.points)
        tries = chance.randint(1, len(self.points))
        await until(lambda: sum(self._answers) - answers >= enough or sum(self._given_up) - given_up >= tries)

    @staticmethod
    def _count(counts: list[int], number: int) -> None:
        counts[number] += 1
