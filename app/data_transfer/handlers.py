"""The answer to DataTransfer (OCPP 1.6 4.3), and the effect of those that we send (5.6)."""

from collections.abc import Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from app.answers import Handler
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.connection import Connection
from app.data_transfer.answerer import TransferAnswerer
from app.data_transfer.records import NewTransfer, TransferAnswer
from app.data_transfer.rules import data_text, kept_data
from app.data_transfer.store import TransferStore
from app.database.unit_of_work import TenantWork
from app.ocpp import v16


def data_transfer_handlers(answerer: TransferAnswerer) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {"DataTransfer": partial(data_transfer, answerer)}


def data_transfer(
    answerer: TransferAnswerer, connection: Connection, request: v16.DataTransferRequest
) -> v16.DataTransferResponse | Coroutine[Any, Any, v16.DataTransferResponse]:
    """Answer a message of a vendor. It waits only if a webhook or an extension has to be asked."""
    found = answerer.answer(connection, request)
    return _conf(found) if isinstance(found, TransferAnswer) else _later(found)


async def _later(work: Coroutine[Any, Any, TransferAnswer]) -> v16.DataTransferResponse:
    return _conf(await work)


def _conf(answer: TransferAnswer) -> v16.DataTransferResponse:
    if answer.data is None or answer.status == "UnknownVendorId":
        # To an unknown vendor the data element must not be present (4.3).
        return {"status": answer.status}
    return {"status": answer.status, "data": answer.data}


class DataTransferEffect:
    """Keeps the messages that we have sent, next to those of charge points."""

    triggers: ClassVar[Mapping[str, str | None]] = {"DataTransfer": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the message with its answer. at: when the outcome was known."""
        if command.sent_at is None and not outcome.answered:
            return
        data = data_text(command.payload.get("data"))
        sent_at = command.sent_at or command.created_at
        result, error = outcome.result or {}, outcome.error or {}
        await TransferStore(work).put_of_command(
            NewTransfer(
                tenant_id=command.tenant_id,
                charge_point_id=command.charge_point_id,
                at=sent_at,
                direction="to_charge_point",
                vendor_id=str(command.payload["vendorId"]),
                message_id=command.payload.get("messageId"),
                data=kept_data(data),
                data_length=len(data or ""),
                status=outcome.status,
                answer_data=kept_data(data_text(result.get("data"))),
                answered_by="charge_point" if outcome.answered else "none",
                reason=None if outcome.status is not None else error.get("code", outcome.state),
                detail=error.get("description"),
                duration_ms=max(round((at - sent_at).total_seconds() * 1000), 0),
                command_id=command.id,
            )
        )
