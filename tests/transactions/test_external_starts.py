"""Starts that wait for a webhook: no failure loses one, and the order of a charge point stays."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from app.authorization_webhooks.authorizer import ExternalAuthorizer, Presentation
from app.authorization_webhooks.records import Decision
from app.connection import Connection
from app.errors import StoreUnavailable
from app.transactions import external_starts
from app.transactions.external_starts import ExternalStarts
from app.transactions.ledger import Ledger
from app.transactions.records import TransactionStart, TransactionStarted
from app.types import ChargePointId
from tests.support.session_harness import SessionHarness
from tests.support.session_records import NOW, START

FALLBACK = Decision({"status": "Accepted"}, "accept")
ANSWER = TransactionStarted(42, {"status": "Accepted"}, False)


@dataclass
class RecordingLedger:
    """A ledger that keeps what it gets, in order."""

    records: list[Any] = field(default_factory=list)
    error: Exception | None = None

    def start_transaction(self, start: TransactionStart) -> "asyncio.Future[TransactionStarted]":
        return self.record(start, ANSWER)

    def record(self, record: Any, answer: Any) -> "asyncio.Future[Any]":
        if self.error is not None:
            raise self.error
        self.records.append(record)
        future = asyncio.get_running_loop().create_future()
        future.set_result(answer)
        return future


@dataclass
class Webhook:
    """An authorizer whose decision a test sets. asked: what it was asked."""

    decision: Decision | None = None
    error: Exception | None = None
    asking_tenants: set[int] = field(default_factory=lambda: {1})
    asked: list[Presentation] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: bool = False

    async def stop(self) -> None:
        if not self.hangs and not self.release.is_set():
            self.decision = FALLBACK
            self.release.set()

    async def decide(self, connection: Connection, presented: Presentation) -> Decision | None:
        self.asked.append(presented)
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return self.decision


@dataclass
class Story:
    """Starts, their webhook and their ledger."""

    webhook: Webhook = field(default_factory=Webhook)
    ledger: RecordingLedger = field(default_factory=RecordingLedger)

    def __post_init__(self) -> None:
        self.starts = ExternalStarts(cast(Ledger, self.ledger), cast(ExternalAuthorizer, self.webhook))
        self.connection = SessionHarness().connection

    def start(self, start: TransactionStart = START) -> "asyncio.Future[TransactionStarted]":
        return self.starts.start_transaction(self.connection, start)

    def stop(self) -> "asyncio.Future[str]":
        return self.starts.in_order(self.connection, lambda: self.ledger.record("stop", "stopped"))


@pytest.fixture
async def story() -> Story:
    return Story()


async def test_without_a_webhook_the_ledger_gets_a_start_at_once(story: Story) -> None:
    story.webhook.asking_tenants.clear()
    future = story.start()
    assert story.ledger.records == [START]
    assert await future == ANSWER
    assert story.webhook.asked == []


async def test_the_webhook_is_asked_before_the_ledger(story: Story) -> None:
    story.webhook.decision = Decision({"status": "Blocked"}, "webhook")
    future = story.start()
    await asyncio.sleep(0)
    assert story.ledger.records == []
    [asked] = story.webhook.asked
    assert asked == Presentation("StartTransaction", START.id_tag, START.started_at, START.connector_id)
    story.webhook.release.set()
    assert await future == ANSWER
    [start] = story.ledger.records
    assert (start.external_info, start.flags) == ({"status": "Blocked"}, ())


@pytest.mark.parametrize(
    ("decision", "info", "flags"),
    [
        (None, None, ()),
        (Decision(None, "local"), None, ("authorization_fallback",)),
        (Decision({"status": "Accepted"}, "accept"), {"status": "Accepted"}, ("authorization_fallback",)),
        (Decision({"status": "Invalid"}, "refuse"), {"status": "Invalid"}, ("authorization_fallback",)),
    ],
)
async def test_a_fallback_is_a_flag_of_the_record(
    story: Story, decision: Decision | None, info: Any, flags: tuple[str, ...]
) -> None:
    story.webhook.decision = decision
    story.webhook.release.set()
    await story.start()
    [start] = story.ledger.records
    assert (start.external_info, start.flags) == (info, flags)


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("a defect"), TimeoutError()])
async def test_no_failure_of_the_question_loses_the_start(story: Story, error: Exception) -> None:
    story.webhook.error = error
    story.webhook.release.set()
    assert await story.start() == ANSWER
    assert story.ledger.records == [START]


async def test_what_comes_behind_a_start_is_recorded_behind_it(story: Story) -> None:
    started, stopped = story.start(), story.stop()
    second = story.start(START)
    await asyncio.sleep(0)
    assert story.ledger.records == []
    story.webhook.release.set()
    await asyncio.gather(started, stopped, second)
    assert story.ledger.records == [START, "stop", START]
    assert await story.stop() == "stopped"


async def test_a_start_without_a_webhook_waits_for_one_with_it(story: Story) -> None:
    first = story.start()
    story.webhook.asking_tenants.clear()
    second = story.start(TransactionStart(1, 7, 2, "B", NOW, NOW, 1))
    assert story.ledger.records == []
    story.webhook.release.set()
    await asyncio.gather(first, second)
    assert [start.connector_id for start in story.ledger.records] == [1, 2]


async def test_other_charge_points_do_not_wait(story: Story) -> None:
    waiting = story.start()
    other = SessionHarness().connection
    other.charge_point_id = ChargePointId(8)
    await story.starts.in_order(other, lambda: story.ledger.record("other", None))
    assert story.ledger.records == ["other"]
    story.webhook.release.set()
    await waiting


@pytest.mark.parametrize("submit", [Story.start, Story.stop])
async def test_a_refusal_of_the_ledger_reaches_the_charge_point(
    story: Story, submit: Callable[[Story], Awaitable[Any]]
) -> None:
    first = story.start()
    second = submit(story)
    story.ledger.error = StoreUnavailable()
    story.webhook.release.set()
    for future in (first, second):
        with pytest.raises(StoreUnavailable):
            await future


async def test_the_end_of_the_server_hands_on_what_waits(story: Story) -> None:
    started, stopped = story.start(), story.stop()
    await asyncio.sleep(0)
    await story.starts.close()
    flagged = replace(START, flags=("authorization_fallback",), external_info=FALLBACK.info)
    assert story.ledger.records == [flagged, "stop"]
    assert await started == ANSWER
    assert await stopped == "stopped"
    await story.start()
    assert len(story.webhook.asked) == 1, "nothing is asked any longer"


async def test_a_question_that_hangs_does_not_keep_a_start_from_the_ledger(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_starts, "_LONGEST_CLOSE_S", 0.05)
    story.webhook.hangs = True
    started = story.start()
    await story.starts.close()
    assert story.ledger.records == [START]
    assert await started == ANSWER


async def test_the_end_of_the_server_hands_on_what_has_only_just_come(story: Story) -> None:
    started = story.start()
    await story.starts.close()
    assert await started == ANSWER


async def test_a_caller_that_has_left_does_not_keep_a_start_from_the_ledger(story: Story) -> None:
    started = story.start()
    started.cancel()
    story.webhook.release.set()
    await story.starts.close()
    assert story.ledger.records == [START]
