"""Answers TriggerMessage (OCPP 1.6 5.17) and ExtendedTriggerMessage (security whitepaper 5.5)."""

from typing import Any

from app.simulator.charge_point import VirtualChargePoint

Json = dict[str, Any]


def trigger_message(charge_point: VirtualChargePoint, payload: Json) -> Json:
    """Answer TriggerMessage, and plan the message."""
    wanted = payload["requestedMessage"]
    match wanted:
        case "FirmwareStatusNotification":
            charge_point.firmware.trigger(signed=False)
        case "DiagnosticsStatusNotification":
            charge_point.diagnostics.trigger(log=False)
        case _:
            return _common(charge_point, wanted, payload.get("connectorId"))
    return {"status": "Accepted"}


def extended_trigger_message(charge_point: VirtualChargePoint, payload: Json) -> Json:
    """Answer ExtendedTriggerMessage, and plan the message."""
    wanted = payload["requestedMessage"]
    match wanted:
        case "FirmwareStatusNotification":
            charge_point.firmware.trigger(signed=True)
        case "LogStatusNotification":
            charge_point.diagnostics.trigger(log=True)
        case "SignChargePointCertificate":
            charge_point.agenda.after(1.0, charge_point.certificates.ask_for_own)
        case _:
            return _common(charge_point, wanted, payload.get("connectorId"))
    return {"status": "Accepted"}


def _common(charge_point: VirtualChargePoint, wanted: str, connector_id: int | None) -> Json:
    own = [row.connector_id for row in charge_point.connectors]
    if connector_id not in (None, 0, *own):
        return {"status": "Rejected"}
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
            if connector_id is None and charge_point.persona.bad_habits.triggers_need_connector:
                return {"status": "Rejected"}
            for number in numbers:
                _send_reading(charge_point, number)
        case _:
            return {"status": "NotImplemented"}
    return {"status": "Accepted"}


def _send_reading(charge_point: VirtualChargePoint, connector_id: int) -> None:
    connector = charge_point.connector(connector_id)
    if connector is None:
        return
    payload = {"connectorId": connector_id, "meterValue": [connector.current_reading()]}
    if connector.transaction is not None:
        charge_point.transaction_message("MeterValues", payload, connector.transaction)
    else:
        charge_point.send("MeterValues", payload)
