"""Answers CALLs of the central system: one function for each action.

A function takes the charge point and the payload and returns the payload of the answer. What follows from it
(a start, a status, a reboot) is planned on the agenda, so that the answer is sent first.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from app.clock import parse_time, utc_text
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.connector import VirtualConnector

Json = dict[str, Any]


class ActionNotSupported(Exception):
    """The action is known, but this charge point cannot do it (OCPP-J 4.2.3)."""


def answer(charge_point: VirtualChargePoint, action: str, payload: Json) -> Json:
    """Answer one CALL of the central system.

    Raises:
        ActionNotSupported: the client answers with the error code NotSupported.
    """
    handler = _HANDLERS.get(action)
    if handler is None:
        raise ActionNotSupported(action)
    return handler(charge_point, payload)


def _change_configuration(charge_point: VirtualChargePoint, payload: Json) -> Json:
    status = charge_point.configuration.change(payload["key"], payload["value"])
    if payload["key"] == "AuthorizationKey" and status == "Accepted":
        charge_point.new_credential = payload["value"]
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


def _set_charging_profile(charge_point: VirtualChargePoint, payload: Json) -> Json:
    connector_id, profile = payload["connectorId"], payload["csChargingProfiles"]
    if not _profile_fits(charge_point, connector_id, profile):
        return _rejected()
    _settle(charge_point)
    charge_point.profiles.install(connector_id, profile)
    _settle(charge_point)
    return _accepted()


def _profile_fits(charge_point: VirtualChargePoint, connector_id: int, profile: Json) -> bool:
    configuration = charge_point.configuration
    connector = charge_point.connector(connector_id)
    if connector_id != 0 and connector is None:
        return False
    if profile["stackLevel"] > configuration.integer("ChargeProfileMaxStackLevel"):
        return False
    periods = profile["chargingSchedule"]["chargingSchedulePeriod"]
    if len(periods) > configuration.integer("ChargingScheduleMaxPeriods"):
        return False
    if len(charge_point.profiles) >= configuration.integer("MaxChargingProfilesInstalled"):
        return False
    match profile["chargingProfilePurpose"]:
        case "ChargePointMaxProfile":
            return connector_id == 0
        case "TxProfile":
            running = connector.transaction if connector is not None else None
            return running is not None and profile.get("transactionId") in (None, running.transaction_id)
        case _:
            return True


def _clear_charging_profile(charge_point: VirtualChargePoint, payload: Json) -> Json:
    _settle(charge_point)
    removed = charge_point.profiles.clear(payload)
    _settle(charge_point)
    return {"status": "Accepted" if removed else "Unknown"}


def _get_composite_schedule(charge_point: VirtualChargePoint, payload: Json) -> Json:
    connector_id, duration_s = payload["connectorId"], payload["duration"]
    connector = charge_point.connector(connector_id)
    if connector_id != 0 and connector is None:
        return _rejected()
    # In whole seconds: otherwise a change within a second would be computed before it happens.
    now = charge_point.agenda.time().replace(microsecond=0)
    wanted = charge_point.connectors if connector is None else [connector]
    started = {row.connector_id: _started(charge_point, row) for row in wanted}
    rows = charge_point.profiles.composite(started, now, duration_s, charge_point.persona.power_w)
    unit = payload.get("chargingRateUnit", "W")
    divisor = 1.0 if unit == "W" else 230.0 * charge_point.persona.phases
    periods = [{"startPeriod": start_s, "limit": round(limit_w / divisor, 1)} for start_s, limit_w in rows]
    start = utc_text(now)
    schedule = {
        "duration": duration_s,
        "startSchedule": start,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return {
        "status": "Accepted",
        "connectorId": connector_id,
        "scheduleStart": start,
        "chargingSchedule": schedule,
    }


def _started(charge_point: VirtualChargePoint, connector: VirtualConnector) -> datetime | None:
    running = connector.transaction
    return None if running is None else charge_point.agenda.time(running.started_s).replace(microsecond=0)


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


def _trigger_message(charge_point: VirtualChargePoint, payload: Json) -> Json:
    wanted, connector_id = payload["requestedMessage"], payload.get("connectorId")
    own = [row.connector_id for row in charge_point.connectors]
    if connector_id not in (None, 0, *own):
        return _rejected()
    # Without a number all of them are meant, and 0 is the charge point itself (5.17).
    numbers = [0, *own] if connector_id is None else [connector_id]
    match wanted:
        case "BootNotification":
            charge_point.boot()
        case "Heartbeat":
            charge_point.send("Heartbeat", {})
        case "StatusNotification":
            for number in numbers:
                charge_point.send_status(number)
        case "MeterValues":
            for number in numbers:
                _send_reading(charge_point, number)
        case "FirmwareStatusNotification":
            charge_point.send(wanted, {"status": charge_point.firmware_status})
        case "DiagnosticsStatusNotification":
            charge_point.send(wanted, {"status": charge_point.diagnostics_status})
        case _:
            return {"status": "NotImplemented"}
    return _accepted()


def _send_reading(charge_point: VirtualChargePoint, connector_id: int) -> None:
    connector = charge_point.connector(connector_id)
    if connector is None:
        return
    payload = {"connectorId": connector_id, "meterValue": [connector.current_reading()]}
    if connector.transaction is not None:
        charge_point.transaction_message("MeterValues", payload, connector.transaction)
    else:
        charge_point.send("MeterValues", payload)


def _reserve_now(charge_point: VirtualChargePoint, payload: Json) -> Json:
    connector = charge_point.connector(payload["connectorId"])
    if connector is None:
        return _rejected()
    reservation_id, expiry = payload["reservationId"], parse_time(payload["expiryDate"])
    status = connector.reserve(reservation_id, payload["idTag"])
    if status == "Accepted" and expiry is not None:
        delay_s = (expiry - charge_point.agenda.time()).total_seconds()
        charge_point.agenda.after(delay_s, lambda: connector.release(reservation_id))
    return {"status": status}


def _cancel_reservation(charge_point: VirtualChargePoint, payload: Json) -> Json:
    released = [row.release(payload["reservationId"]) for row in charge_point.connectors]
    return _accepted() if any(released) else _rejected()


def _send_local_list(charge_point: VirtualChargePoint, payload: Json) -> Json:
    if not charge_point.configuration.flag("LocalAuthListEnabled"):
        return {"status": "NotSupported"}
    entries = payload.get("localAuthorizationList", [])
    if payload["updateType"] == "Full":
        charge_point.local_list.clear()
    elif payload["listVersion"] <= charge_point.local_list_version:
        return {"status": "VersionMismatch"}
    for entry in entries:
        if "idTagInfo" in entry:
            charge_point.local_list[entry["idTag"].lower()] = entry["idTagInfo"]["status"]
        else:
            charge_point.local_list.pop(entry["idTag"].lower(), None)
    charge_point.local_list_version = payload["listVersion"]
    return _accepted()


def _get_local_list_version(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return {"listVersion": charge_point.local_list_version}


def _get_diagnostics(charge_point: VirtualChargePoint, payload: Json) -> Json:
    _report_steps(charge_point, "DiagnosticsStatusNotification", ("Uploading", "Uploaded", "Idle"))
    return {"fileName": f"{charge_point.persona.identity}-diagnostics.log"}


def _update_firmware(charge_point: VirtualChargePoint, payload: Json) -> Json:
    steps = ("Downloading", "Downloaded", "Installing", "Installed", "Idle")
    _report_steps(charge_point, "FirmwareStatusNotification", steps)
    return {}


def _report_steps(charge_point: VirtualChargePoint, action: str, steps: tuple[str, ...]) -> None:
    def enter(status: str) -> None:
        if action == "FirmwareStatusNotification":
            charge_point.firmware_status = status
        else:
            charge_point.diagnostics_status = status
        if charge_point.online and status != "Idle":
            charge_point.send(action, {"status": status})

    for number, status in enumerate(steps, start=1):
        charge_point.agenda.after(10.0 * number, partial(enter, status))


def _data_transfer(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return {"status": "UnknownVendorId"}


def _clear_cache(charge_point: VirtualChargePoint, payload: Json) -> Json:
    return _accepted()


def _settle(charge_point: VirtualChargePoint) -> None:
    for connector in charge_point.connectors:
        connector.settle()


def _accepted() -> Json:
    return {"status": "Accepted"}


def _rejected() -> Json:
    return {"status": "Rejected"}


_HANDLERS: dict[str, Callable[[VirtualChargePoint, Json], Json]] = {
    "CancelReservation": _cancel_reservation,
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _clear_cache,
    "ClearChargingProfile": _clear_charging_profile,
    "DataTransfer": _data_transfer,
    "GetCompositeSchedule": _get_composite_schedule,
    "GetConfiguration": _get_configuration,
    "GetDiagnostics": _get_diagnostics,
    "GetLocalListVersion": _get_local_list_version,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "ReserveNow": _reserve_now,
    "Reset": _reset,
    "SendLocalList": _send_local_list,
    "SetChargingProfile": _set_charging_profile,
    "TriggerMessage": _trigger_message,
    "UnlockConnector": _unlock_connector,
    "UpdateFirmware": _update_firmware,
}
