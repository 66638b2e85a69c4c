"""Computations next to the event loop: those of one tenant do not delay the others."""

import asyncio
import threading
from functools import partial

from app.computation import compute
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
