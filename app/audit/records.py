"""Values of the audit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from app.types import Json

Act = Literal[
    "end_transaction",
    "attach_orphan_record",
    "settle_charging_profile",
    "set_authorization_webhook",
    "replace_authorization_webhook_secret",
    "delete_authorization_webhook",
    "create_quirk_profile",
    "change_quirk_profile",
    "delete_quirk_profile",
    "create_local_list",
    "change_local_list",
    "delete_local_list",
    "switch_local_list_sync",
    "create_certificate_authority",
    "distrust_certificate_authority",
    "set_external_certificate_authority",
    "delete_external_certificate_authority",
    "revoke_charge_point_certificate",
    "delete_last_central_system_root",
    "create_firmware_campaign",
    "start_firmware_campaign",
    "pause_firmware_campaign",
    "resume_firmware_campaign",
    "stop_firmware_campaign",
    "acknowledge_security_alarm",
    "replace_credential",
    "import_credential",
    "set_no_credential",
    "delete_charge_point",
    "rotate_credential",
    "raise_security_profile",
    "set_minimum_security_profile",
    "set_credential_rotation",
    "create_data_transfer_subscription",
    "change_data_transfer_subscription",
    "replace_data_transfer_secret",
    "delete_data_transfer_subscription",
    "set_contract_certificate_endpoint",
    "delete_contract_certificate_endpoint",
    "set_v2g_authority",
    "delete_v2g_authority",
    "set_contract_validation",
    "delete_contract_validation",
    "create_api_key",
    "revoke_api_key",
    "log_in",
    "end_user_sessions",
    "set_password",
    "create_user",
    "change_user",
    "delete_user",
    "create_login_link",
    "create_webhook",
    "change_webhook",
    "replace_webhook_secret",
    "delete_webhook",
    "replay_webhook",
    "resend_webhook_event",
    "disable_webhook",
    "add_passkey",
    "delete_passkey",
    "create_tenant",
    "change_tenant",
    "delete_tenant",
]
"""The acts that are audited."""
ABOUT_BILLS: Final[frozenset[Act]] = frozenset({"end_transaction", "attach_orphan_record"})
"""The acts that explain a bill, so that they are kept as long as it is."""


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """One act. actor: who; subject: the path of what it changed; details: what was set.

    act: one of `Act`, or the name of the operation, if its capability does not describe it.
    """

    tenant_id: int
    at: datetime
    actor: str
    act: str
    subject: str
    reason: str
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntryRecord:
    """A stored entry."""

    id: int
    at: datetime
    actor: str
    act: str
    subject: str
    reason: str
    details: Json
