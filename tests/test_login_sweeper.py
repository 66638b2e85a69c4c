"""Rows are worked on at the same time, and not more of them than there is room for."""

import asyncio

from app.login_sweeper import LoginSweeper


async def test_there_is_room_for_so_many_and_then_for_none() -> None:
    sweeper, may_end = LoginSweeper("test"), asyncio.Event()

    async def work() -> None:
        await may_end.wait()

    assert sweeper.room == 20
    for _ in range(105):
        sweeper.begin(work())
    assert sweeper.room == 0
    may_end.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert sweeper.room == 20
    await sweeper.close()


async def test_what_is_under_way_ends_with_the_sweeper() -> None:
    sweeper, ended = LoginSweeper("test"), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    sweeper.begin(work())
    await asyncio.sleep(0)
    await sweeper.close()
    assert ended.is_set()
