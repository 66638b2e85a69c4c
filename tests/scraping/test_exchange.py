"""The exchange of metrics between the supervisor and workers, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.errors import Unavailable
from app.scraping import collection
from app.scraping.collection import Collection
from app.scraping.exchange import MetricExchange
from app.scraping.families import MetricFamily, SampleName, encoded
from app.scraping.messages import SNAPSHOT, message

_COUNTER, _GAUGE = SampleName("a_total", ()), SampleName("b", ())


class _Counts:
    """The metrics of a worker."""

    def __init__(self, count: float) -> None:
        self.count = count

    def __call__(self) -> list[MetricFamily]:
        return [
            MetricFamily("a", "A counter.", "counter", "sum", {_COUNTER: self.count}),
            MetricFamily("b", "A gauge.", "gauge", "sum", {_GAUGE: 1.0}),
        ]


@asynccontextmanager
async def _worker(collected: Collection, number: int, counts: _Counts) -> AsyncIterator[MetricExchange]:
    """Run the end of a worker. It ends like a process: its socket closes."""
    ours, theirs = socket.socketpair()
    following = asyncio.create_task(collected.follow(number, ours))
    worker = MetricExchange(theirs, counts)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.close()
        await following


def _values(families: list[MetricFamily]) -> dict[SampleName, float]:
    return {key: value for family in families for key, value in family.values.items()}


async def _all_have_started(collected: Collection, number: int) -> None:
    while _values(collected.families()).get(_GAUGE, 0.0) < number:  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0)


async def test_a_scrape_of_one_worker_shows_what_all_have_counted_by_now() -> None:
    collected, second = Collection(), _Counts(2.0)
    async with _worker(collected, 0, _Counts(1.0)) as scraped, _worker(collected, 1, second):
        await _all_have_started(collected, 2)
        second.count = 40.0
        assert _values(await scraped.everything()) == {_COUNTER: 41.0, _GAUGE: 2.0}


async def test_a_worker_that_ended_keeps_its_counts_and_not_its_state() -> None:
    collected = Collection()
    async with _worker(collected, 0, _Counts(1.0)) as scraped:
        for count in (2.0, 4.0):
            async with _worker(collected, 1, _Counts(count)):
                await _all_have_started(collected, 2)
        assert _values(await scraped.everything()) == {_COUNTER: 7.0, _GAUGE: 1.0}


async def test_the_last_snapshot_of_a_worker_that_hangs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "PATIENCE_S", 0.05)
    collected, ours_and_theirs = Collection(), socket.socketpair()
    following = asyncio.create_task(collected.follow(1, ours_and_theirs[0]))
    with ours_and_theirs[1] as hanging:
        families = _Counts(5.0)()
        hanging.sendall(message(SNAPSHOT, encoded(families)))
        async with _worker(collected, 0, _Counts(1.0)) as scraped:
            await _all_have_started(collected, 2)
            assert _values(await scraped.everything()) == {_COUNTER: 6.0, _GAUGE: 2.0}
    await following


async def test_without_a_supervisor_there_is_no_answer() -> None:
    ours, theirs = socket.socketpair()
    worker = MetricExchange(theirs, _Counts(1.0))
    with pytest.raises(Unavailable):
        await worker.everything()
    await worker.start()
    asked = asyncio.create_task(worker.everything())
    await asyncio.sleep(0)
    ours.close()
    with pytest.raises(Unavailable):
        await asked
    await worker.close()
