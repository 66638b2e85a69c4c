"""The queue of logins of one worker: bounded, one place for each charge point, and few at a time."""

import asyncio
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from app.clock import SystemClock
from app.connection import Connection
from app.quirks.records import Habits
from app.settings import Settings
from app.state_requests.interview import Interview, RequestBudget
from app.state_requests.requester import StateRequester
from app.state_requests.silent_keys import SilentKeyQueue
from app.types import TenantId
from tests.support.gateway import until
from tests.support.session_harness import SessionHarness

SETTINGS = Settings(credential_pepper="pepper", state_request_delay_s=0.02, state_request_queue_limit=20)


class Session:
    """A session, as far as the requester needs it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class Harness:
    """A requester whose interviews wait until the test ends them."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.sessions: dict[tuple[int, str], Session] = {}
        self.asked: list[Connection] = []
        self.finished: list[Connection] = []
        self.goes_on = asyncio.Event()
        self.requester = StateRequester(
            settings, cast(Any, self), SilentKeyQueue(), cast(Any, self._interview)
        )

    def get(self, tenant_id: TenantId, identity: str) -> Session | None:
        return self.sessions.get((tenant_id, identity))

    def _interview(self, connection: Connection) -> Interview:
        harness = self

        class Questions:
            async def state(self) -> bool:
                harness.asked.append(connection)
                await harness.goes_on.wait()
                return True

            async def rest(self) -> None:
                harness.finished.append(connection)

        return cast(Interview, Questions())

    def connection(self, identity: str, **changes: Any) -> Connection:
        """Let a charge point log in."""
        connection = SessionHarness().connection
        for name, value in {"identity": identity, **changes}.items():
            setattr(connection, name, value)
        self.sessions[connection.tenant_id, identity] = Session(connection)
        self.requester.logged_in(connection)
        return connection


def dropped() -> float:
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": "state_requests"}) or 0.0


async def test_the_queue_is_bounded_and_says_so() -> None:
    harness, before = Harness(), dropped()
    for number in range(25):
        harness.connection(f"CP{number}")
    assert len(harness.requester) == 20
    assert dropped() - before == 5


async def test_a_charge_point_that_logs_in_again_and_again_has_one_place() -> None:
    harness = Harness()
    connections = [harness.connection("CP1") for _ in range(30)]
    assert len(harness.requester) == 1
    harness.requester.start()
    await until(lambda: bool(harness.asked))
    assert harness.asked == connections[-1:]
    harness.goes_on.set()
    await harness.requester.close()


async def test_few_are_asked_at_a_time() -> None:
    harness = Harness()
    for number in range(20):
        harness.connection(f"CP{number}")
    harness.requester.start()
    await until(lambda: len(harness.asked) == 16)
    await asyncio.sleep(0.1)
    assert len(harness.asked) == 16
    harness.goes_on.set()
    await until(lambda: len(harness.asked) == 20)
    await until(lambda: len(harness.finished) == 20)
    await harness.requester.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"booted": True},
        {"registration_status": "Pending"},
        {"registration_status": "Rejected"},
        {"habits": Habits(state_after_login="nothing")},
    ],
    ids=["booted", "pending", "rejected", "habit"],
)
async def test_some_are_not_asked(changes: dict[str, Any]) -> None:
    harness = Harness()
    harness.connection("CP1", **changes)
    gone = harness.connection("CP2")
    del harness.sessions[gone.tenant_id, "CP2"]
    asked = harness.connection("CP3")
    harness.requester.start()
    await until(lambda: bool(harness.asked))
    assert harness.asked == [asked]
    assert len(harness.requester) == 0
    await harness.requester.close()


async def test_switched_off_nothing_waits() -> None:
    harness = Harness(SETTINGS.model_copy(update={"state_requests": False}))
    harness.connection("CP1")
    assert len(harness.requester) == 0


async def test_closing_ends_what_is_under_way() -> None:
    harness = Harness()
    harness.connection("CP1")
    harness.requester.start()
    await until(lambda: bool(harness.asked))
    await asyncio.wait_for(harness.requester.close(), 5)


async def test_the_budget_gives_tokens_in_turn() -> None:
    budget = RequestBudget(per_minute=600, clock=SystemClock())
    loop = asyncio.get_running_loop()
    for _ in range(600):
        await budget.take()
    begun = loop.time()
    await asyncio.gather(*(budget.take() for _ in range(5)))
    assert 0.3 < loop.time() - begun < 2.0


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="state_requests_per_minute"):
        Settings(credential_pepper="pepper", state_requests_per_minute=0)
