"""Advice on refused logins."""

from collections.abc import Mapping
from typing import Final

from app.login_attempts.records import RefusalReason

ADVICE: Final[Mapping[RefusalReason, str]] = {
    RefusalReason.PATH: (
        "Set the URL of the charge point to ws://<host>:<port>/ocpp/<tenant>/<identity>. Some charge points "
        "append the identity by themselves: then leave it out."
    ),
    RefusalReason.PATH_ENCODING: (
        "The charge point encodes its identity twice. Enter the identity without percent signs, or choose "
        "one of letters and digits."
    ),
    RefusalReason.EXTRA_PATH_SEGMENT: (
        "The URL has more segments than tenant and identity. Remove what is between or behind them."
    ),
    RefusalReason.TENANT_CASE: "Write the name of the tenant in lower case in the URL of the charge point.",
    RefusalReason.PATH_NOT_EXACT: (
        "The tenant is strict, so the URL must be exactly /ocpp/<tenant>/<identity>. Remove surplus slashes "
        "and segments, or set strict_protocol of the tenant to false."
    ),
    RefusalReason.UPGRADE: (
        "The request is not a WebSocket handshake of version 13. Check that the charge point is set to OCPP "
        "1.6 JSON, not SOAP, and that a proxy in front of the server passes Upgrade and Connection on."
    ),
    RefusalReason.ORIGIN: (
        "The request has an Origin header, as web pages send it, and the charge point may connect without a "
        "credential. Give it a credential: POST /v1/charge-points/{identity}/credentials, and "
        "no_credential false."
    ),
    RefusalReason.CONNECTED: (
        "The charge point may connect without a credential, and another connection of it lives, perhaps that "
        "of another device. Give each its own identity and a credential: POST "
        "/v1/charge-points/{identity}/credentials, and no_credential false."
    ),
    RefusalReason.SUBPROTOCOL: (
        "The charge point does not offer the subprotocol ocpp1.6. Set it to OCPP 1.6 JSON. For a strict "
        "tenant the name must be exact."
    ),
    RefusalReason.TENANT_SUSPENDED: (
        "The operator of the server has suspended this tenant; `detail` says why. Nothing is wrong with the "
        "charge point, which keeps its records and gets in again when the tenant is resumed."
    ),
    RefusalReason.UNKNOWN_TENANT: "The URL names a tenant that does not exist.",
    RefusalReason.UNKNOWN_IDENTITY: (
        "The tenant has no charge point of this identity. Create it (POST /v1/charge-points), or correct "
        "the identity in the charge point."
    ),
    RefusalReason.IDENTITY_CASE: (
        "The charge point exists in another spelling of upper and lower case, which `detail` shows. Correct "
        "the identity in the charge point, or create one in its spelling."
    ),
    RefusalReason.CREDENTIAL_ABSENT: (
        "The charge point sent no Authorization header. Enter the password in the charge point "
        "(AuthorizationKey). If it logs in right afterwards, nothing is wrong: some send the password only "
        "after they were asked."
    ),
    RefusalReason.CREDENTIAL_MALFORMED: (
        "The Authorization header cannot be read: it is not Basic, is given twice, or has no colon. Set the "
        "charge point to HTTP Basic authentication (security profile 1)."
    ),
    RefusalReason.CREDENTIAL_WRONG: (
        "The password is wrong. Enter the one that was shown when the charge point was created, as 40 "
        "hexadecimal digits, or get a new one: POST /v1/charge-points/{identity}/credentials."
    ),
    RefusalReason.CREDENTIAL_NOT_SET: (
        "The charge point has no password here, and needs one: POST /v1/charge-points/{identity}/credentials."
    ),
    RefusalReason.SECURITY_PROFILE: (
        "The charge point connects with less protection than it must have: `detail` names both security "
        "profiles. It has connected on the higher one before, or an administrator has set the minimum. Set "
        "SecurityProfile in the charge point, or let an administrator lower the minimum: PUT "
        "/v1/charge-points/{identity}/security-profile/minimum."
    ),
    RefusalReason.USER_NAME: (
        "The user name is not the identity. Set the user name to the identity, or leave it empty."
    ),
    RefusalReason.CERTIFICATE: (
        "The certificate of the charge point is for another identity, tenant or operator, or it is revoked: "
        "install one whose common name is the identity."
    ),
    RefusalReason.LIMIT: (
        "Too many logins from this address, or of this identity, have failed within a minute. Look for the "
        "failures before this one, and correct them. The charge point gets in when it tries again."
    ),
    RefusalReason.STORE_UNAVAILABLE: (
        "The database did not answer. The charge point gets in when it tries again."
    ),
}
"""The advice by reason. Each text is for the operator of one tenant."""
