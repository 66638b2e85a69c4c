"""Answers the messages of charge points: by a part of this server, a stored answer, or a webhook."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.clock import Clock
from app.connection import Connection
from app.data_transfer.directory import SubscriptionDirectory
from app.data_transfer.recorder import TransferRecorder
from app.data_transfer.records import (
    NewTransfer,
    SubscriptionRecord,
    TransferAnswer,
    TransferFault,
    TransferQuestion,
    TransferRefused,
    VendorExtension,
)
from app.data_transfer.rules import (
    ANSWER_LIMIT_BYTES,
    answer_of,
    chosen,
    data_text,
    fallback_answer,
    fold_name,
    question_of,
    signing_secrets,
    stored_answer,
    unknown,
)
from app.metrics import DATA_TRANSFERS
from app.ocpp import v16
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed, OutgoingRequest
from app.outgoing.signature import SecretCipher


@dataclass(frozen=True, slots=True)
class TransferAnswerer:
    """Decides on the messages that charge points send. client: asks the webhooks of tenants."""

    directory: SubscriptionDirectory
    recorder: TransferRecorder
    client: Callable[[], OutgoingClient]
    cipher: SecretCipher
    clock: Clock
    extensions: Sequence[VendorExtension] = ()

    def answer(
        self, connection: Connection, request: v16.DataTransferRequest
    ) -> TransferAnswer | Coroutine[Any, Any, TransferAnswer]:
        """Return the answer to a message, at once if no server has to be asked."""
        if not self.directory.is_read:
            return self._read_first(connection, request)
        begun = self.clock.monotonic()
        vendor_key, message_key = fold_name(request["vendorId"]), fold_name(request.get("messageId"))
        subscriptions = self.directory.of_vendor(connection.tenant_id, vendor_key)
        exact = subscriptions.get(message_key) if message_key else None
        extension, is_vendor_known = None, bool(subscriptions)
        for one in self.extensions:
            messages = one.messages.get(vendor_key)
            is_vendor_known = is_vendor_known or messages is not None
            if messages is not None and message_key in messages:
                extension = one
        if exact is None and extension is not None:
            data = data_text(request.get("data"))
            work = extension.answer(connection, vendor_key, message_key, data)
            return self._noted_later(connection, request, work, begun)
        subscription = chosen(subscriptions, message_key)
        if subscription is not None and subscription.url is not None:
            work = self._ask(connection, request, subscription)
            return self._noted_later(connection, request, work, begun)
        if subscription is None:
            answer = unknown(is_vendor_known=is_vendor_known)
        else:
            answer = stored_answer(subscription)
        self._note(connection, request, answer, begun)
        return answer

    async def _read_first(self, connection: Connection, request: v16.DataTransferRequest) -> TransferAnswer:
        await self.directory.read()
        found = self.answer(connection, request)
        return found if isinstance(found, TransferAnswer) else await found

    async def _noted_later(
        self,
        connection: Connection,
        request: v16.DataTransferRequest,
        work: Coroutine[Any, Any, TransferAnswer],
        begun: float,
    ) -> TransferAnswer:
        answer = await work
        self._note(connection, request, answer, begun)
        return answer

    async def _ask(
        self,
        connection: Connection,
        request: v16.DataTransferRequest,
        subscription: SubscriptionRecord,
    ) -> TransferAnswer:
        """Ask the webhook of a subscription. If it fails, the answer of the subscription holds."""
        try:
            return await self._exchange(connection, request, subscription)
        except OutgoingFailed as failed:
            return fallback_answer(subscription, failed.reason.value, failed.detail)
        except TransferRefused as refused:
            return fallback_answer(subscription, refused.fault.value, refused.detail)

    async def _exchange(
        self,
        connection: Connection,
        request: v16.DataTransferRequest,
        subscription: SubscriptionRecord,
    ) -> TransferAnswer:
        tenant_id, now = connection.tenant_id, self.clock.now()
        stored = signing_secrets(subscription, now)
        secrets = [text for one in stored if (text := self.cipher.decrypt(tenant_id, one)) is not None]
        if not secrets:
            detail = "The secret cannot be read. Make another one."
            raise TransferRefused(TransferFault.SECRET_UNREADABLE, detail)
        question = TransferQuestion(
            tenant=connection.tenant_slug,
            charge_point=connection.identity,
            vendor_id=request["vendorId"],
            message_id=request.get("messageId"),
            data=request.get("data"),
            at=now,
        )
        answer = await self.client().post(
            OutgoingRequest(
                tenant_id=tenant_id,
                url=subscription.url or "",
                body=question_of(question),
                message_id=f"msg_{uuid4().hex}",
                secrets=secrets,
                deadline_s=subscription.deadline_ms / 1000,
                response_limit_bytes=ANSWER_LIMIT_BYTES,
            )
        )
        return answer_of(answer.body)

    def _note(
        self,
        connection: Connection,
        request: v16.DataTransferRequest,
        answer: TransferAnswer,
        begun: float,
    ) -> None:
        data = data_text(request.get("data"))
        DATA_TRANSFERS.labels(answer.answered_by, answer.status).inc()
        self.recorder.note(
            NewTransfer(
                tenant_id=connection.tenant_id,
                charge_point_id=connection.charge_point_id,
                at=self.clock.now(),
                direction="from_charge_point",
                vendor_id=request["vendorId"],
                message_id=request.get("messageId"),
                data=data,
                data_length=len(data or ""),
                status=answer.status,
                answer_data=answer.data,
                answered_by=answer.answered_by,
                reason=answer.reason,
                detail=answer.detail,
                duration_ms=round((self.clock.monotonic() - begun) * 1000),
            )
        )
