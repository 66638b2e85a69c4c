"""Sends one event to a webhook, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.clock import Clock
from app.metrics import WEBHOOK_ATTEMPTS
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingAnswer, OutgoingFailed, OutgoingFailure, OutgoingRequest
from app.outgoing.signature import SecretCipher
from app.webhooks.records import Attempted, EventWebhookRecord
from app.webhooks.rules import retry_after_s, signing_secrets_of

_ANSWER_BYTES: Final = 512
"""Of an answer that are kept for the log."""
_NOT_SENT: Final = frozenset({OutgoingFailure.BUSY, OutgoingFailure.STOPPING, OutgoingFailure.CIRCUIT_OPEN})


def message_id_of(webhook_id: UUID, position: int) -> str:
    """Return the id of the message of an event. It is the same in each attempt."""
    return f"msg_{webhook_id.hex}_{position}"


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Sends signed messages."""

    client: Callable[[], OutgoingClient]
    cipher: SecretCipher
    clock: Clock
    deadline_s: float

    async def send(self, webhook: EventWebhookRecord, message_id: str, body: bytes) -> Attempted:
        """Send a message, and return how that ended."""
        at, began = self.clock.now(), self.clock.monotonic()
        stored = signing_secrets_of(webhook, at)
        keys = [self.cipher.decrypt(webhook.tenant_id, secret) for secret in stored]
        request = OutgoingRequest(
            tenant_id=webhook.tenant_id,
            url=webhook.url,
            body=body,
            message_id=message_id,
            secrets=[key for key in keys if key is not None],
            deadline_s=self.deadline_s,
            response_limit_bytes=_ANSWER_BYTES,
            # Each event has pauses of its own, and a webhook that fails has one request at a time.
            ignores_circuit=True,
            accepts="*/*",
            cuts_answer=True,
        )
        if not request.secrets:
            # Unsigned messages could not be told from forged ones.
            detail = "The secret was stored with another pepper: replace it."
            return Attempted(self.clock.now(), is_delivered=False, reason="no_secret", detail=detail)
        failed: OutgoingFailed | None = None
        answer: OutgoingAnswer | None
        try:
            answer = await self.client().post(request)
        except OutgoingFailed as error:
            failed, answer = error, error.answer
        counts = failed is None or failed.reason not in _NOT_SENT
        WEBHOOK_ATTEMPTS.labels("delivered" if failed is None else "failed" if counts else "not_sent").inc()
        return Attempted(
            at=self.clock.now(),
            is_delivered=failed is None,
            counts=counts,
            status_code=None if answer is None else answer.status,
            reason=None if failed is None else failed.reason.value,
            detail=None if failed is None else failed.detail,
            duration_ms=round((self.clock.monotonic() - began) * 1000),
            answer=None if answer is None else answer.body.decode(errors="replace"),
            retry_after_s=None if failed is None or answer is None else self._retry_after_s(answer),
        )

    def _retry_after_s(self, answer: OutgoingAnswer) -> float | None:
        return retry_after_s(answer.headers.get("retry-after", ""), self.clock.now())
