"""A few requests of one caller are answered at the same time, and none has its place for long."""

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from app.web import request_turns
from app.web.request_turns import RequestTurns

CROWD, OTHER = "17", "18"


class Requests:
    """Requests that have been let in. answered: what gives the place of each one back."""

    def __init__(self) -> None:
        self.turns = RequestTurns()
        self.answered: deque[Callable[[], None]] = deque()

    async def come(self, caller: str) -> None:
        self.answered.append(await self.turns.take(caller))


@pytest.fixture
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_turns, "_LENT_S", 3600.0)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("never_by_itself")
async def test_eight_of_a_caller_are_let_in_and_the_others_follow_one_by_one() -> None:
    requests = Requests()
    coming = [asyncio.create_task(requests.come(CROWD)) for _ in range(20)]
    await settled()
    assert len(requests.answered) == 8
    await asyncio.wait_for(requests.come(OTHER), 5)
    requests.answered.pop()()
    for let_in in range(9, 21):
        give_back = requests.answered.popleft()
        give_back()
        give_back()
        await settled()
        assert sum(task.done() for task in coming) == let_in
    while requests.answered:
        requests.answered.popleft()()
    await asyncio.gather(*coming)
    assert len(requests.turns) == 0


async def test_a_request_that_takes_long_does_not_keep_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_turns, "_LENT_S", 0.01)
    requests = Requests()
    async with asyncio.timeout(10):
        await asyncio.gather(*(requests.come(CROWD) for _ in range(20)))
        while len(requests.turns):  # noqa: ASYNC110 - there is nothing to subscribe to
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("never_by_itself")
@pytest.mark.parametrize("has_place", [False, True])
async def test_one_that_has_gone_takes_no_place(has_place: bool) -> None:
    requests = Requests()
    for _ in range(8):
        await requests.come(CROWD)
    gone, next_one = (asyncio.create_task(requests.come(CROWD)) for _ in range(2))
    await settled()
    if has_place:
        # It is cancelled before it can see that its turn has come.
        requests.answered.pop()()
    gone.cancel()
    await settled()
    assert gone.cancelled()
    assert next_one.done() is has_place
    while requests.answered:
        requests.answered.pop()()
    await asyncio.wait_for(next_one, 5)
    while requests.answered:
        requests.answered.pop()()
    assert len(requests.turns) == 0
