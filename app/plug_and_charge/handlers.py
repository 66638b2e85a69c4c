"""The effects of the DataTransfer commands that carry messages of Plug & Charge."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from app.certificates.rules.delivery import SEND_LATER, delivery_of
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.database.text import clean_json
from app.database.unit_of_work import TenantWork
from app.plug_and_charge.messages import OUR_MESSAGES, read_answer
from app.plug_and_charge.records import HAS2BE_VENDOR, OCA_VENDOR, CertificateReport, InnerAnswer
from app.plug_and_charge.rules.v2g import sent_fingerprint
from app.plug_and_charge.store.requests import V2gRequestStore
from app.plug_and_charge.store.settings import ReportStore


class PlugAndChargeEffect:
    """Reads the answers to messages of Plug & Charge, and keeps what they say."""

    triggers: ClassVar[Mapping[str, str | None]] = {"DataTransfer": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store what the answer says: with the command, the request or the charge point."""
        vendor = str(command.payload.get("vendorId", "")).lower()
        message_id = command.payload.get("messageId")
        if vendor not in (OCA_VENDOR, HAS2BE_VENDOR) or message_id not in OUR_MESSAGES:
            return
        inner = read_answer(message_id, outcome.result)
        if message_id == "CertificateSigned":
            await _certificate_signed(work, command, outcome, inner, at)
        if outcome.result is None:
            return
        if message_id == "GetInstalledCertificateIds" and inner.status is not None:
            certificates = [] if inner.status == "NotFound" else inner.certificates or []
            report = CertificateReport(command.charge_point_id, inner.status, certificates, at, command.id)
            await ReportStore(work).put(report)
        observed = "plug_and_charge_answered" if inner.status else "plug_and_charge_answer_unreadable"
        effect = {
            "observed": observed,
            "messageId": message_id,
            "status": inner.status,
            "detail": inner.detail,
        }
        await CommandEffectStore(work).record(command.id, clean_json(effect))


async def _certificate_signed(
    work: TenantWork, command: CommandRecord, outcome: Outcome, inner: InnerAnswer, at: datetime
) -> None:
    """Store whether a charge point takes its V2G certificate. It is found by the certificate."""
    fingerprint = sent_fingerprint(str(command.payload.get("data", "")))
    requests = V2gRequestStore(work)
    request = None
    if fingerprint is not None:
        request = await requests.by_fingerprint(fingerprint, command.charge_point_id)
    if request is None:
        return
    delivery = delivery_of(
        outcome.state, inner.status, is_in_doubt=outcome.is_in_doubt, doubts=request.doubts
    )
    await requests.change(
        request.id,
        ["signed", "sent", "failed"] if delivery.certificate else ["signed", "sent"],
        at,
        state=delivery.request,
        reason=delivery.reason,
        detail=inner.detail,
        command_id=command.id,
        next_at=(at if delivery.is_doubt else at + SEND_LATER) if delivery.again else None,
        sends=request.sends + (request.state == "signed" or delivery.again),
        doubts=request.doubts + delivery.is_doubt,
    )
