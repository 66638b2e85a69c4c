"""Answers CALLs of the central system: one function for each action.

A function takes the charge point and the payload and returns the payload of the answer. What follows from it
(a start, a status, a reboot) is planned on the agenda, so that the answer is sent first.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from app.clock import parse_time
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.charging_commands import (
    clear_charging_profile,
    get_composite_schedule,
    set_charging_profile,
)
from app.simulator.connector import HeldReservation
from app.simulator.triggers import extended_trigger_message, trigger_message

Json = dict[str, Any]


class ActionNotSupported(Exception):
    """The action is known, but this charge point cannot do it (OCPP-J 4.2.3)."""


def answer(charge_point: VirtualChargePoint, action: str, payload: Json) -> Json | None:
    """Answer one CALL of the central system; None: it is never answered, which is a bad habit.

    Raises:
        ActionNotSupported: the client answers with the error code NotSupported.
    """
    handler = _HANDLERS.get(action)
    if handler is None:
        raise ActionNotSupported(action)
    is_silent = charge_point.persona.bad_habits.silent_get_configuration
    if is_silent and action == "GetConfiguration" and not payload.get("key"):
        return None
    return handler(charge_point, payload)


def _change_configuration(charge_point: VirtualChargePoint, payload: Json) -> Json:
    key, value = payload["key"], payload["value"]
    if key == "SecurityProfile":
        return {"status": charge_point.security.raise_profile(value)}
    status = charge_point.configuration.change(key, value)
    if key == "AuthorizationKey" and status == "Accepted":
        charge_point.new_credential = value
        charge_point.security_event("ReconfigurationOfSecurityParameters", key)
        charge_point.agenda.after(1.0, charge_point.reconnect)
    return {"status": status}


def _get_configuration(charge_point: VirtualChargePoint, payload: Json) -> Json:
    known, unknown = charge_point.configuration.report(payload.get("key", []))
    return {"configurationKey": known, **({"unknownKey": unknown} if unknown else {})}


def _remote_start(charge_point: VirtualChargePoint, payload: Json) -> Json:
    wanted = payload.get("connectorId")
    candidates = [row for row in charge_point.connectors if wanted in (None, row.connector_id)]
    ask_first = charge_point.configuration.flag("AuthorizeRemoteTxRequests")
    for connector in candidates:
        if connector.remote_start(payload["idTag"], ask_first=ask_first):
            if "chargingProfile" in payload:
                charge_point.profiles.install(connector.connector_id, payload["chargingProfile"])
            return _accepted()
    return _rejected()


def _remote_stop(charge_point: VirtualChargePoint, payload: Json) -> Json:
    for connector in charge_point.connectors:
        transaction = connector.transaction
        if transaction is not None and transaction.transaction_id == payload["transactionId"]:
            charge_point.agenda.after(1.0, partial(connector.stop, "Remote", only=transaction))
            return _accepted()
    return _rejected()


def _change_availability(charge_point: VirtualChargePoint, payload: Json) -> Json:
    connector_id, operative = payload["connectorId"], payload["type"] == "Operative"
    connector = charge_point.connector(connector_id)
    if connector_id != 0 and connector is None:
        return _rejected()
    affected = charge_point.connectors if connector is None else [connector]
    at_once = [row.change_availability(operative) for row in affected]
    return {"status": "Accepted" if all(at_once) else "Scheduled"}


def _reset(charge_point: VirtualChargePoint, payload: Json) -> Json:
    reason = "SoftReset" if payload["type"] == "Soft" else "HardReset"
    if payload["type"] == "Soft":
        # A soft reset ends transactions while it is connected; a hard one reports them afterwards (5.14).
        for connector in charge_point.connectors:
            charge_point.agenda.after(1.0, partial(connector.stop, reason))
    charge_point.agenda.after(5.0, lambda: charge_point.reboot(reason))
    return _accepted()


def _unlock_connector(charge_point: VirtualChargePoint, payload: Json) -> Json:
    connector = charge_point.connector(payload["connectorId"])
    if connector is None:
        return {"status": "NotSupported"}
    charge_point.agenda.after(1.0, lambda: connector.stop("UnlockCommand"))
    return {"status": "Unlocked"}


def _reserve_now(charge_point: VirtualChargePoint, payload: Json) -> Json:
    # Connector 0 is rejected: ReserveConnectorZeroSupported is false.
    connector = charge_point.connector(payload["connectorId"])
    if connector is None:
        return _rejected()
    reservation_id, expiry = payload["reservationId"], parse_time(payload["expiryDate"])
    if expiry is None or charge_point.seconds_until(expiry) <= 0.0:
        return _rejected()
    for other in charge_point.connectors:
        # A reservation with the same number is replaced, also on another connector (5.13).
        if other is not connector:
            other.release(reservation_id)
    held = HeldReservation(reservation_id, payload["idTag"], payload.get("parentIdTag"), expiry)
    status = connector.reserve(held)
    if status == "Accepted":
        charge_point.agenda.after(charge_point.seconds_until(expiry), lambda: connector.expire(held))
    return {"status": status}


def _cancel_reservation(charge_point: VirtualChargePoint, payload: Json) -> Json:
    released = [row.release(payload["reservationId"]) for row in charge_point.connectors]
    return _accepted() if any(released) else _rejected()


def _send_local_list(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return {"status": charge_point.local_list.send(payload)}


def _get_local_list_version(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return {"listVersion": charge_point.local_list.reported_version()}


def _data_transfer(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return {"status": "UnknownVendorId"}


def _clear_cache(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return _accepted()


def _accepted() -> Json:
    return {"status": "Accepted"}


def _rejected() -> Json:
    return {"status": "Rejected"}


def _update_firmware(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.firmware.update(payload)


def _signed_update_firmware(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.firmware.signed_update(payload)


def _get_diagnostics(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.diagnostics.get_diagnostics(payload)


def _get_log(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.diagnostics.get_log(payload)


def _install_certificate(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.certificates.install(payload)


def _delete_certificate(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.certificates.delete(payload)


def _get_installed_certificate_ids(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.certificates.installed_ids(payload)


def _certificate_signed(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return charge_point.certificates.signed(payload)


_HANDLERS: dict[str, Callable[[VirtualChargePoint, Json], Json]] = {
    "CancelReservation": _cancel_reservation,
    "CertificateSigned": _certificate_signed,
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _clear_cache,
    "ClearChargingProfile": clear_charging_profile,
    "DataTransfer": _data_transfer,
    "DeleteCertificate": _delete_certificate,
    "ExtendedTriggerMessage": extended_trigger_message,
    "GetCompositeSchedule": get_composite_schedule,
    "GetConfiguration": _get_configuration,
    "GetDiagnostics": _get_diagnostics,
    "GetInstalledCertificateIds": _get_installed_certificate_ids,
    "GetLocalListVersion": _get_local_list_version,
    "GetLog": _get_log,
    "InstallCertificate": _install_certificate,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "ReserveNow": _reserve_now,
    "Reset": _reset,
    "SendLocalList": _send_local_list,
    "SetChargingProfile": set_charging_profile,
    "SignedUpdateFirmware": _signed_update_firmware,
    "TriggerMessage": trigger_message,
    "UnlockConnector": _unlock_connector,
    "UpdateFirmware": _update_firmware,
}
