"""One example for each resource, as its OpenAPI schema shows it; a test checks that each is valid."""

from typing import Any

_AT = "2026-05-04T08:15:30.000Z"
_COMMAND_ID = "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11"
_SAMPLE = {"value": "18250", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}

TENANT = {
    "slug": "demo",
    "name": "Demo operator",
    "strict_protocol": False,
    "default_registration": "Accepted",
    "created_at": _AT,
}
API_KEY = {
    "id": "0b7a1e6a-52a5-4f0c-8a53-54bb2f7e8f0d",
    "name": "billing export",
    "prefix": "3f9c2a7d41be",
    "scopes": ["read"],
    "expires_at": "2027-01-01T00:00:00.000Z",
    "revoked_at": None,
    "created_at": _AT,
    "last_used_at": None,
}
CHARGE_POINT = {
    "identity": "RDAM-0123",
    "name": "Car park, level 2",
    "registration_status": "Accepted",
    "no_credential": False,
    "has_credential": True,
    "heartbeat_interval_s": 300,
    "vendor": "Acme",
    "model": "Duo 22",
    "serial_number": "A-2201",
    "box_serial_number": None,
    "firmware_version": "4.1.7",
    "iccid": None,
    "imsi": None,
    "meter_type": None,
    "meter_serial_number": None,
    "connected": True,
    "connected_since": _AT,
    "last_connected_at": _AT,
    "last_seen_at": _AT,
    "booted_at": _AT,
    "clock_skew_s": -0.4,
    "created_at": _AT,
    "updated_at": _AT,
}
CREDENTIAL = {
    "username": "RDAM-0123",
    "password": "<40 hexadecimal digits>",
    "path": "/ocpp/demo/RDAM-0123",
}
CONNECTOR = {
    "connector_id": 1,
    "status": "Charging",
    "error_code": "NoError",
    "info": None,
    "vendor_id": None,
    "vendor_error_code": None,
    "reported_at": _AT,
    "received_at": _AT,
}
CONFIGURATION_KEY = {
    "key": "HeartbeatInterval",
    "value": "300",
    "readonly": False,
    "reported_at": _AT,
}
ID_TAG = {
    "id_tag": "B4A63CDF",
    "status": "Accepted",
    "expires_at": None,
    "parent_id_tag": None,
    "max_active_transactions": 1,
    "note": "Pool car 7",
    "created_at": _AT,
    "updated_at": _AT,
}
TRANSACTION = {
    "id": 1042,
    "charge_point": "RDAM-0123",
    "connector_id": 1,
    "id_tag": "B4A63CDF",
    "started_at": _AT,
    "started_received_at": _AT,
    "meter_start_wh": 18000,
    "reservation_id": None,
    "id_tag_info": {"status": "Accepted"},
    "stopped_at": None,
    "stopped_received_at": None,
    "meter_stop_wh": None,
    "energy_wh": None,
    "stop_reason": None,
    "stop_id_tag": None,
    "stop_id_tag_info": None,
    "flags": [],
    "remote_start_command_id": _COMMAND_ID,
}
METER_VALUE = {
    "connector_id": 1,
    "transaction_id": 1042,
    "sampled_at": _AT,
    "received_at": _AT,
    "context": "periodic",
    "sampled_values": [_SAMPLE],
}
ORPHAN_RECORD = {
    "kind": "stop_unknown_transaction",
    "action": "StopTransaction",
    "payload": {"transactionId": -1, "timestamp": _AT, "meterStop": 18250, "reason": "PowerLoss"},
    "raw": None,
    "received_at": _AT,
    "transaction_id": None,
}
COMMAND = {
    "id": _COMMAND_ID,
    "charge_point": "RDAM-0123",
    "action": "Reset",
    "payload": {"type": "Soft"},
    "state": "queued",
    "created_at": _AT,
    "deadline_at": "2026-05-04T08:16:00.000Z",
    "timeout_s": 30.0,
    "issued_by": "key:3f9c2a7d41be",
    "sent_at": None,
    "finished_at": None,
    "result": None,
    "error": None,
    "late_result": None,
    "effect": None,
}
FRAME = {
    "at": _AT,
    "direction": "in",
    "text": '[2,"19223201","Heartbeat",{}]',
    "deviations": None,
    "connection_id": "c1b7d0ce",
}
CALENDAR = {
    "charging_profile_purpose": "TxDefaultProfile",
    "stack_level": 0,
    "time_zone": "Europe/Brussels",
    "unit": "A",
    "rules": [
        {
            "days": ["Mon", "Tue", "Wed", "Thu", "Fri"],
            "from": "17:00",
            "to": "20:00",
            "limit": 8.0,
            "number_phases": None,
        }
    ],
    "otherwise": 32.0,
    "number_phases": None,
}
CHARGING_PROFILE_WRITE = {"description": "Less in the evening peak", "calendar": CALENDAR}
_WIRE_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "chargingSchedule": {
        "duration": 86400,
        "startSchedule": "2026-05-03T15:00:00.000Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}, {"startPeriod": 10800, "limit": 32.0}],
    },
}
CHARGING_PROFILE = {
    "id": 1,
    "description": "Less in the evening peak",
    "charging_profile": None,
    "calendar": CALENDAR,
    "profiles": [_WIRE_PROFILE],
    "next_clock_change": "2026-10-25T01:00:00.000Z",
    "created_at": _AT,
    "updated_at": _AT,
}
PROFILE_INSTALLATION = {
    "charge_point": "RDAM-0123",
    "connector_id": 1,
    "transaction_id": None,
    "requested_at": _AT,
    "refresh_at": "2026-10-25T01:00:00.000Z",
}
_SET_CHARGING_PROFILE = {
    **COMMAND,
    "action": "SetChargingProfile",
    "payload": {"connectorId": 1, "csChargingProfiles": _WIRE_PROFILE},
}
INSTALLED_PROFILE = {
    "charging_profile_id": 1,
    "connector_id": 1,
    "state": "accepted",
    "waiting": False,
    "profile": _WIRE_PROFILE,
    "reason": None,
    "command_id": _COMMAND_ID,
}
_SOURCE = {
    "kind": "profile",
    "chargingProfileId": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "stackLevel": 0,
    "connectorId": 1,
}
_REPORTED_SCHEDULE = {
    "command_id": _COMMAND_ID,
    "state": "accepted",
    "status": "Accepted",
    "schedule": {
        "duration": 3600,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
    },
}
_SCHEDULE_DEPARTURE = {
    "start": _AT,
    "end": "2026-05-04T09:15:30.000Z",
    "ours": 8.0,
    "reported": 16.0,
    "difference": 8.0,
}
_SCHEDULE_DRIFT = {"agrees": False, "charging_rate_unit": "A", "departures": [_SCHEDULE_DEPARTURE]}
CONNECTOR_SCHEDULE = {
    "charge_point": "RDAM-0123",
    "connector_id": 1,
    "certain": True,
    "ours": {
        "scheduleStart": "2026-05-04T08:15:30Z",
        "duration": 3600,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0, "source": _SOURCE, "beaten": []}],
    },
    "reported": _REPORTED_SCHEDULE,
    "drift": _SCHEDULE_DRIFT,
}

SITE_QUESTION = {
    "nodes": [
        {
            "id": "site",
            "parent": None,
            "limit_a": {"L1": 63, "L2": 63, "L3": 63},
            "margin_a": 2,
            "uncontrolled_a": {"L1": 20.5, "L2": 11, "L3": 14},
        },
        {"id": "feeder-1", "parent": "site", "limit_a": {"L1": 32, "L2": 32, "L3": 32}},
    ],
    "sessions": [
        {"id": "car-1", "node": "feeder-1", "maximum_a": 16, "phase_rotation": "RST"},
        {
            "id": "car-2",
            "node": "feeder-1",
            "maximum_a": 32,
            "phases": ["L1"],
            "phase_rotation": "STR",
            "charging_for_s": 300,
        },
        {"id": "car-3", "node": "site", "maximum_a": 32, "step_a": 1, "phase_rotation": "RST", "weight": 2},
    ],
}


def _loading(
    limit: float | None, margin: float, uncontrolled: float, allocated: float, free: float | None
) -> dict[str, float | None]:
    return {
        "limit": limit,
        "margin": margin,
        "uncontrolled": uncontrolled,
        "reserved": 0.0,
        "allocated": allocated,
        "free": free,
    }


_REASON = {"kind": "node_limit", "node": "site", "quantity": "L2", "session": None, "remaining_s": None}
SITE_DISTRIBUTED = {
    "sessions": [
        {"id": "car-1", "limit_a": 12.5, "reason": _REASON},
        {"id": "car-2", "limit_a": 12.5, "reason": _REASON},
        {"id": "car-3", "limit_a": 25.0, "reason": _REASON},
    ],
    "nodes": [
        {
            "id": "site",
            "L1": _loading(63.0, 2.0, 20.5, 37.5, 3.0),
            "L2": _loading(63.0, 2.0, 11.0, 50.0, 0.0),
            "L3": _loading(63.0, 2.0, 14.0, 37.5, 9.5),
            "power": _loading(None, 0.0, 10465.0, 28750.0, None),
        },
        {
            "id": "feeder-1",
            "L1": _loading(32.0, 0.0, 0.0, 12.5, 19.5),
            "L2": _loading(32.0, 0.0, 0.0, 25.0, 7.0),
            "L3": _loading(32.0, 0.0, 0.0, 12.5, 19.5),
            "power": _loading(None, 0.0, 0.0, 11500.0, None),
        },
    ],
}

RESOURCE_EXAMPLES: dict[str, dict[str, Any]] = {
    "Tenant": TENANT,
    "ApiKey": API_KEY,
    "NewApiKey": {**API_KEY, "token": "sm_3f9c2a7d41be_<48 hexadecimal digits>"},
    "ChargePoint": CHARGE_POINT,
    "Credential": CREDENTIAL,
    "NewChargePoint": {"charge_point": CHARGE_POINT, "credential": CREDENTIAL},
    "Connector": CONNECTOR,
    "Connectors": {"items": [CONNECTOR]},
    "ConfigurationKey": CONFIGURATION_KEY,
    "Configuration": {"items": [CONFIGURATION_KEY]},
    "IdTag": ID_TAG,
    "Transaction": TRANSACTION,
    "MeterValue": METER_VALUE,
    "OrphanRecord": ORPHAN_RECORD,
    "Command": COMMAND,
    "Frame": FRAME,
    "ChargingProfile": CHARGING_PROFILE,
    "ProfileInstallation": PROFILE_INSTALLATION,
    "ProfileCommands": {"commands": [_SET_CHARGING_PROFILE]},
    "InstalledProfile": INSTALLED_PROFILE,
    "ReportedSchedule": _REPORTED_SCHEDULE,
    "ScheduleDeparture": _SCHEDULE_DEPARTURE,
    "ScheduleDrift": _SCHEDULE_DRIFT,
    "ConnectorSchedule": CONNECTOR_SCHEDULE,
    "InstalledProfiles": {"certain": True, "items": [INSTALLED_PROFILE]},
}
PAGED = (
    *("Tenant", "ApiKey", "ChargePoint", "IdTag", "Transaction", "MeterValue", "OrphanRecord", "Command"),
    *("Frame", "ChargingProfile", "ProfileInstallation"),
)
"""Resources that have a listing; its example is a page of one."""
