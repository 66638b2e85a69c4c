"""Messages that a charge point sends, and the answers to them."""

from collections.abc import Mapping

from app.migration.rules.draft import SEQUENCE, Draft, Payload, Translator, as_it_is, copied, given
from app.migration.rules.meter_values import meter_values, register

_BOOT_LOSSES = {
    "chargeBoxSerialNumber": "Deprecated in 1.6; it has no counterpart.",
    "meterType": "It is the variable Model of the component FiscalMetering.",
    "meterSerialNumber": "It is the variable SerialNumber of the component FiscalMetering.",
}
_UPDATE_TRIGGERS = {"Sample.Clock": "MeterValueClock", "Trigger": "Trigger"}
_REQUEST_ID = ("request id", "The requestId of the request that began it.")


def _authorize(draft: Draft, payload: Payload) -> None:
    draft.add("Authorize", "request", {"idToken": draft.id_token(payload["idTag"], "/idToken")})


def _boot_notification(draft: Draft, payload: Payload) -> None:
    for name, why in _BOOT_LOSSES.items():
        if name in payload:
            draft.lose(f"/{name}", why)
    draft.need(("history", "What preceded the start: an update, a reset or a trigger."))
    station = {
        "model": payload["chargePointModel"],
        "vendorName": payload["chargePointVendor"],
        "serialNumber": payload.get("chargePointSerialNumber"),
        "firmwareVersion": payload.get("firmwareVersion"),
        "modem": copied(payload, "iccid", "imsi") or None,
    }
    reason = draft.invent("/reason", "Unknown", "1.6 does not say why the charge point has started.")
    draft.add("BootNotification", "request", {"chargingStation": given(station), "reason": reason})


def _meter_values(draft: Draft, payload: Payload) -> None:
    transaction = payload.get("transactionId")
    found = meter_values(draft, payload["meterValue"], "/meterValue", "/meterValue")
    if not found:
        draft.refuse("No reading of it has a counterpart, and a message without readings says nothing.")
        return
    if transaction is None:
        draft.add(
            "MeterValues", "request", {"evseId": draft.evse_id(payload["connectorId"]), "meterValue": found}
        )
        return
    context = found[0]["sampledValue"][0].get("context", "Sample.Periodic")
    trigger = _UPDATE_TRIGGERS.get(context, "MeterValuePeriodic")
    draft.invent("/triggerReason", trigger, "From the context of the first reading.")
    draft.invent("/timestamp", found[0]["timestamp"], "The time of the first readings.")
    _transaction_event(
        draft,
        "Updated",
        {
            "timestamp": found[0]["timestamp"],
            "triggerReason": trigger,
            "transactionInfo": {"transactionId": _id_of(draft, transaction)},
            "evse": draft.evse(payload["connectorId"]),
            "meterValue": found,
        },
    )


def _id_of(draft: Draft, number: int) -> str:
    return draft.transaction_id(number, "/transactionInfo/transactionId")


def _transaction_event(draft: Draft, kind: str, payload: Payload) -> None:
    draft.need(SEQUENCE)
    first = kind == "Started"
    why = "The first event of a transaction." if first else "It must count on from the last event."
    number = draft.invent("/seqNo", 0 if first else 1, why)
    draft.add("TransactionEvent", "request", {"eventType": kind, "seqNo": number, **payload})


def _meter_values_response(draft: Draft, payload: Payload) -> None:
    draft.need(
        ("request", "Whether the readings belonged to a transaction: then it answers TransactionEvent.")
    )
    draft.add("MeterValues", "response", payload)


def _start_transaction(draft: Draft, payload: Payload) -> None:
    draft.need(("remote start", "Whether a remote start preceded, and its remoteStartId."))
    trigger = draft.invent("/triggerReason", "Authorized", "RemoteStart if a remote start preceded.")
    draft.need(
        (
            "transaction ids",
            "The lasting map between the integer id of 1.6, which the answer brings, and the text id.",
        )
    )
    identity = draft.invent(
        "/transactionInfo/transactionId",
        "unknown",
        "In 2.0.1 the charging station chooses it; in 1.6 the answer has it.",
    )
    _transaction_event(
        draft,
        "Started",
        {
            "timestamp": payload["timestamp"],
            "triggerReason": trigger,
            "transactionInfo": {"transactionId": identity},
            "evse": draft.evse(payload["connectorId"]),
            "idToken": draft.id_token(payload["idTag"], "/idToken"),
            "reservationId": payload.get("reservationId"),
            "meterValue": [register(payload["meterStart"], payload["timestamp"], "Transaction.Begin")],
        },
    )


def _start_transaction_response(draft: Draft, payload: Payload) -> None:
    draft.lose("/transactionId", "The answer of 2.0.1 has none: the charging station has chosen it.")
    info = draft.id_token_info(payload["idTagInfo"], "/idTokenInfo")
    draft.add("TransactionEvent", "response", {"idTokenInfo": info})


def _stop_transaction(draft: Draft, payload: Payload) -> None:
    reason = payload.get("reason", "Local")
    timestamp = payload["timestamp"]
    id_tag = payload.get("idTag")
    trigger = draft.invent(
        "/triggerReason",
        draft.second_value("Reason", reason) or "AbnormalCondition",
        "From the reason of the end.",
    )
    readings = meter_values(draft, payload.get("transactionData", []), "/transactionData", "/meterValue")
    draft.need(("connector", "The EVSE of the transaction."))
    _transaction_event(
        draft,
        "Ended",
        {
            "timestamp": timestamp,
            "triggerReason": trigger,
            "transactionInfo": {
                "transactionId": _id_of(draft, payload["transactionId"]),
                "stoppedReason": draft.value("Reason", reason) or "Other",
            },
            "idToken": None if id_tag is None else draft.id_token(id_tag, "/idToken"),
            "meterValue": [*readings, register(payload["meterStop"], timestamp, "Transaction.End")],
        },
    )


def _stop_transaction_response(draft: Draft, payload: Payload) -> None:
    info = payload.get("idTagInfo")
    found = None if info is None else draft.id_token_info(info, "/idTokenInfo")
    draft.add("TransactionEvent", "response", {"idTokenInfo": found})


def _status_notification(draft: Draft, payload: Payload) -> None:
    timestamp = payload.get("timestamp")
    if timestamp is None:
        timestamp = draft.moment("/timestamp")
    status = draft.value("ChargePointStatus", payload["status"])
    state = draft.second_value("ChargePointStatus", payload["status"])
    connector = payload["connectorId"]
    if state is not None:
        draft.lose(
            "/status",
            f"{payload['status']}: it is the chargingState {state} of a transaction, not of a connector.",
        )
        draft.need(
            ("transaction", "The running transaction, whose TransactionEvent carries the chargingState.")
        )
    if "vendorId" in payload:
        draft.lose("/vendorId", "It has no counterpart.")
    events = []
    if connector == 0:
        events.append(
            _event(
                draft, 0, timestamp, "ChargingStation", "AvailabilityState", str(status or payload["status"])
            )
        )
    else:
        draft.need(
            ("topology", "Which EVSE a connector belongs to: without a map, evseId is the connectorId.")
        )
        one = draft.invent("/connectorId", 1, "Without a topology map each connector is an EVSE of its own.")
        draft.add(
            "StatusNotification",
            "request",
            {"timestamp": timestamp, "connectorStatus": status, "evseId": connector, "connectorId": one},
        )
    events.extend(_fault(draft, len(events), timestamp, payload))
    if events:
        seq_no = draft.invent("/seqNo", 0, "The first and only part of the notification.")
        draft.add("NotifyEvent", "request", {"generatedAt": timestamp, "seqNo": seq_no, "eventData": events})


def _fault(draft: Draft, place: int, timestamp: str, payload: Payload) -> list[Payload]:
    """Return the event of an error, if there is one."""
    code = payload["errorCode"]
    fault = draft.mapping.faults.get(code, draft.mapping.faults["OtherError"])
    if fault.component is None or fault.variable is None:
        for name in ("info", "vendorErrorCode"):
            if name in payload:
                draft.lose(f"/{name}", "Without an error there is no event that could carry it.")
        draft.need(("earlier errors", "Which faults were reported before: each is cleared by an event."))
        return []
    event = _event(draft, place, timestamp, fault.component, fault.variable, "true")
    tech_code = payload.get("vendorErrorCode")
    if tech_code is None:
        tech_code = code
    elif code != "OtherError":
        draft.lose("/errorCode", f"{code}: the code of the vendor takes the place of it (techCode).")
    evse = draft.evse(payload["connectorId"], f"/eventData/{place}/component/evse")
    if evse is not None:
        event["component"]["evse"] = evse
    return [{**event, **given({"techCode": tech_code, "techInfo": payload.get("info")})}]


def _event(draft: Draft, place: int, timestamp: str, component: str, variable: str, value: str) -> Payload:
    pointer = f"/eventData/{place}"
    return {
        "eventId": draft.invent(f"{pointer}/eventId", place + 1, "1.6 does not number events."),
        "timestamp": timestamp,
        "trigger": draft.invent(f"{pointer}/trigger", "Delta", "A value has changed."),
        "actualValue": value,
        "component": {"name": component},
        "variable": {"name": variable},
        "eventNotificationType": draft.invent(
            f"{pointer}/eventNotificationType", "HardWiredNotification", "No monitor was set for it."
        ),
    }


def _diagnostics_status(draft: Draft, payload: Payload) -> None:
    _status_with_request_id(draft, "LogStatusNotification", "DiagnosticsStatus", payload)


def _firmware_status(draft: Draft, payload: Payload) -> None:
    _status_with_request_id(draft, "FirmwareStatusNotification", "FirmwareStatus", payload)


def _status_with_request_id(draft: Draft, action: str, enumeration: str, payload: Payload) -> None:
    status = draft.value(enumeration, payload["status"])
    request_id = None
    if status != "Idle":
        draft.need(_REQUEST_ID)
        request_id = draft.invent("/requestId", 0, "1.6 has no id of the request.")
    draft.add(action, "request", {"status": status, "requestId": request_id})


def _security_event(draft: Draft, payload: Payload) -> None:
    kind = draft.mapping.security_events.get(payload["type"], payload["type"])
    draft.add("SecurityEventNotification", "request", {**payload, "type": kind})


def _sign_certificate(draft: Draft, payload: Payload) -> None:
    use = draft.invent("/certificateType", "ChargingStationCertificate", "1.6 has only this use.")
    draft.add("SignCertificate", "request", {**payload, "certificateType": use})


def _authorize_response(draft: Draft, payload: Payload) -> None:
    info = draft.id_token_info(payload["idTagInfo"], "/idTokenInfo")
    draft.add("Authorize", "response", {"idTokenInfo": info})


REQUESTS: Mapping[str, Translator] = {
    "Authorize": _authorize,
    "BootNotification": _boot_notification,
    "DataTransfer": as_it_is("DataTransfer", "request"),
    "DiagnosticsStatusNotification": _diagnostics_status,
    "FirmwareStatusNotification": _firmware_status,
    "Heartbeat": as_it_is("Heartbeat", "request"),
    "LogStatusNotification": as_it_is("LogStatusNotification", "request"),
    "MeterValues": _meter_values,
    "SecurityEventNotification": _security_event,
    "SignCertificate": _sign_certificate,
    "SignedFirmwareStatusNotification": as_it_is("FirmwareStatusNotification", "request"),
    "StartTransaction": _start_transaction,
    "StatusNotification": _status_notification,
    "StopTransaction": _stop_transaction,
}
"""The translators of requests, by action of 1.6."""

RESPONSES: Mapping[str, Translator] = {
    "Authorize": _authorize_response,
    "BootNotification": as_it_is("BootNotification", "response"),
    "DataTransfer": as_it_is("DataTransfer", "response"),
    "DiagnosticsStatusNotification": as_it_is("LogStatusNotification", "response"),
    "FirmwareStatusNotification": as_it_is("FirmwareStatusNotification", "response"),
    "Heartbeat": as_it_is("Heartbeat", "response"),
    "LogStatusNotification": as_it_is("LogStatusNotification", "response"),
    "MeterValues": _meter_values_response,
    "SecurityEventNotification": as_it_is("SecurityEventNotification", "response"),
    "SignCertificate": as_it_is("SignCertificate", "response"),
    "SignedFirmwareStatusNotification": as_it_is("FirmwareStatusNotification", "response"),
    "StartTransaction": _start_transaction_response,
    "StatusNotification": as_it_is("StatusNotification", "response"),
    "StopTransaction": _stop_transaction_response,
}
"""The translators of the answers to them."""
