"""The types of events: one class for each, from which its JSON Schema, its page and its checks derive.

A payload has the names and shapes of the resources of the REST API, and never a secret. A field that is added
keeps the version; a field that changes or goes needs the next one.
"""

from app.events.payloads.charge_points import (
    ChargePointBootedEvent,
    ConnectionClosedEvent,
    ConnectionOpenedEvent,
    ConnectorStatusChangedEvent,
    RegistrationChangedEvent,
)
from app.events.payloads.commands import (
    BulkCommandChangedEvent,
    CommandEffectObservedEvent,
    CommandStateChangedEvent,
)
from app.events.payloads.jobs import (
    DiagnosticsJobChangedEvent,
    FirmwareCampaignChangedEvent,
    FirmwareUpdateChangedEvent,
    LocalListChangedEvent,
)
from app.events.payloads.payload import (
    Payload,
    event_types,
)
from app.events.payloads.planning import (
    ChargingProfileDriftedEvent,
    DriftedLimit,
    ReservationChangedEvent,
)
from app.events.payloads.security import (
    DeviationFirstSeenEvent,
    LoginRefusedEvent,
    SecurityEventRecordedEvent,
)
from app.events.payloads.transactions import (
    MeterValuesRecordedEvent,
    RecordedReadings,
    TransactionEndedEvent,
    TransactionPresumedEndedEvent,
    TransactionStartedEvent,
    TransactionUpdatedEvent,
)

__all__ = [
    "BulkCommandChangedEvent",
    "ChargePointBootedEvent",
    "ChargingProfileDriftedEvent",
    "CommandEffectObservedEvent",
    "CommandStateChangedEvent",
    "ConnectionClosedEvent",
    "ConnectionOpenedEvent",
    "ConnectorStatusChangedEvent",
    "DeviationFirstSeenEvent",
    "DiagnosticsJobChangedEvent",
    "DriftedLimit",
    "FirmwareCampaignChangedEvent",
    "FirmwareUpdateChangedEvent",
    "LocalListChangedEvent",
    "LoginRefusedEvent",
    "MeterValuesRecordedEvent",
    "Payload",
    "RecordedReadings",
    "RegistrationChangedEvent",
    "ReservationChangedEvent",
    "SecurityEventRecordedEvent",
    "TransactionEndedEvent",
    "TransactionPresumedEndedEvent",
    "TransactionStartedEvent",
    "TransactionUpdatedEvent",
    "event_types",
]
