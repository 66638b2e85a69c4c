"""Computations next to the event loop: those of one tenant do not delay the others."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

from app.computation import PUBLIC, compute
from app.types import TenantId


async def test_a_tenant_waits_for_one_computation_of_another_at_most() -> None:
    done: list[str] = []
    first_may_end = threading.Event()

    def work(name: str) -> None:
        first_may_end.wait(10)
        done.append(name)

    crowd, other = TenantId(1), TenantId(2)
    asked = [asyncio.create_task(compute(crowd, partial(work, f"crowd-{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    asked.append(asyncio.create_task(compute(other, partial(work, "other"))))
    await asyncio.sleep(0)
    first_may_end.set()
    await asyncio.gather(*asked)
    assert done == ["crowd-0", "other", "crowd-1", "crowd-2", "crowd-3", "crowd-4"]


async def test_strangers_rest_after_a_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of CPU is followed by four without. A tenant does not wait so."""
    monkeypatch.setattr("time.thread_time", count().__next__)
    rests: list[float] = []
    loop = asyncio.get_running_loop()

    def call_later(delay: float, callback: Callable[..., None], *arguments: Any) -> None:
        rests.append(delay)
        loop.call_soon(callback, *arguments)

    monkeypatch.setattr(loop, "call_later", call_later)
    assert [await compute(PUBLIC, lambda: "answer") for _ in range(3)] == ["answer"] * 3
    assert rests == [4.0] * 3
    await compute(TenantId(1), lambda: None)
    assert len(rests) == 3
