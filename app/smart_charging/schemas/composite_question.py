"""The body of the dry run of a composite schedule, as OpenAPI describes it, and what it is answered.

The core reads and judges the body, and writes the answer.
"""

from typing import Any

_MOMENT = {"type": "string", "format": "date-time"}
_RATE = {"type": "number", "minimum": 0, "maximum": 1_000_000_000}
_MOST_CONNECTORS = 100


def _may_be_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    shape = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**shape, "required": required} if required else shape


SCHEMA: dict[str, Any] = _object(
    ["installed", "connectorId", "scheduleStart", "duration"],
    installed={
        "type": "array",
        "maxItems": 2_000,
        "description": "Accepted requests of SetChargingProfile, the earliest first.",
        "items": {"$ref": "#/components/schemas/ocpp16_SetChargingProfileRequest"},
    },
    transactions=_may_be_null(
        {
            "type": "array",
            "description": "Transactions that run, one for a connector at most.",
            "items": _object(
                ["connectorId", "startTimestamp"],
                connectorId={"type": "integer", "minimum": 1, "maximum": _MOST_CONNECTORS},
                transactionId=_may_be_null({"type": "integer"}),
                startTimestamp=_MOMENT,
            ),
        }
    ),
    connectorId={
        "type": "integer",
        "minimum": 0,
        "maximum": _MOST_CONNECTORS,
        "description": "Connector, or 0 for what the charge point as a whole may draw.",
    },
    scheduleStart=_MOMENT,
    duration={
        "type": "integer",
        "minimum": 0,
        "maximum": 31_622_400,
        "description": "Seconds; 0 asks for the one instant of the start.",
    },
    chargingRateUnit=_may_be_null(
        {"type": "string", "enum": ["A", "W"], "description": "A when left out; W with direct current."}
    ),
    assumeTransaction=_may_be_null(
        {
            "type": "boolean",
            "description": "Where none runs, take a transaction that starts at scheduleStart. Else a "
            "connector without one is limited by the charge point's cap alone.",
        }
    ),
    hardwareMax=_may_be_null(
        {
            **_object([], A=_may_be_null(_RATE), W=_may_be_null(_RATE)),
            "minProperties": 1,
            "description": "Greatest rate of each connector: what holds where no profile is in force.",
        }
    ),
    currentType=_may_be_null(
        {"type": "string", "enum": ["AC", "DC"], "description": "With DC, A and W are not converted."}
    ),
    nominalVoltage=_may_be_null(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000,
            "description": "Volts between line and neutral; 230 when left out.",
        }
    ),
    numberOfConnectors=_may_be_null(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST_CONNECTORS,
            "description": "The highest connector named elsewhere, when left out.",
        }
    ),
    options=_may_be_null(
        _object(
            [],
            strictTxOverride=_may_be_null(
                {
                    "type": "boolean",
                    "description": "No TxDefaultProfile counts while the transaction has a TxProfile, even "
                    "where that has nothing in force.",
                }
            ),
            recurringBeforeAnchor=_may_be_null(
                {
                    "type": "boolean",
                    "description": "A recurring schedule also holds before its first startSchedule.",
                }
            ),
        )
    ),
)

EXAMPLE: dict[str, Any] = {
    "installed": [
        {
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "startSchedule": "2026-01-01T00:00:00Z",
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 20}],
                },
            },
        },
        {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 2,
                "transactionId": 501,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": 32},
                        {"startPeriod": 1800, "limit": 8.5},
                    ],
                },
            },
        },
    ],
    "transactions": [{"connectorId": 1, "transactionId": 501, "startTimestamp": "2026-03-02T10:00:00Z"}],
    "connectorId": 1,
    "scheduleStart": "2026-03-02T10:05:00Z",
    "duration": 3600,
    "chargingRateUnit": "A",
    "hardwareMax": {"A": 32},
}

_CAP = {
    "kind": "profile",
    "chargingProfileId": 1,
    "chargingProfilePurpose": "ChargePointMaxProfile",
    "stackLevel": 0,
    "connectorId": 0,
}
_OWN = {**_CAP, "chargingProfileId": 2, "chargingProfilePurpose": "TxProfile", "connectorId": 1}
ANSWER: dict[str, Any] = {
    "scheduleStart": "2026-03-02T10:05:00Z",
    "duration": 3600,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [
        {
            "startPeriod": 0,
            "limit": 20,
            "source": _CAP,
            "beaten": [{**_OWN, "limit": 32, "reason": "higher_limit"}],
        },
        {
            "startPeriod": 1500,
            "limit": 8.5,
            "source": _OWN,
            "beaten": [{**_CAP, "limit": 20, "reason": "higher_limit"}],
        },
    ],
}
