"""One stored thing of each kind that DataTransfer and Plug & Charge have, for tests of all routes."""

from datetime import datetime
from uuid import uuid4

from app.data_transfer.records import NewSubscription, NewTransfer
from app.data_transfer.store import SubscriptionStore, TransferStore
from app.database.unit_of_work import TenantWork
from app.outgoing.signature import SecretCipher, new_secret
from app.plug_and_charge.records import OCA_VENDOR, CertificateReport
from app.plug_and_charge.store.requests import V2gRequestStore
from app.plug_and_charge.store.settings import ReportStore, SettingStore
from tests.support.certificates import issue, signing_request


async def store_transfers(
    work: TenantWork,
    pepper: str,
    charge_point_id: int,
    now: datetime,
    request_state: str = "forwarded",
) -> dict[str, str]:
    """Store a subscription, a message, the settings of Plug & Charge, a V2G request and a report.

    Return the ids, by the variable parts of paths.
    """
    cipher = SecretCipher(pepper)
    secret = cipher.encrypt(work.tenant_id, new_secret())
    new = NewSubscription("com.voltwerk", "FanSpeed", "Accepted", "ok", None, 5000)
    subscription = await SubscriptionStore(work).add(new, secret, now)
    await TransferStore(work).put_of_command(
        NewTransfer(
            tenant_id=work.tenant_id,
            charge_point_id=charge_point_id,
            at=now,
            direction="to_charge_point",
            vendor_id="com.voltwerk",
            message_id="FanSpeed",
            data="{}",
            data_length=2,
            status="Accepted",
            answer_data=None,
            answered_by="charge_point",
            reason=None,
            detail=None,
            duration_ms=5,
            command_id=uuid4(),
        )
    )
    root = issue("V2G Root").pem
    stored = SettingStore(work)
    secrets = cipher.encrypt(work.tenant_id, f'{{"signing":"{new_secret()}","credential":null}}')
    endpoint = {"url": "https://contracts.invalid/", "deadline_ms": 4500, "header": None}
    await stored.put("contract_endpoint", endpoint, secrets, now)
    await stored.put("v2g_authority", {"url": "https://v2g.invalid/", "anchors": root}, secrets, now)
    validation = {"roots": root, "ocsp_url": None, "without_status": "refuse"}
    await stored.put("validation", validation, None, now)
    request_id = await V2gRequestStore(work).add(
        {
            "charge_point_id": charge_point_id,
            "dialect": OCA_VENDOR,
            "csr": signing_request("SECC-1"),
            "state": request_state,
            "received_at": now,
        }
    )
    await ReportStore(work).put(CertificateReport(charge_point_id, "Accepted", [], now, uuid4()))
    return {"subscription_id": str(subscription.id), "v2g_request_id": str(request_id)}
