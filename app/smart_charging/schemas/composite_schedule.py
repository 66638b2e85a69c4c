"""Composite schedules as the API takes and answers them, with the names of OCPP.

The core reads the question, judges it and writes the answer. Here both are described for OpenAPI.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

_MOMENT = {"type": "string", "format": "date-time"}
_RATE = {"type": "number", "minimum": 0, "maximum": 1_000_000_000}
_MOST_CONNECTORS = 100


def _may_be_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    shape = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**shape, "required": required} if required else shape


QUESTION_SCHEMA: dict[str, Any] = _object(
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
            "description": "Running transactions, at most one for each connector.",
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
        "description": "Connector; 0: everything that the charge point draws.",
    },
    scheduleStart=_MOMENT,
    duration={
        "type": "integer",
        "minimum": 0,
        "maximum": 31_622_400,
        "description": "Length in seconds. 0: only the limit at the start.",
    },
    chargingRateUnit=_may_be_null(
        {"type": "string", "enum": ["A", "W"], "description": "Unit of the limits. Default: A; for DC: W."}
    ),
    assumeTransaction=_may_be_null(
        {
            "type": "boolean",
            "description": "If no transaction runs, assume one that starts at scheduleStart. False: a "
            "connector without a transaction is limited only by the ChargePointMaxProfile.",
        }
    ),
    hardwareMax=_may_be_null(
        {
            **_object([], A=_may_be_null(_RATE), W=_may_be_null(_RATE)),
            "minProperties": 1,
            "description": "Highest rate of each connector, as far as it is known. No limit is above it.",
        }
    ),
    currentType=_may_be_null(
        {
            "type": "string",
            "enum": ["AC", "DC"],
            "description": "With DC, limits in A and W are not converted.",
        }
    ),
    nominalVoltage=_may_be_null(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000,
            "description": "Volts between line and neutral. Default: 230.",
        }
    ),
    numberOfConnectors=_may_be_null(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST_CONNECTORS,
            "description": "Number of connectors. Default: the highest connector that the request names.",
        }
    ),
    options=_may_be_null(
        _object(
            [],
            strictTxOverride=_may_be_null(
                {
                    "type": "boolean",
                    "description": "While the transaction has a TxProfile, no TxDefaultProfile counts, even "
                    "where the TxProfile has no period in force.",
                }
            ),
            recurringBeforeAnchor=_may_be_null(
                {
                    "type": "boolean",
                    "description": "True: a recurring schedule also holds before its first startSchedule.",
                }
            ),
        )
    ),
)

ChargingRateUnit = Literal["A", "W"]
Seconds = Annotated[int, Field(ge=0, description="Seconds after `scheduleStart`.")]


class ProfileSource(BaseModel):
    """A charging profile as the source of a limit."""

    kind: Literal["profile"]
    chargingProfileId: int
    chargingProfilePurpose: Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
    stackLevel: int
    connectorId: Annotated[int, Field(description="Connector of the installation; 0: all connectors.")]


class PlainSource(BaseModel):
    """A source that is not a profile: the hardware's limit, no running transaction, or no known limit."""

    kind: Literal["hardware", "idle", "nothing"]


class ConnectorPart(BaseModel):
    """The share of one connector in the limit of the charge point."""

    connectorId: int
    limit: float | None
    source: ProfileSource | PlainSource


class ConnectorsSource(BaseModel):
    """The source of a limit of connector 0: the sum over the connectors with a transaction."""

    kind: Literal["connectors"]
    connectors: list[ConnectorPart]


Source = ProfileSource | PlainSource | ConnectorsSource


class BeatenProfile(ProfileSource):
    """A profile that was in force and did not set the limit."""

    limit: Annotated[
        float,
        Field(
            description="Limit of the profile when it was first beaten in this period, in the unit of the "
            "answer."
        ),
    ]
    reason: Annotated[
        Literal[
            "higher_limit",
            "lower_stack_level",
            "tx_profile_leads",
            "shadowed_on_connector",
            "tx_profile_installed",
        ],
        Field(description="Why the profile did not set the limit."),
    ]


BeatenUnlisted = Annotated[
    int | SkipJsonSchema[None],
    Field(description="Number of further beaten profiles; at most 20 are listed."),
]


class SourceChange(BaseModel):
    """A change of the source within a period; the limit stays the same."""

    startPeriod: Seconds
    source: Source
    beaten: list[BeatenProfile]
    beatenUnlisted: BeatenUnlisted = None


class CompositeSchedulePeriod(BaseModel):
    """A limit until the next period starts, the source that set it, and the profiles that did not."""

    startPeriod: Seconds
    limit: Annotated[
        float | None,
        Field(description="A on each phase, or W in total. null: no limit is known."),
    ]
    numberPhases: Annotated[
        Annotated[int, Field(ge=1, le=3)] | SkipJsonSchema[None],
        Field(
            description="The fewest phases that a profile in force names. Limits in the other unit are "
            "converted with it, or with 3 if it is missing.",
        ),
    ] = None
    warning: Annotated[
        Literal["below_signalled_minimum"] | SkipJsonSchema[None],
        Field(
            description="The limit is below 6 A on each phase, which cannot be signalled to a vehicle, so it "
            "pauses."
        ),
    ] = None
    source: Source
    beaten: list[BeatenProfile]
    beatenUnlisted: BeatenUnlisted = None
    handovers: list[SourceChange] | SkipJsonSchema[None] = None


class CompositeSchedule(BaseModel):
    """The limits that follow from all charging profiles together (OCPP 1.6 5.7)."""

    scheduleStart: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    duration: Annotated[int, Field(ge=0, description="Length in seconds.")]
    chargingRateUnit: ChargingRateUnit
    chargingSchedulePeriod: list[CompositeSchedulePeriod]


QUESTION_EXAMPLE: dict[str, Any] = {
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
ANSWER_EXAMPLE: dict[str, Any] = {
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
