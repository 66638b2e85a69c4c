"""Asking webhooks: what is kept, what is asked once, and what holds when an answer is wrong."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from app.authorization_webhooks.asker import WebhookAsker
from app.authorization_webhooks.recorder import AttemptRecorder
from app.authorization_webhooks.records import Attempt, Decision, Fallback
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingAnswer, OutgoingFailed, OutgoingFailure, OutgoingRequest
from app.outgoing.signature import SecretCipher
from app.types import ChargePointId, TenantId
from tests.authorization_webhooks.test_rules import JSON, QUESTION, WEBHOOK
from tests.support.api import SetClock

CIPHER = SecretCipher("pepper")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
ASKED = replace(WEBHOOK, secret=CIPHER.encrypt(TenantId(1), SECRET))


@dataclass
class Endpoint:
    """Keeps what would go out, and gives what comes back."""

    clock: SetClock
    answer: Any = field(default_factory=lambda: {"status": "Accepted"})
    failure: OutgoingFailure | None = None
    sent: list[OutgoingRequest] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def close(self) -> None:
        self.failure = OutgoingFailure.STOPPING
        self.release.set()

    async def post(self, request: OutgoingRequest) -> OutgoingAnswer:
        self.sent.append(request)
        await self.release.wait()
        self.clock.advance(0.25)
        if self.failure is not None:
            raise OutgoingFailed(self.failure, "why")
        return OutgoingAnswer(200, JSON, json.dumps(self.answer).encode())


@dataclass
class Notes:
    """The attempts that were noted."""

    attempts: list[Attempt] = field(default_factory=list)

    def note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


@dataclass
class Story:
    """An asker and what is around it."""

    clock: SetClock = field(default_factory=SetClock)
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(self.clock)
        client, notes = cast(OutgoingClient, self.endpoint), cast(AttemptRecorder, self.notes)
        self.asker = WebhookAsker(client, CIPHER, notes, self.clock)


@pytest.fixture
async def story() -> Story:
    opened = Story()
    opened.endpoint.release.set()
    return opened


async def test_the_end_of_the_server_leaves_the_decision_to_the_fallback_and_is_noted(story: Story) -> None:
    story.endpoint.release.clear()
    asked = asyncio.create_task(story.asker.decide(replace(ASKED, fallback="accept"), QUESTION))
    await asyncio.sleep(0)
    await story.asker.stop()
    assert await asked == Decision({"status": "Accepted"}, "accept")
    assert [attempt.reason for attempt in story.notes.attempts] == ["stopping"]


async def test_an_answer_decides_and_is_noted(story: Story) -> None:
    story.endpoint.answer = {"status": "Blocked", "parent_id_tag": "FLEET"}
    decision = await story.asker.decide(ASKED, QUESTION)
    assert decision == Decision({"status": "Blocked", "parentIdTag": "FLEET"}, "webhook")
    [request] = story.endpoint.sent
    assert (request.url, request.deadline_s, request.secrets) == ("https://a", 2.0, [SECRET])
    assert request.message_id.startswith("msg_")
    assert "." not in request.message_id
    [attempt] = story.notes.attempts
    assert (attempt.charge_point, attempt.id_tag, attempt.connector_id) == ("CP1", "B4A63CDF", 2)
    assert (attempt.reason, attempt.decided_by, attempt.status) == (None, "webhook", "Blocked")
    assert attempt.duration_ms == 250


@pytest.mark.parametrize(
    ("fallback", "decision"),
    [
        ("local", Decision(None, "local")),
        ("accept", Decision({"status": "Accepted"}, "accept")),
        ("refuse", Decision({"status": "Invalid"}, "refuse")),
    ],
)
@pytest.mark.parametrize("reason", list(OutgoingFailure))
async def test_each_failure_has_its_fallback(
    story: Story, fallback: Fallback, decision: Decision, reason: OutgoingFailure
) -> None:
    story.endpoint.failure = reason
    webhook = replace(ASKED, fallback=fallback)
    assert await story.asker.decide(webhook, QUESTION) == decision
    [attempt] = story.notes.attempts
    assert (attempt.reason, attempt.detail, attempt.decided_by) == (reason.value, "why", fallback)
    await story.asker.decide(webhook, QUESTION)
    assert len(story.endpoint.sent) == 2, "a fallback is not kept"


async def test_a_wrong_answer_has_a_fallback_too(story: Story) -> None:
    story.endpoint.answer = {"status": "Yes"}
    assert await story.asker.decide(ASKED, QUESTION) == Decision(None, "local")
    assert story.notes.attempts[0].reason == "invalid_answer"


async def test_an_answer_to_authorize_holds_for_the_start_behind_it(story: Story) -> None:
    await story.asker.decide(ASKED, replace(QUESTION, action="Authorize", connector_id=None))
    assert (await story.asker.decide(ASKED, QUESTION)).info == {"status": "Accepted"}
    assert len(story.endpoint.sent) == 1
    story.clock.advance(60)
    await story.asker.decide(ASKED, QUESTION)
    assert len(story.endpoint.sent) == 2


@pytest.mark.parametrize(
    "changed",
    [
        replace(QUESTION, charge_point_id=ChargePointId(8)),
        replace(QUESTION, id_tag_key="other"),
        replace(QUESTION, tenant_id=TenantId(2)),
    ],
)
async def test_an_answer_holds_for_its_tag_at_its_place(story: Story, changed: Any) -> None:
    await story.asker.decide(ASKED, QUESTION)
    tenant_id = changed.tenant_id
    await story.asker.decide(
        replace(ASKED, tenant_id=tenant_id, secret=CIPHER.encrypt(tenant_id, SECRET)), changed
    )
    assert len(story.endpoint.sent) == 2


async def test_a_change_of_the_webhook_forgets_its_answers(story: Story) -> None:
    await story.asker.decide(ASKED, QUESTION)
    await story.asker.decide(replace(ASKED, revision=2), QUESTION)
    await story.asker.decide(ASKED, QUESTION)
    assert len(story.endpoint.sent) == 3
    story.asker.forget(TenantId(1))
    await story.asker.decide(replace(ASKED, revision=2), QUESTION)
    assert len(story.endpoint.sent) == 4


async def test_without_a_time_to_hold_each_question_is_asked(story: Story) -> None:
    for _ in range(2):
        await story.asker.decide(replace(ASKED, cache_s=0), QUESTION)
    assert len(story.endpoint.sent) == 2


async def test_the_answers_of_a_tenant_are_limited(story: Story) -> None:
    lasting = replace(ASKED, cache_s=3600)
    for number in range(2001):
        await story.asker.decide(lasting, replace(QUESTION, id_tag_key=str(number)))
    await story.asker.decide(lasting, replace(QUESTION, id_tag_key="1"))
    assert len(story.endpoint.sent) == 2001
    await story.asker.decide(lasting, replace(QUESTION, id_tag_key="0"))
    assert len(story.endpoint.sent) == 2002


async def test_equal_questions_at_the_same_time_are_asked_once(story: Story) -> None:
    story.endpoint.release.clear()
    asking = [asyncio.create_task(story.asker.decide(ASKED, QUESTION)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    story.endpoint.release.set()
    assert [decision.decided_by for decision in await asyncio.gather(*asking[1:])] == ["webhook"] * 2
    assert len(story.endpoint.sent) == 1


async def test_both_secrets_sign_while_one_is_replaced(story: Story) -> None:
    until = story.clock.now().replace(year=2027)
    webhook = replace(
        ASKED, previous_secret=CIPHER.encrypt(TenantId(1), "whsec_b2xk"), previous_secret_until=until
    )
    await story.asker.decide(webhook, QUESTION)
    assert story.endpoint.sent[0].secrets == [SECRET, "whsec_b2xk"]


async def test_a_secret_of_another_server_asks_nothing(story: Story) -> None:
    webhook = replace(ASKED, secret=SecretCipher("another").encrypt(TenantId(1), SECRET))
    assert await story.asker.decide(webhook, QUESTION) == Decision(None, "local")
    assert story.endpoint.sent == []
    assert story.notes.attempts[0].reason == "secret_unreadable"


async def test_a_test_is_not_kept_and_goes_out_although_the_circuit_is_open(story: Story) -> None:
    attempt, _ = await story.asker.ask(ASKED, replace(QUESTION, is_test=True))
    assert attempt.is_test
    assert story.endpoint.sent[0].ignores_circuit
    await story.asker.decide(ASKED, QUESTION)
    assert [request.ignores_circuit for request in story.endpoint.sent] == [True, False]


async def test_a_long_tag_is_noted_by_its_beginning(story: Story) -> None:
    await story.asker.decide(ASKED, replace(QUESTION, id_tag="x" * 5000))
    assert len(story.notes.attempts[0].id_tag) == 255
