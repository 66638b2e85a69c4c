"""The facts of the protocol page, copied by hand from its owner's text: no test reads what it proves."""

from typing import Any

IDENTITY: dict[str, Any] = {
    "slug": "ocpp-16j",
    "name": "OCPP 1.6J",
    "family": "CP2CSMS",
    "status": "Common",
    "released": 2015,
    "version": "1.6J",
    "edition": "JSON edition",
    "parties": ["Charge Point", "CSMS"],
    "tagline": "The most widely deployed charge point management protocol globally.",
    "summary": (
        "JSON-over-WebSocket transport, SOAP optional. "
        "Core and Smart Charging profiles are the primary deployment targets."
    ),
    "tags": ["JSON / WebSocket", "Smart Charging profile", "Remote triggers", "Local auth list"],
}

ADOPTION: dict[str, Any] = {
    "deployments_text": "41,000+ deployments",
    "deployments_at_least": 41000,
    "share_text": "62% of mapped EU DC chargers",
    "share_percent": 62,
    "share_of": "mapped EU DC chargers",
}

CAPABILITIES = [
    ("Remote start / stop", "supported"),
    ("Smart charging (OCPP SC)", "supported"),
    ("Local auth list", "supported"),
    ("Firmware update", "supported"),
    ("Diagnostics upload", "supported"),
    ("Device management", "partial"),
    ("ISO 15118 PnC", "not_supported"),
    ("TLS (mandatory)", "not_supported"),
    ("V2G / bidirectional", "not_supported"),
    ("AFIR-aligned reporting", "not_supported"),
]

MIGRATION_SOURCE = "OCPP 1.6J"
MIGRATION_TARGET = "OCPP 2.0.1"
MIGRATION_TEXT = (
    "OCPP 1.6J remains dominant in legacy CPO fleets. Migration to 2.0.1 accelerates with AFIR-aligned EU "
    "infrastructure requirements. Key drivers: ISO 15118 PnC bridge, Security Profile 3 mandate, and device "
    "management gaps."
)
MIGRATION_DRIVERS = ["ISO 15118 PnC bridge", "Security Profile 3 mandate", "Device management gaps"]

SECURITY = [
    (
        "Transport",
        "WebSocket (ws:// or wss://). TLS optional in spec, increasingly required by CPO policy.",
    ),
    ("Authentication", "Basic Auth header or digest. No mutual TLS in spec."),
    ("Authorization", "RFID UID lookup against local list or CSMS. No certificate-based auth."),
    (
        "Risk profile",
        "No mandatory encryption. MITM risk on ws:// deployments. "
        "Fully addressed in OCPP 2.0.1 Security Profiles.",
    ),
]

MESSAGE_FLOW = [
    (1, "BootNotification", "CP → CSMS", "CP registers with CSMS, sends model/vendor/firmware"),
    (2, "Heartbeat", "CP → CSMS", "Keep-alive ping, CSMS returns server time"),
    (3, "Authorize", "CP → CSMS", "Validate RFID UID against central system"),
    (4, "StartTransaction", "CP → CSMS", "Session start with connector, idTag, meter value"),
    (5, "MeterValues", "CP → CSMS", "Periodic energy / power / SoC readings"),
    (6, "StopTransaction", "CP → CSMS", "Session end with total kWh, reason code"),
    (7, "StatusNotification", "CP → CSMS", "Connector state change (Available → Charging → ...)"),
    (8, "SetChargingProfile", "CSMS → CP", "Apply smart charging schedule to connector"),
    (9, "RemoteStartTransaction", "CSMS → CP", "Operator-initiated session start"),
    (10, "ChangeConfiguration", "CSMS → CP", "Update CP configuration key-value"),
]

DEPLOYMENTS_NOTE = "illustrative · not an endorsement"
DEPLOYMENTS = [
    ("ChargePoint (US / EU)", "Fleet backbone, ~12,000 managed units"),
    ("ENGIE E-Mobility", "Public AC/DC network across FR / BE / NL"),
    ("EVBox Troniq 100", "DC fast charging with Smart Charging profile"),
    ("Blue Corner Belgium", "Semi-public and workplace fleet"),
]

API_LINKS = [("GET", "/v1/protocols/ocpp-16j"), ("GET", "/v1/protocols/ocpp-16j/messages")]
