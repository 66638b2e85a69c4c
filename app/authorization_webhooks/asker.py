"""Asks webhooks: answers hold for a while, equal questions share one request, failures have a fallback."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import uuid4

from app.authorization_webhooks.recorder import AttemptRecorder
from app.authorization_webhooks.records import (
    AnswerFault,
    AnswerRefused,
    AskingAction,
    Attempt,
    Decision,
    TagQuestion,
    WebhookRecord,
)
from app.authorization_webhooks.rules import (
    ANSWER_LIMIT_BYTES,
    cached_for_s,
    fallback_of,
    info_of,
    question_body,
    signing_secrets,
)
from app.clock import Clock
from app.metrics import EXTERNAL_AUTHORIZATIONS
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed, OutgoingRequest
from app.outgoing.signature import SecretCipher
from app.types import ChargePointId, Json, TenantId

_TAG_SHOWN: Final = 255
_ANSWERS_OF_TENANT: Final = 2000
"""The most answers of a tenant that are kept. The one that was used longest ago is dropped first."""


class _Place(NamedTuple):
    charge_point_id: ChargePointId | None
    id_tag_key: str


class _Asked(NamedTuple):
    tenant_id: TenantId
    revision: int
    place: _Place
    action: AskingAction


@dataclass(slots=True)
class _Answers:
    """The answers of the webhook of one tenant. revision: of the webhook that gave them."""

    revision: int
    kept: OrderedDict[_Place, tuple[Json, float]] = field(default_factory=OrderedDict)


class WebhookAsker:
    """Asks the webhooks of all tenants, for one worker."""

    def __init__(
        self, client: OutgoingClient, cipher: SecretCipher, attempts: AttemptRecorder, clock: Clock
    ) -> None:
        self._client = client
        self._cipher = cipher
        self._attempts = attempts
        self._clock = clock
        self._answers: dict[int, _Answers] = {}
        self._asking: dict[_Asked, asyncio.Task[Decision]] = {}

    def forget(self, tenant_id: TenantId) -> None:
        """Drop the answers of a tenant, whose webhook is gone."""
        self._answers.pop(tenant_id, None)

    async def stop(self) -> None:
        """End all questions: from now on fallbacks decide, with the reason `stopping`."""
        await self._client.close()
        if self._asking:
            await asyncio.wait(self._asking.values())

    async def decide(self, webhook: WebhookRecord, question: TagQuestion) -> Decision:
        """Return what the webhook says, or what holds without its answer. It takes up to the deadline."""
        place = _Place(question.charge_point_id, question.id_tag_key)
        kept = self._kept(webhook, place)
        if kept is not None:
            EXTERNAL_AUTHORIZATIONS.labels("cached").inc()
            return Decision(dict(kept), "webhook")
        asked = _Asked(question.tenant_id, webhook.revision, place, question.action)
        task = self._asking.get(asked)
        if task is None:
            task = asyncio.create_task(self._decide(webhook, question, place), name="external-authorization")
            self._asking[asked] = task
            task.add_done_callback(lambda _: self._asking.pop(asked, None))
        # Another caller may wait for the same answer.
        return await asyncio.shield(task)

    async def ask(self, webhook: WebhookRecord, question: TagQuestion) -> tuple[Attempt, Decision]:
        """Ask now, and return what came of it. Nothing is kept but the attempt."""
        begun = self._clock.monotonic()
        reason: str | None = None
        detail: str | None = None
        try:
            info = await self._exchange(webhook, question)
        except OutgoingFailed as failed:
            reason, detail = failed.reason.value, failed.detail
            decision = fallback_of(webhook.fallback)
        except AnswerRefused as refused:
            reason, detail = refused.fault.value, refused.detail
            decision = fallback_of(webhook.fallback)
        else:
            decision = Decision(info, "webhook")
        attempt = Attempt(
            tenant_id=question.tenant_id,
            at=self._clock.now(),
            action=question.action,
            charge_point=question.charge_point,
            connector_id=question.connector_id,
            id_tag=question.id_tag[:_TAG_SHOWN],
            reason=reason,
            detail=detail or None,
            decided_by=decision.decided_by,
            status=None if decision.info is None else decision.info["status"],
            duration_ms=round((self._clock.monotonic() - begun) * 1000),
            is_test=question.is_test,
        )
        self._attempts.note(attempt)
        EXTERNAL_AUTHORIZATIONS.labels(reason or "answered").inc()
        return attempt, decision

    async def _decide(self, webhook: WebhookRecord, question: TagQuestion, place: _Place) -> Decision:
        attempt, decision = await self.ask(webhook, question)
        if attempt.reason is None and decision.info is not None:
            self._keep(webhook, place, decision.info)
        return decision

    async def _exchange(self, webhook: WebhookRecord, question: TagQuestion) -> Json:
        tenant_id, now = question.tenant_id, self._clock.now()
        stored = signing_secrets(webhook, now)
        secrets = [secret for one in stored if (secret := self._cipher.decrypt(tenant_id, one)) is not None]
        if not secrets:
            raise AnswerRefused(AnswerFault.SECRET_UNREADABLE, "The secret cannot be read. Make another one.")
        answer = await self._client.post(
            OutgoingRequest(
                tenant_id=tenant_id,
                url=webhook.url,
                body=question_body(question),
                message_id=f"msg_{uuid4().hex}",
                secrets=secrets,
                deadline_s=webhook.deadline_s,
                response_limit_bytes=ANSWER_LIMIT_BYTES,
                ignores_circuit=question.is_test,
            )
        )
        return info_of(answer.headers, answer.body, self._clock.now())

    def _kept(self, webhook: WebhookRecord, place: _Place) -> Json | None:
        answers = self._answers.get(webhook.tenant_id)
        if answers is None or answers.revision != webhook.revision:
            return None
        found = answers.kept.get(place)
        if found is None or found[1] <= self._clock.monotonic():
            return None
        answers.kept.move_to_end(place)
        return found[0]

    def _keep(self, webhook: WebhookRecord, place: _Place, info: Json) -> None:
        seconds = cached_for_s(webhook, info, self._clock.now())
        if seconds <= 0:
            return
        answers = self._answers.get(webhook.tenant_id)
        if answers is None or answers.revision < webhook.revision:
            answers = self._answers[webhook.tenant_id] = _Answers(webhook.revision)
        if answers.revision != webhook.revision:
            return
        answers.kept[place] = (info, self._clock.monotonic() + seconds)
        answers.kept.move_to_end(place)
        if len(answers.kept) > _ANSWERS_OF_TENANT:
            answers.kept.popitem(last=False)
