"""Composite schedules as they leave, with OCPP's names. The core writes them; here they are described."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

ChargingRateUnit = Literal["A", "W"]
Seconds = Annotated[int, Field(ge=0, description="Seconds after `scheduleStart`.")]


class ProfileSource(BaseModel):
    """A charging profile, named by what tells it from others."""

    kind: Literal["profile"]
    chargingProfileId: int
    chargingProfilePurpose: Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
    stackLevel: int
    connectorId: Annotated[int, Field(description="Connector that it was installed for; 0: all of them.")]


class PlainSource(BaseModel):
    """No profile: the hardware's greatest rate; no transaction that draws; or nothing that is known."""

    kind: Literal["hardware", "idle", "nothing"]


class ConnectorPart(BaseModel):
    """What one connector adds to the limit of the charge point."""

    connectorId: int
    limit: float | None
    source: ProfileSource | PlainSource


class ConnectorsSource(BaseModel):
    """With connector 0: the sum over the connectors with a transaction."""

    kind: Literal["connectors"]
    connectors: list[ConnectorPart]


Source = ProfileSource | PlainSource | ConnectorsSource


class BeatenProfile(ProfileSource):
    """A profile that was in force and did not set the limit."""

    limit: Annotated[float, Field(description="What it said when it was first beaten here.")]
    reason: Annotated[
        Literal[
            "higher_limit",
            "lower_stack_level",
            "tx_profile_leads",
            "shadowed_on_connector",
            "tx_profile_installed",
        ],
        Field(description="Why it did not set the limit."),
    ]


BeatenUnlisted = Annotated[
    int | SkipJsonSchema[None], Field(description="So many more were beaten than the twenty that are listed.")
]


class Handover(BaseModel):
    """Inside a period, another source takes over with the same limit."""

    startPeriod: Seconds
    source: Source
    beaten: list[BeatenProfile]
    beatenUnlisted: BeatenUnlisted = None


class CompositeSchedulePeriod(BaseModel):
    """A limit that holds until the next period starts, what set it, and whom that has beaten."""

    startPeriod: Seconds
    limit: Annotated[
        float | None,
        Field(description="A on each phase, or W in total. null: nothing is in force, the hardware unknown."),
    ]
    numberPhases: Annotated[int | SkipJsonSchema[None], Field(ge=1, le=3)] = None
    warning: Annotated[
        Literal["below_signalled_minimum"] | SkipJsonSchema[None],
        Field(description="Less than six amperes cannot be signalled to a vehicle: it will be paused."),
    ] = None
    source: Source
    beaten: list[BeatenProfile]
    beatenUnlisted: BeatenUnlisted = None
    handovers: list[Handover] | SkipJsonSchema[None] = None


class CompositeSchedule(BaseModel):
    """What holds once all charging profiles are laid over each other. OCPP 1.6 5.7"""

    scheduleStart: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    duration: Annotated[int, Field(ge=0, description="Seconds.")]
    chargingRateUnit: ChargingRateUnit
    chargingSchedulePeriod: list[CompositeSchedulePeriod]
