"""The charge points of a tenant that is beyond a quota are read more slowly; nothing is refused."""

import json

import pytest
from prometheus_client import REGISTRY

from app.gateway.tenant_quotas import TenantQuotas, spread
from app.ocpp import FrameBuffer
from app.settings import Settings
from app.types import TenantId
from tests.support.limits import times_hit
from tests.support.live import SetClock
from tests.support.session_harness import SessionHarness

FLOOD, OTHER = TenantId(1), TenantId(2)


class Worker:
    """The quotas of a worker, and what they have led to."""

    def __init__(self, **changes: int) -> None:
        self.clock = SetClock()
        self.told: list[tuple[TenantId, str]] = []
        settings = Settings(credential_pepper="pepper").model_copy(update=changes)
        self.frames = FrameBuffer(1000, 1_000_000, settings.frame_log_bytes_of_tenant_per_day)
        self.quotas = TenantQuotas(settings, self.clock, self.frames, lambda *found: self.told.append(found))

    def look(self) -> dict[TenantId, float]:
        """Return for how many seconds each tenant is slowed down."""
        slowed: dict[TenantId, float] = {}
        list(self.quotas.look(slowed.__setitem__))
        return slowed


async def hear(worker: Worker, tenant_id: TenantId, messages: int, note: str = "") -> SessionHarness:
    """Let a charge point of a tenant send DataTransfers."""
    harness = SessionHarness(tenant_id=tenant_id, quotas=worker.quotas, frames=worker.frames)
    for number in range(messages):
        call = [2, str(number), "DataTransfer", {"vendorId": "acme", "data": note}]
        (answer,) = await harness.receive(json.dumps(call))
        assert json.loads(answer)[0] == 3
    return harness


@pytest.mark.parametrize(
    ("quota", "limit", "messages", "note"),
    [
        ("messages_of_tenant_per_minute", 60, 70, ""),
        ("message_bytes_of_tenant_per_minute", 65_536, 80, "x" * 900),
    ],
)
async def test_a_tenant_beyond_a_quota_is_slowed_down_and_told_once_a_minute(
    quota: str, limit: int, messages: int, note: str
) -> None:
    worker = Worker(**{quota: limit})
    name = "messages" if quota.startswith("messages") else "bytes"
    before = times_hit(f"{name}_of_tenant")
    await hear(worker, OTHER, 1)
    await hear(worker, FLOOD, messages, note)
    assert worker.look() == {FLOOD: pytest.approx(6.0, abs=1.0)}
    assert list(worker.look()) == [FLOOD]
    assert worker.told == [(FLOOD, name)]
    assert times_hit(f"{name}_of_tenant") == before + 2
    worker.clock.advance(61)
    assert worker.look() == {}


async def test_what_comes_at_once_is_a_small_part_of_a_quota() -> None:
    worker = Worker(messages_of_tenant_per_minute=600)
    await hear(worker, OTHER, 49)
    await hear(worker, FLOOD, 60)
    assert worker.look() == {FLOOD: pytest.approx(1.1, abs=0.2)}


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_sockets_of_a_tenant_go_on_one_after_another(count: int) -> None:
    pauses = spread(3.0, count)
    assert sum(pauses) / count == pytest.approx(3.0)
    assert len(set(pauses)) == count
    assert min(pauses) >= 1.5
    assert max(pauses) <= 4.5


async def test_a_session_that_is_slowed_down_reads_again_later() -> None:
    worker = Worker()
    harness = await hear(worker, FLOOD, 1)
    harness.session.slow_down(3.0)
    harness.session.slow_down(3.0)
    assert not harness.is_reading()
    ((seconds, speed_up),) = harness.later
    assert seconds == 3.0
    speed_up()
    assert harness.is_reading()


async def test_each_tenant_has_counters_of_its_own() -> None:
    worker = Worker()
    await hear(worker, FLOOD, 2)
    await hear(worker, OTHER, 1)
    counted = list(worker.quotas.look(lambda *_: None))
    assert [(one.frames_in, one.frames_out) for one in counted] == [(2, 2), (1, 1)]
    assert list(worker.quotas.look(lambda *_: None)) == []


async def test_beyond_its_quota_of_the_frame_log_a_tenant_is_answered_and_not_logged() -> None:
    worker = Worker(frame_log_bytes_of_tenant_per_day=2_000)
    before = shed()
    await hear(worker, FLOOD, 3, "x" * 900)
    logged_of_flood = len(worker.frames)
    await hear(worker, OTHER, 1)
    assert len(worker.frames) == logged_of_flood + 2
    worker.look()
    # Each message and its answer.
    assert shed() - before == 6 - logged_of_flood > 0
    assert worker.told == [(FLOOD, "frame_log")]


def shed() -> float:
    return (
        REGISTRY.get_sample_value("stationmaster_frame_log_shed_total", {"reason": "quota_of_tenant"}) or 0.0
    )


async def test_each_quota_that_is_reached_is_told() -> None:
    worker = Worker(frame_log_bytes_of_tenant_per_day=2_000, messages_of_tenant_per_minute=60)
    await hear(worker, FLOOD, 70, "x" * 100)
    worker.look()
    assert sorted(worker.told) == [(FLOOD, "frame_log"), (FLOOD, "messages")]
