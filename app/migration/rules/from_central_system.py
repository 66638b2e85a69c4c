"""Messages that a central system sends, and the answers to them."""

from collections.abc import Mapping

from app.migration.records import VariableTarget
from app.migration.rules.draft import Draft, Payload, Translator, as_it_is, copied, given
from app.migration.rules.profiles import charging_profile, composite_schedule

_VENDOR_COMPONENT = "Controller"
_REQUEST_ID = "1.6 has no id of the request."
_KEYS = ("component", "Which component a key of a vendor belongs to.")


def _change_availability(draft: Draft, payload: Payload) -> None:
    draft.add(
        "ChangeAvailability",
        "request",
        {"evse": draft.evse(payload["connectorId"]), "operationalStatus": payload["type"]},
    )


def _targets(draft: Draft, key: str, pointer: str) -> list[VariableTarget]:
    """Return the variables of a key. A key of a vendor becomes a variable of the same name."""
    folded = {name.casefold(): found for name, found in draft.mapping.configuration_keys.items()}
    found = folded.get(key.casefold())
    if found is None:
        draft.need(_KEYS)
        draft.invent(pointer, _VENDOR_COMPONENT, f"The key {key} is not one of the standard.")
        return [VariableTarget(component=_VENDOR_COMPONENT, variable=key)]
    targets = [target for target in found.to if target.attribute == "Actual"]
    if not targets:
        draft.lose("/key", f"{key}: {found.note or 'a limit, which only a report has (GetReport).'}")
    return targets


def _named(target: VariableTarget) -> Payload:
    variable = given({"name": target.variable, "instance": target.instance})
    return {"component": {"name": target.component}, "variable": variable}


def _change_configuration(draft: Draft, payload: Payload) -> None:
    targets = _targets(draft, payload["key"], "/setVariableData/0/component/name")
    if not targets:
        draft.refuse(f"The key {payload['key']} has no variable that can be set.")
        return
    values = [{"attributeValue": payload["value"], **_named(target)} for target in targets]
    draft.add("SetVariables", "request", {"setVariableData": values})


def _change_configuration_response(draft: Draft, payload: Payload) -> None:
    draft.need(("request", "The key that was set: the answer names its variable."))
    draft.add(
        "SetVariables",
        "response",
        {
            "setVariableResult": [
                {
                    "attributeStatus": draft.value("ConfigurationStatus", payload["status"]),
                    "component": {"name": _unknown(draft, "/setVariableResult/0/component/name")},
                    "variable": {"name": _unknown(draft, "/setVariableResult/0/variable/name")},
                }
            ]
        },
    )


def _unknown(draft: Draft, pointer: str) -> str:
    name: str = draft.invent(pointer, "unknown", "The answer of 1.6 does not name the key.")
    return name


def _get_configuration(draft: Draft, payload: Payload) -> None:
    variables: list[Payload] = []
    keys = payload.get("key", [])
    for key in keys:
        pointer = f"/getVariableData/{len(variables)}/component/name"
        variables.extend(_named(target) for target in _targets(draft, key, pointer))
    if variables:
        draft.add("GetVariables", "request", {"getVariableData": variables})
    elif keys:
        draft.refuse("None of the keys has a variable that can be read.")
    else:
        draft.need(("report", "The parts of the report (NotifyReport), which arrive later."))
        number = draft.invent("/requestId", 0, _REQUEST_ID)
        draft.add("GetBaseReport", "request", {"requestId": number, "reportBase": "ConfigurationInventory"})


def _get_configuration_response(draft: Draft, payload: Payload) -> None:
    draft.need(
        ("request", "Whether it named keys: otherwise the answer is a report, in messages of its own.")
    )
    results: list[Payload] = []
    for place, entry in enumerate(payload.get("configurationKey", [])):
        draft.lose(f"/configurationKey/{place}/readonly", "Only a report has the mutability.")
        pointer = f"/getVariableResult/{len(results)}/component/name"
        for target in _targets(draft, entry["key"], pointer):
            value = given({"attributeStatus": "Accepted", "attributeValue": entry.get("value")})
            results.append({**value, **_named(target)})
    for key in payload.get("unknownKey", []):
        pointer = f"/getVariableResult/{len(results)}/component/name"
        targets = _targets(draft, key, pointer)
        results.extend({"attributeStatus": "UnknownVariable", **_named(target)} for target in targets)
    if results:
        draft.add("GetVariables", "response", {"getVariableResult": results})
    else:
        draft.refuse("No key of it has a variable that can be read.")


def _remote_start(draft: Draft, payload: Payload) -> None:
    profile = payload.get("chargingProfile")
    connector = payload.get("connectorId")
    draft.add(
        "RequestStartTransaction",
        "request",
        {
            "evseId": None if connector is None else draft.evse_id(connector),
            "idToken": draft.id_token(payload["idTag"], "/idToken", "Central"),
            "remoteStartId": draft.invent("/remoteStartId", 0, "1.6 has no id of a remote start."),
            "chargingProfile": None
            if profile is None
            else charging_profile(draft, profile, "/chargingProfile", "/chargingProfile"),
        },
    )


def _remote_stop(draft: Draft, payload: Payload) -> None:
    identity = draft.transaction_id(payload["transactionId"], "/transactionId")
    draft.add("RequestStopTransaction", "request", {"transactionId": identity})


def _reset(draft: Draft, payload: Payload) -> None:
    if payload["type"] == "Soft":
        draft.lose("/type", "Soft: 2.0.1 has one kind of reset that ends transactions.")
    draft.add("Reset", "request", {"type": draft.value("ResetType", payload["type"])})


def _unlock_connector(draft: Draft, payload: Payload) -> None:
    evse = draft.evse_id(payload["connectorId"])
    one = draft.invent("/connectorId", 1, "Without a topology map each connector is an EVSE of its own.")
    draft.add("UnlockConnector", "request", {"evseId": evse, "connectorId": one})


def _get_diagnostics(draft: Draft, payload: Payload) -> None:
    log = {
        "remoteLocation": payload["location"],
        "oldestTimestamp": payload.get("startTime"),
        "latestTimestamp": payload.get("stopTime"),
    }
    draft.add(
        "GetLog",
        "request",
        {
            "logType": "DiagnosticsLog",
            "requestId": draft.invent("/requestId", 0, _REQUEST_ID),
            **copied(payload, "retries", "retryInterval"),
            "log": given(log),
        },
    )


def _get_diagnostics_response(draft: Draft, payload: Payload) -> None:
    name = payload.get("fileName")
    status = "Rejected" if name is None else "Accepted"
    draft.invent("/status", status, "1.6 has none: without a file name nothing is uploaded.")
    draft.add("GetLog", "response", {"status": status, "filename": name})


def _update_firmware(draft: Draft, payload: Payload) -> None:
    firmware = {"location": payload["location"], "retrieveDateTime": payload["retrieveDate"]}
    draft.add(
        "UpdateFirmware",
        "request",
        {
            "requestId": draft.invent("/requestId", 0, _REQUEST_ID),
            **copied(payload, "retries", "retryInterval"),
            "firmware": firmware,
        },
    )


def _update_firmware_response(draft: Draft, payload: Payload) -> None:
    status = draft.invent("/status", "Accepted", "The answer of 1.6 has no status.")
    draft.add("UpdateFirmware", "response", {"status": status})


def _local_list_version_response(draft: Draft, payload: Payload) -> None:
    version = payload["listVersion"]
    if version < 0:
        draft.lose("/listVersion", "-1: that no list is supported. 0 is an empty list.")
    draft.add("GetLocalListVersion", "response", {"versionNumber": max(version, 0)})


def _send_local_list(draft: Draft, payload: Payload) -> None:
    entries = []
    for place, entry in enumerate(payload.get("localAuthorizationList", [])):
        pointer, info = f"/localAuthorizationList/{place}", entry.get("idTagInfo")
        token = draft.id_token(entry["idTag"], f"{pointer}/idToken")
        status = None if info is None else draft.id_token_info(info, f"{pointer}/idTokenInfo")
        entries.append(given({"idToken": token, "idTokenInfo": status}))
    draft.add(
        "SendLocalList",
        "request",
        {
            "versionNumber": payload["listVersion"],
            "updateType": payload["updateType"],
            "localAuthorizationList": entries or None,
        },
    )


def _send_local_list_response(draft: Draft, payload: Payload) -> None:
    status = draft.value("UpdateStatus", payload["status"], "/status")
    if status is None:
        status = draft.invent("/status", "Failed", "The nearest answer.")
    draft.add("SendLocalList", "response", {"status": status})


def _trigger(enumeration: str) -> Translator:
    def translate(draft: Draft, payload: Payload) -> None:
        wanted = draft.value(enumeration, payload["requestedMessage"])
        evse = draft.evse(payload.get("connectorId"))
        draft.add("TriggerMessage", "request", {"requestedMessage": wanted, "evse": evse})

    return translate


def _reserve_now(draft: Draft, payload: Payload) -> None:
    parent = payload.get("parentIdTag")
    draft.add(
        "ReserveNow",
        "request",
        {
            "id": payload["reservationId"],
            "expiryDateTime": payload["expiryDate"],
            "idToken": draft.id_token(payload["idTag"], "/idToken"),
            "evseId": draft.evse_id(payload["connectorId"]) or None,
            "groupIdToken": None if parent is None else draft.id_token(parent, "/groupIdToken"),
        },
    )


def _clear_charging_profile(draft: Draft, payload: Payload) -> None:
    connector, purpose = payload.get("connectorId"), payload.get("chargingProfilePurpose")
    criteria = given(
        {
            "evseId": None if connector is None else draft.evse_id(connector),
            "chargingProfilePurpose": None
            if purpose is None
            else draft.value("ChargingProfilePurposeType", purpose),
            "stackLevel": payload.get("stackLevel"),
        }
    )
    draft.add(
        "ClearChargingProfile",
        "request",
        {"chargingProfileId": payload.get("id"), "chargingProfileCriteria": criteria or None},
    )


def _get_composite_schedule(draft: Draft, payload: Payload) -> None:
    evse = draft.evse_id(payload["connectorId"])
    draft.add(
        "GetCompositeSchedule",
        "request",
        {"evseId": evse, **copied(payload, "duration", "chargingRateUnit")},
    )


def _get_composite_schedule_response(draft: Draft, payload: Payload) -> None:
    schedule = composite_schedule(draft, payload)
    draft.add("GetCompositeSchedule", "response", {"status": payload["status"], "schedule": schedule})


def _set_charging_profile(draft: Draft, payload: Payload) -> None:
    profile = charging_profile(
        draft, payload["csChargingProfiles"], "/csChargingProfiles", "/chargingProfile"
    )
    evse = draft.evse_id(payload["connectorId"])
    draft.add("SetChargingProfile", "request", {"evseId": evse, "chargingProfile": profile})


def _certificate_signed(draft: Draft, payload: Payload) -> None:
    use = draft.invent("/certificateType", "ChargingStationCertificate", "1.6 has only this use.")
    draft.add("CertificateSigned", "request", {**payload, "certificateType": use})


def _install_certificate(draft: Draft, payload: Payload) -> None:
    use = draft.value("CertificateUseEnumType", payload["certificateType"])
    draft.add("InstallCertificate", "request", {**payload, "certificateType": use})


def _get_installed_certificates(draft: Draft, payload: Payload) -> None:
    use = draft.value("CertificateUseEnumType", payload["certificateType"])
    draft.add("GetInstalledCertificateIds", "request", {"certificateType": [use]})


def _get_installed_certificates_response(draft: Draft, payload: Payload) -> None:
    chains = []
    for place, data in enumerate(payload.get("certificateHashData", [])):
        draft.need(("request", "The type of certificate that was asked for."))
        pointer = f"/certificateHashDataChain/{place}/certificateType"
        use = draft.invent(pointer, "CSMSRootCertificate", "The answer of 1.6 does not say it.")
        chains.append({"certificateHashData": data, "certificateType": use})
    draft.add(
        "GetInstalledCertificateIds",
        "response",
        {"status": payload["status"], "certificateHashDataChain": chains or None},
    )


def _with_status(action: str, enumeration: str) -> Translator:
    """Return the translator of an answer that has only a status."""

    def translate(draft: Draft, payload: Payload) -> None:
        draft.add(action, "response", {"status": draft.value(enumeration, payload["status"])})

    return translate


REQUESTS: Mapping[str, Translator] = {
    "CancelReservation": as_it_is("CancelReservation", "request"),
    "CertificateSigned": _certificate_signed,
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": as_it_is("ClearCache", "request"),
    "ClearChargingProfile": _clear_charging_profile,
    "DeleteCertificate": as_it_is("DeleteCertificate", "request"),
    "ExtendedTriggerMessage": _trigger("MessageTriggerEnumType"),
    "GetCompositeSchedule": _get_composite_schedule,
    "GetConfiguration": _get_configuration,
    "GetDiagnostics": _get_diagnostics,
    "GetInstalledCertificateIds": _get_installed_certificates,
    "GetLocalListVersion": as_it_is("GetLocalListVersion", "request"),
    "GetLog": as_it_is("GetLog", "request"),
    "InstallCertificate": _install_certificate,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "ReserveNow": _reserve_now,
    "Reset": _reset,
    "SendLocalList": _send_local_list,
    "SetChargingProfile": _set_charging_profile,
    "SignedUpdateFirmware": as_it_is("UpdateFirmware", "request"),
    "TriggerMessage": _trigger("MessageTrigger"),
    "UnlockConnector": _unlock_connector,
    "UpdateFirmware": _update_firmware,
}
"""The translators of requests, by action of 1.6."""

RESPONSES: Mapping[str, Translator] = {
    "CancelReservation": as_it_is("CancelReservation", "response"),
    "CertificateSigned": as_it_is("CertificateSigned", "response"),
    "ChangeAvailability": as_it_is("ChangeAvailability", "response"),
    "ChangeConfiguration": _change_configuration_response,
    "ClearCache": as_it_is("ClearCache", "response"),
    "ClearChargingProfile": as_it_is("ClearChargingProfile", "response"),
    "DeleteCertificate": as_it_is("DeleteCertificate", "response"),
    "ExtendedTriggerMessage": as_it_is("TriggerMessage", "response"),
    "GetCompositeSchedule": _get_composite_schedule_response,
    "GetConfiguration": _get_configuration_response,
    "GetDiagnostics": _get_diagnostics_response,
    "GetInstalledCertificateIds": _get_installed_certificates_response,
    "GetLocalListVersion": _local_list_version_response,
    "GetLog": as_it_is("GetLog", "response"),
    "InstallCertificate": as_it_is("InstallCertificate", "response"),
    "RemoteStartTransaction": as_it_is("RequestStartTransaction", "response"),
    "RemoteStopTransaction": as_it_is("RequestStopTransaction", "response"),
    "ReserveNow": as_it_is("ReserveNow", "response"),
    "Reset": as_it_is("Reset", "response"),
    "SendLocalList": _send_local_list_response,
    "SetChargingProfile": _with_status("SetChargingProfile", "ChargingProfileStatus"),
    "SignedUpdateFirmware": as_it_is("UpdateFirmware", "response"),
    "TriggerMessage": as_it_is("TriggerMessage", "response"),
    "UnlockConnector": _with_status("UnlockConnector", "UnlockStatus"),
    "UpdateFirmware": _update_firmware_response,
}
"""The translators of the answers to them."""
