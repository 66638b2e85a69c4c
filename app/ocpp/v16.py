"""Payloads of OCPP 1.6J as plain dicts with wire names, typed for mypy.

Generated from core_rs/ocpp/definitions/v16 by `cargo run -p ocpp-core --example generate_python_types`.
Do not edit: change the definition and generate again. A bare number in a docstring is a section of
OCPP 1.6 edition 2, `E` its errata sheet, `J` OCPP-J 1.6, `JE` its errata, `S` the security whitepaper.

Enum fields are typed as what the standard allows. In tolerant mode a charge point's own values are let
through with a deviation recorded, so at run time such a field may hold another string.
"""

from typing import Literal, NotRequired, TypedDict

ErrorCode = Literal[
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
]
"""Code of a CALLERROR, in the spelling that is sent (J 4.2.3)."""

IdToken = str
"""Identifier of a user, such as the number of a card, of up to 20 characters; upper and lower case are the same. (7.28)"""

AuthorizationStatus = Literal[
    "Accepted",
    "Blocked",
    "Expired",
    "Invalid",
    "ConcurrentTx",
]
"""Whether an identifier may charge. (7.2)"""


class IdTagInfo(TypedDict):
    """Status of an identifier. (7.27)"""

    expiryDate: NotRequired[str]
    """When to remove the identifier from the authorization cache. When absent, it never expires."""
    parentIdTag: NotRequired[IdToken]
    """Group that the identifier belongs to."""
    status: AuthorizationStatus
    """Whether the identifier may charge."""


class AuthorizationData(TypedDict):
    """One entry of an update of the local authorization list. (7.1)"""

    idTag: IdToken
    """The identifier."""
    idTagInfo: NotRequired[IdTagInfo]
    """Status of the identifier. Required in a full update. In a differential update, an entry without it is deleted."""

AvailabilityStatus = Literal[
    "Accepted",
    "Rejected",
    "Scheduled",
]
"""Answer to ChangeAvailability. (7.3)"""

AvailabilityType = Literal[
    "Inoperative",
    "Operative",
]
"""Availability of a connector or a charge point. (7.4)"""

CancelReservationStatus = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to CancelReservation. (7.5)"""

ChargePointErrorCode = Literal[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "NoError",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
]
"""Fault of a charge point or a connector. (7.6)"""

ChargePointStatus = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
]
"""State of a connector. Connector 0 is the charge point itself, and can only be Available, Unavailable or Faulted. (7.7)"""

ChargingProfilePurposeType = Literal[
    "ChargePointMaxProfile",
    "TxDefaultProfile",
    "TxProfile",
]
"""Purpose of a profile: what it limits. (7.10)"""

ChargingProfileKindType = Literal[
    "Absolute",
    "Recurring",
    "Relative",
]
"""The moment that the times of a schedule are counted from. (7.9)"""

RecurrencyKindType = Literal[
    "Daily",
    "Weekly",
]
"""How often a recurring schedule starts again. (7.37)"""

ChargingRateUnitType = Literal[
    "W",
    "A",
]
"""Unit of the limits in a schedule. (7.12)"""


class ChargingSchedulePeriod(TypedDict):
    """A limit that holds until the next period starts. (7.14)"""

    startPeriod: int
    """Seconds after the start of the schedule."""
    limit: float
    """Highest rate, in A on each phase or in W in total."""
    numberPhases: NotRequired[int]
    """Number of phases that may be used; 3 when absent."""


class ChargingSchedule(TypedDict):
    """Limits over time. (7.13)"""

    duration: NotRequired[int]
    """Length in seconds. When absent, the last period has no end."""
    startSchedule: NotRequired[str]
    """Start of an absolute or recurring schedule. When absent, the schedule begins with the charging."""
    chargingRateUnit: ChargingRateUnitType
    """Unit of the limits."""
    chargingSchedulePeriod: list[ChargingSchedulePeriod]
    """The periods in the order of their start; the first starts at 0."""
    minChargingRate: NotRequired[float]
    """Lowest rate that makes sense for the vehicle, in the unit of the limits."""


class ChargingProfile(TypedDict):
    """A charging schedule with its purpose, its stack level and its validity. (7.8)"""

    chargingProfileId: int
    """Id of the profile. A profile with the same id is replaced."""
    transactionId: NotRequired[int]
    """Transaction that the profile is for; only with a TxProfile."""
    stackLevel: int
    """Rank among the profiles of one purpose. The valid profile with the highest stack level counts."""
    chargingProfilePurpose: ChargingProfilePurposeType
    """Purpose of the profile: what it limits."""
    chargingProfileKind: ChargingProfileKindType
    """The moment that the times of the schedule are counted from."""
    recurrencyKind: NotRequired[RecurrencyKindType]
    """How often the schedule starts again; only with kind Recurring."""
    validFrom: NotRequired[str]
    """Start of the profile's validity. When absent, it is valid at once."""
    validTo: NotRequired[str]
    """End of the profile's validity. When absent, it is valid until it is replaced."""
    chargingSchedule: ChargingSchedule
    """The limits over time."""

ChargingProfileStatus = Literal[
    "Accepted",
    "Rejected",
    "NotSupported",
]
"""Answer to SetChargingProfile. (7.11)"""

CiString20Type = str
"""Text of up to 20 characters; upper and lower case are the same. (7.15)"""

CiString25Type = str
"""Text of up to 25 characters; upper and lower case are the same. (7.16)"""

CiString50Type = str
"""Text of up to 50 characters; upper and lower case are the same. (7.17)"""

CiString255Type = str
"""Text of up to 255 characters; upper and lower case are the same. (7.18)"""

CiString500Type = str
"""Text of up to 500 characters; upper and lower case are the same. (7.19)"""

ClearCacheStatus = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to ClearCache. (7.20)"""

ClearChargingProfileStatus = Literal[
    "Accepted",
    "Unknown",
]
"""Answer to ClearChargingProfile. (7.21)"""

ConfigurationStatus = Literal[
    "Accepted",
    "Rejected",
    "RebootRequired",
    "NotSupported",
]
"""Answer to ChangeConfiguration. (7.22)"""

DataTransferStatus = Literal[
    "Accepted",
    "Rejected",
    "UnknownMessageId",
    "UnknownVendorId",
]
"""Answer to DataTransfer. (7.23)"""

DiagnosticsStatus = Literal[
    "Idle",
    "Uploaded",
    "UploadFailed",
    "Uploading",
]
"""State of an upload of diagnostics. (7.24)"""

FirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
]
"""State of a firmware update. (7.25)"""

GetCompositeScheduleStatus = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to GetCompositeSchedule. (7.26)"""


class KeyValue(TypedDict):
    """A configuration key and its value. (7.29)"""

    key: CiString50Type
    """Name of the key."""
    readonly: bool
    """Whether the key cannot be changed by ChangeConfiguration."""
    value: NotRequired[CiString500Type]
    """The value as text; absent when the key has no value."""

Location = Literal[
    "Body",
    "Cable",
    "EV",
    "Inlet",
    "Outlet",
]
"""Where a reading was taken. (7.30)"""

Measurand = Literal[
    "Current.Export",
    "Current.Import",
    "Current.Offered",
    "Energy.Active.Export.Register",
    "Energy.Active.Import.Register",
    "Energy.Reactive.Export.Register",
    "Energy.Reactive.Import.Register",
    "Energy.Active.Export.Interval",
    "Energy.Active.Import.Interval",
    "Energy.Reactive.Export.Interval",
    "Energy.Reactive.Import.Interval",
    "Frequency",
    "Power.Active.Export",
    "Power.Active.Import",
    "Power.Factor",
    "Power.Offered",
    "Power.Reactive.Export",
    "Power.Reactive.Import",
    "RPM",
    "SoC",
    "Temperature",
    "Voltage",
]
"""The measured quantity. Import is from the grid to the vehicle, export from the vehicle to the grid. (7.31)"""

MessageTrigger = Literal[
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
]
"""Message that TriggerMessage asks for. (7.32)"""

ReadingContext = Literal[
    "Interruption.Begin",
    "Interruption.End",
    "Other",
    "Sample.Clock",
    "Sample.Periodic",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
]
"""Why a reading was taken. (7.35)"""

ValueFormat = Literal[
    "Raw",
    "SignedData",
]
"""Format of the value of a reading. (7.49)"""

Phase = Literal[
    "L1",
    "L2",
    "L3",
    "N",
    "L1-N",
    "L2-N",
    "L3-N",
    "L1-L2",
    "L2-L3",
    "L3-L1",
]
"""Phase or conductors that were measured. (7.34)"""

UnitOfMeasure = Literal[
    "Wh",
    "kWh",
    "varh",
    "kvarh",
    "W",
    "kW",
    "VA",
    "kVA",
    "var",
    "kvar",
    "A",
    "V",
    "Celsius",
    "Celcius",
    "Fahrenheit",
    "K",
    "Percent",
]
"""Unit of a reading. (7.45, JE 2.1)"""


class SampledValue(TypedDict):
    """One reading and what it measures. (7.43)"""

    value: str
    """The reading: a decimal number as text, or hexadecimal data when the format is SignedData."""
    context: NotRequired[ReadingContext]
    """Why the reading was taken; Sample.Periodic when absent."""
    format: NotRequired[ValueFormat]
    """Format of the value; Raw when absent."""
    measurand: NotRequired[Measurand]
    """The measured quantity; Energy.Active.Import.Register when absent."""
    phase: NotRequired[Phase]
    """Phase that was measured. When absent, the value is that of all phases together."""
    location: NotRequired[Location]
    """Where the reading was taken; Outlet when absent."""
    unit: NotRequired[UnitOfMeasure]
    """Unit of the value. When absent, the unit of an energy is Wh."""


class MeterValue(TypedDict):
    """Readings that were taken at the same moment. (7.33)"""

    timestamp: str
    """When the readings were taken."""
    sampledValue: list[SampledValue]
    """The readings."""

Reason = Literal[
    "DeAuthorized",
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
]
"""Why a transaction ended. (7.36)"""

RegistrationStatus = Literal[
    "Accepted",
    "Pending",
    "Rejected",
]
"""Whether a charge point is accepted. (7.38)"""

RemoteStartStopStatus = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to RemoteStartTransaction or RemoteStopTransaction. (7.39)"""

ReservationStatus = Literal[
    "Accepted",
    "Faulted",
    "Occupied",
    "Rejected",
    "Unavailable",
]
"""Answer to ReserveNow. (7.40)"""

ResetStatus = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to Reset. (7.41)"""

ResetType = Literal[
    "Hard",
    "Soft",
]
"""Kind of reset. (7.42)"""

TriggerMessageStatus = Literal[
    "Accepted",
    "Rejected",
    "NotImplemented",
]
"""Answer to a trigger. (7.44)"""

UnlockStatus = Literal[
    "Unlocked",
    "UnlockFailed",
    "NotSupported",
]
"""Answer to UnlockConnector. (7.46)"""

UpdateStatus = Literal[
    "Accepted",
    "Failed",
    "NotSupported",
    "VersionMismatch",
]
"""Answer to SendLocalList. (7.47)"""

UpdateType = Literal[
    "Differential",
    "Full",
]
"""How an update changes the local authorization list. (7.48)"""

CiString40Type = str
"""Text of up to 40 characters; upper and lower case are the same. (S 6.5)"""

CiString128Type = str
"""Text of up to 128 characters; upper and lower case are the same. (S 6.6)"""

HashAlgorithmEnumType = Literal[
    "SHA256",
    "SHA384",
    "SHA512",
]
"""Hash algorithm. (S 6.12)"""


class CertificateHashDataType(TypedDict):
    """Hashes that identify one certificate. (S 6.1)"""

    hashAlgorithm: HashAlgorithmEnumType
    """Algorithm that computed the hashes."""
    issuerNameHash: CiString128Type
    """Hash of the issuer's distinguished name in DER, as hexadecimal digits (RFC 6960)."""
    issuerKeyHash: CiString128Type
    """Hash of the issuer's public key in DER without tag and length, as hexadecimal digits (RFC 6960)."""
    serialNumber: CiString40Type
    """Serial number of the certificate as hexadecimal digits, without leading zeros and without 0x: 4095 is FFF."""

CertificateSignedStatusEnumType = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to CertificateSigned. (S 6.2)"""

CertificateStatusEnumType = Literal[
    "Accepted",
    "Failed",
    "Rejected",
]
"""Answer to InstallCertificate. (S 6.3)"""

CertificateUseEnumType = Literal[
    "CentralSystemRootCertificate",
    "ManufacturerRootCertificate",
]
"""Use of a root certificate: which certificates it verifies. (S 6.4)"""

DeleteCertificateStatusEnumType = Literal[
    "Accepted",
    "Failed",
    "NotFound",
]
"""Answer to DeleteCertificate. (S 6.7)"""

FirmwareStatusEnumType = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]
"""State of an update with signed firmware. (S 6.8)"""


class FirmwareType(TypedDict):
    """A firmware image: where to fetch it, when to install it, and who signed it. (S 6.9)"""

    location: str
    """Where to fetch the image."""
    retrieveDateTime: str
    """When to fetch the image."""
    installDateTime: NotRequired[str]
    """When to install the image."""
    signingCertificate: str
    """Certificate of the signer of the image, in PEM."""
    signature: str
    """Signature of the image, in base64."""

GenericStatusEnumType = Literal[
    "Accepted",
    "Rejected",
]
"""Answer to SignCertificate: yes or no. (S 6.10)"""

GetInstalledCertificateStatusEnumType = Literal[
    "Accepted",
    "NotFound",
]
"""Answer to GetInstalledCertificateIds. (S 6.11)"""

LogEnumType = Literal[
    "DiagnosticsLog",
    "SecurityLog",
]
"""Kind of log. (S 6.13)"""


class LogParametersType(TypedDict):
    """Which part of a log to upload, and where. (S 6.14)"""

    remoteLocation: str
    """Where to upload the file."""
    oldestTimestamp: NotRequired[str]
    """Upload the entries from this time on."""
    latestTimestamp: NotRequired[str]
    """Upload the entries up to this time."""

LogStatusEnumType = Literal[
    "Accepted",
    "Rejected",
    "AcceptedCanceled",
]
"""Answer to GetLog. (S 6.15)"""

MessageTriggerEnumType = Literal[
    "BootNotification",
    "LogStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "SignChargePointCertificate",
    "StatusNotification",
]
"""Message that ExtendedTriggerMessage asks for. (S 6.16)"""

TriggerMessageStatusEnumType = Literal[
    "Accepted",
    "Rejected",
    "NotImplemented",
]
"""Answer to a trigger. (S 6.17)"""

UpdateFirmwareStatusEnumType = Literal[
    "Accepted",
    "Rejected",
    "AcceptedCanceled",
    "InvalidCertificate",
    "RevokedCertificate",
]
"""Answer to SignedUpdateFirmware. (S 6.18)"""

UploadLogStatusEnumType = Literal[
    "BadMessage",
    "Idle",
    "NotSupportedOperation",
    "PermissionDenied",
    "Uploaded",
    "UploadFailure",
    "Uploading",
]
"""State of an upload of a log. (S 6.19)"""


class AuthorizeRequest(TypedDict):
    """Ask whether an identifier may charge. (4.1, 6.1, 6.2)"""

    idTag: IdToken
    """Identifier that was presented."""


class AuthorizeResponse(TypedDict):
    """Answer to Authorize. (4.1, 6.1, 6.2)"""

    idTagInfo: IdTagInfo
    """Status of the identifier."""


class BootNotificationRequest(TypedDict):
    """Report a boot with vendor, model and versions, and ask to be accepted. (4.2, 6.3, 6.4)"""

    chargePointVendor: CiString20Type
    """Maker of the charge point."""
    chargePointModel: CiString20Type
    """Model of the charge point."""
    chargePointSerialNumber: NotRequired[CiString25Type]
    """Serial number of the charge point."""
    chargeBoxSerialNumber: NotRequired[CiString25Type]
    """Serial number of the charge box inside the charge point; deprecated."""
    firmwareVersion: NotRequired[CiString50Type]
    """Version of the firmware."""
    iccid: NotRequired[CiString20Type]
    """Number of the SIM card."""
    imsi: NotRequired[CiString20Type]
    """Subscriber number on the SIM card."""
    meterType: NotRequired[CiString25Type]
    """Type of the main meter."""
    meterSerialNumber: NotRequired[CiString25Type]
    """Serial number of the main meter."""


class BootNotificationResponse(TypedDict):
    """Answer to BootNotification. (4.2, 6.3, 6.4)"""

    status: RegistrationStatus
    """Whether the charge point is accepted."""
    currentTime: str
    """Time of the central system, to set the clock by."""
    interval: int
    """If accepted: seconds between heartbeats. Otherwise: seconds to wait before the next BootNotification. 0: the charge point chooses."""


class ChangeAvailabilityRequest(TypedDict):
    """Take a connector or the whole charge point out of service, or put it back into service. (5.2, 6.7, 6.8)"""

    connectorId: int
    """Connector; 0: the charge point with all its connectors."""
    type: AvailabilityType
    """Availability to set."""


class ChangeAvailabilityResponse(TypedDict):
    """Answer to ChangeAvailability. (5.2, 6.7, 6.8)"""

    status: AvailabilityStatus
    """Whether the availability is changed, now or later."""


class ChangeConfigurationRequest(TypedDict):
    """Set one configuration key. (5.3, 6.9, 6.10)"""

    key: CiString50Type
    """Name of the key, standard or vendor-specific."""
    value: CiString500Type
    """New value as text."""


class ChangeConfigurationResponse(TypedDict):
    """Answer to ChangeConfiguration. (5.3, 6.9, 6.10)"""

    status: ConfigurationStatus
    """Whether the new value is in force."""


class ClearCacheRequest(TypedDict):
    """Empty the authorization cache. (5.4, 6.11, 6.12, E 3.23)"""


class ClearCacheResponse(TypedDict):
    """Answer to ClearCache. (5.4, 6.11, 6.12, E 3.23)"""

    status: ClearCacheStatus
    """Whether the cache is empty now."""


class DataTransferRequest(TypedDict):
    """Exchange something that the standard has no message for. (4.3, 5.6, 6.15, 6.16)"""

    vendorId: CiString255Type
    """Vendor that defines the message; by convention a reversed domain name."""
    messageId: NotRequired[CiString50Type]
    """Name of the message, as the vendor defines it."""
    data: NotRequired[str]
    """Data of the message, in any form and of any length."""


class DataTransferResponse(TypedDict):
    """Answer to DataTransfer. (4.3, 5.6, 6.15, 6.16)"""

    status: DataTransferStatus
    """Whether the message was understood and accepted."""
    data: NotRequired[str]
    """Data of the answer, in any form and of any length."""


class GetConfigurationRequest(TypedDict):
    """Read the configuration keys that are named, or all keys if none is named. (5.8, 6.23, 6.24)"""

    key: NotRequired[list[CiString50Type]]
    """Keys to read; all keys when absent or empty."""


class GetConfigurationResponse(TypedDict):
    """Answer to GetConfiguration. (5.8, 6.23, 6.24)"""

    configurationKey: NotRequired[list[KeyValue]]
    """Keys with their values."""
    unknownKey: NotRequired[list[CiString50Type]]
    """Requested keys that do not exist."""


class HeartbeatRequest(TypedDict):
    """Show that the charge point is alive, and get the time. (4.6, 6.29, 6.30)"""


class HeartbeatResponse(TypedDict):
    """Answer to Heartbeat. (4.6, 6.29, 6.30)"""

    currentTime: str
    """Time of the central system, to set the clock by."""


class MeterValuesRequest(TypedDict):
    """Report readings of a connector or of the main meter. (4.7, 6.31, 6.32, E 3.15, E 3.16)"""

    connectorId: int
    """Connector that was measured; 0: the main meter."""
    transactionId: NotRequired[int]
    """Transaction that was running when the readings were taken."""
    meterValue: list[MeterValue]
    """Readings, grouped by the moment at which they were taken."""


class MeterValuesResponse(TypedDict):
    """Answer to MeterValues. (4.7, 6.31, 6.32, E 3.15, E 3.16)"""


class RemoteStartTransactionRequest(TypedDict):
    """Ask the charge point to start a transaction. (5.11, 5.16.2, 6.33, 6.34, E 3.32, E 3.41)"""

    connectorId: NotRequired[int]
    """Connector to use. When absent, the charge point chooses."""
    idTag: IdToken
    """Identifier to start the transaction for."""
    chargingProfile: NotRequired[ChargingProfile]
    """Limits for the new transaction: a TxProfile without transactionId."""


class RemoteStartTransactionResponse(TypedDict):
    """Answer to RemoteStartTransaction. (5.11, 5.16.2, 6.33, 6.34, E 3.32, E 3.41)"""

    status: RemoteStartStopStatus
    """Whether the charge point will try to start the transaction."""


class RemoteStopTransactionRequest(TypedDict):
    """Ask the charge point to stop a transaction. (5.12, 6.35, 6.36, E 3.33)"""

    transactionId: int
    """Transaction to stop."""


class RemoteStopTransactionResponse(TypedDict):
    """Answer to RemoteStopTransaction. (5.12, 6.35, 6.36, E 3.33)"""

    status: RemoteStartStopStatus
    """Whether the charge point will try to stop the transaction."""


class ResetRequest(TypedDict):
    """Ask the charge point to restart. (5.14, 6.39, 6.40, E 3.36)"""

    type: ResetType
    """Kind of reset."""


class ResetResponse(TypedDict):
    """Answer to Reset. (5.14, 6.39, 6.40, E 3.36)"""

    status: ResetStatus
    """Whether the charge point restarts."""


class StartTransactionRequest(TypedDict):
    """Report that a transaction has started, and get its transactionId. (4.8, 6.45, 6.46, E 3.17, E 3.18, E 3.54)"""

    connectorId: int
    """Connector of the transaction."""
    idTag: IdToken
    """Identifier that started the transaction."""
    meterStart: int
    """Meter register at the start, in Wh."""
    reservationId: NotRequired[int]
    """Reservation that ends with this start."""
    timestamp: str
    """When the transaction started, which may be long ago."""


class StartTransactionResponse(TypedDict):
    """Answer to StartTransaction. (4.8, 6.45, 6.46, E 3.17, E 3.18, E 3.54)"""

    idTagInfo: IdTagInfo
    """Status of the identifier."""
    transactionId: int
    """The transactionId, which the central system chooses."""


class StatusNotificationRequest(TypedDict):
    """Report the state of a connector or an error. (4.9, 6.47, 6.48, E 3.19, E 3.22)"""

    connectorId: int
    """Connector; 0: the charge point itself."""
    errorCode: ChargePointErrorCode
    """The fault, or NoError."""
    info: NotRequired[CiString50Type]
    """Free text about the error."""
    status: ChargePointStatus
    """State of the connector."""
    timestamp: NotRequired[str]
    """When the state began; when absent, the time of arrival counts."""
    vendorId: NotRequired[CiString255Type]
    """Vendor that defines vendorErrorCode."""
    vendorErrorCode: NotRequired[CiString50Type]
    """Error code that the vendor defines."""


class StatusNotificationResponse(TypedDict):
    """Answer to StatusNotification. (4.9, 6.47, 6.48, E 3.19, E 3.22)"""


class StopTransactionRequest(TypedDict):
    """Report that a transaction has ended, with its final reading. (4.10, 6.49, 6.50, E 3.14, E 3.18, JE 2.5)"""

    idTag: NotRequired[IdToken]
    """Identifier that stopped the transaction; absent when it was stopped without one."""
    meterStop: int
    """Meter register at the end, in Wh."""
    timestamp: str
    """When the transaction ended, which may be long ago."""
    transactionId: int
    """The transactionId from StartTransaction, or -1 if StartTransaction was never answered."""
    reason: NotRequired[Reason]
    """Why the transaction ended; Local when absent."""
    transactionData: NotRequired[list[MeterValue]]
    """Readings of the transaction."""


class StopTransactionResponse(TypedDict):
    """Answer to StopTransaction. (4.10, 6.49, 6.50, E 3.14, E 3.18, JE 2.5)"""

    idTagInfo: NotRequired[IdTagInfo]
    """Status of the identifier that stopped the transaction."""


class UnlockConnectorRequest(TypedDict):
    """Free a cable that is stuck in the connector. (5.18, 6.53, 6.54, E 3.85)"""

    connectorId: int
    """Connector to unlock."""


class UnlockConnectorResponse(TypedDict):
    """Answer to UnlockConnector. (5.18, 6.53, 6.54, E 3.85)"""

    status: UnlockStatus
    """Whether the connector is unlocked."""


class DiagnosticsStatusNotificationRequest(TypedDict):
    """Report the progress of an upload of diagnostics. (4.4, 6.17, 6.18)"""

    status: DiagnosticsStatus
    """State of the upload."""


class DiagnosticsStatusNotificationResponse(TypedDict):
    """Answer to DiagnosticsStatusNotification. (4.4, 6.17, 6.18)"""


class FirmwareStatusNotificationRequest(TypedDict):
    """Report the progress of a firmware update. (4.5, 6.19, 6.20)"""

    status: FirmwareStatus
    """State of the update."""


class FirmwareStatusNotificationResponse(TypedDict):
    """Answer to FirmwareStatusNotification. (4.5, 6.19, 6.20)"""


class GetDiagnosticsRequest(TypedDict):
    """Ask the charge point to upload a file with diagnostics. (5.9, 6.25, 6.26, 8.2, E 3.31, E 3.50)"""

    location: str
    """Directory to upload the file to."""
    retries: NotRequired[int]
    """How often to try again. When absent, the charge point decides."""
    retryInterval: NotRequired[int]
    """Seconds between two tries. When absent, the charge point decides."""
    startTime: NotRequired[str]
    """Upload the entries from this time on."""
    stopTime: NotRequired[str]
    """Upload the entries up to this time."""


class GetDiagnosticsResponse(TypedDict):
    """Answer to GetDiagnostics. (5.9, 6.25, 6.26, 8.2, E 3.31, E 3.50)"""

    fileName: NotRequired[CiString255Type]
    """Name of the file that will be uploaded."""


class UpdateFirmwareRequest(TypedDict):
    """Ask the charge point to fetch and install firmware. (5.19, 6.55, 6.56, 8.1, E 3.47, E 3.48, JE 2.4)"""

    location: str
    """Where to fetch the firmware."""
    retries: NotRequired[int]
    """How often to try. When absent, the charge point decides."""
    retrieveDate: str
    """Time from which the charge point may fetch the firmware."""
    retryInterval: NotRequired[int]
    """Seconds between two tries. When absent, the charge point decides."""


class UpdateFirmwareResponse(TypedDict):
    """Answer to UpdateFirmware. (5.19, 6.55, 6.56, 8.1, E 3.47, E 3.48, JE 2.4)"""


class GetLocalListVersionRequest(TypedDict):
    """Ask for the version of the local authorization list. (5.10, 6.27, 6.28)"""


class GetLocalListVersionResponse(TypedDict):
    """Answer to GetLocalListVersion. (5.10, 6.27, 6.28)"""

    listVersion: int
    """Version of the list; 0: the list is empty; -1: the charge point has no list."""


class SendLocalListRequest(TypedDict):
    """Replace or change the local authorization list. (5.15, 6.41, 6.42, 7.1, E 3.52)"""

    listVersion: int
    """Version of the list after the update; 0 and -1 are reserved."""
    localAuthorizationList: NotRequired[list[AuthorizationData]]
    """The entries. A full update without entries empties the list."""
    updateType: UpdateType
    """Whether the entries replace the list or change it."""


class SendLocalListResponse(TypedDict):
    """Answer to SendLocalList. (5.15, 6.41, 6.42, 7.1, E 3.52)"""

    status: UpdateStatus
    """Whether the list is updated."""


class TriggerMessageRequest(TypedDict):
    """Ask the charge point to send one of its messages now. (5.17, 6.51, 6.52, E 3.35, E 3.40, E 3.46)"""

    requestedMessage: MessageTrigger
    """Message to send."""
    connectorId: NotRequired[int]
    """Connector that the message is about; 0: the charge point. When absent, all connectors are reported."""


class TriggerMessageResponse(TypedDict):
    """Answer to TriggerMessage. (5.17, 6.51, 6.52, E 3.35, E 3.40, E 3.46)"""

    status: TriggerMessageStatus
    """Whether the charge point will send the message."""


class CancelReservationRequest(TypedDict):
    """Cancel a reservation. (5.1, 6.5, 6.6)"""

    reservationId: int
    """Reservation to cancel."""


class CancelReservationResponse(TypedDict):
    """Answer to CancelReservation. (5.1, 6.5, 6.6)"""

    status: CancelReservationStatus
    """Whether the reservation is cancelled."""


class ReserveNowRequest(TypedDict):
    """Reserve a connector for an identifier. (5.13, 6.37, 6.38)"""

    connectorId: int
    """Connector to reserve; 0: any connector."""
    expiryDate: str
    """When the reservation ends."""
    idTag: IdToken
    """Identifier that may use the reservation."""
    parentIdTag: NotRequired[IdToken]
    """Group whose identifiers may use the reservation too."""
    reservationId: int
    """Number of the reservation."""


class ReserveNowResponse(TypedDict):
    """Answer to ReserveNow. (5.13, 6.37, 6.38)"""

    status: ReservationStatus
    """Whether the connector is reserved."""


class ClearChargingProfileRequest(TypedDict):
    """Remove one charging profile by its id, or all charging profiles that match the other fields. (5.5, 6.13, 6.14, E 3.25, E 3.26)"""

    id: NotRequired[int]
    """The chargingProfileId to remove; the other fields are then ignored."""
    connectorId: NotRequired[int]
    """Only profiles of this connector; 0: those of the charge point."""
    chargingProfilePurpose: NotRequired[ChargingProfilePurposeType]
    """Only profiles of this purpose."""
    stackLevel: NotRequired[int]
    """Only profiles of this stack level."""


class ClearChargingProfileResponse(TypedDict):
    """Answer to ClearChargingProfile. (5.5, 6.13, 6.14, E 3.25, E 3.26)"""

    status: ClearChargingProfileStatus
    """Whether profiles were removed."""


class GetCompositeScheduleRequest(TypedDict):
    """Ask for the composite schedule: the limits that follow from all charging profiles together. (5.7, 6.21, 6.22, E 3.24, E 3.28, E 3.29, E 3.30, E 3.51, E 3.57)"""

    connectorId: int
    """Connector; 0: everything that the charge point draws from the grid."""
    duration: int
    """Length of the requested schedule in seconds, from now on."""
    chargingRateUnit: NotRequired[ChargingRateUnitType]
    """Unit of the limits in the answer."""


class GetCompositeScheduleResponse(TypedDict):
    """Answer to GetCompositeSchedule. (5.7, 6.21, 6.22, E 3.24, E 3.28, E 3.29, E 3.30, E 3.51, E 3.57)"""

    status: GetCompositeScheduleStatus
    """Whether the answer contains the schedule."""
    connectorId: NotRequired[int]
    """Connector that the schedule is for."""
    scheduleStart: NotRequired[str]
    """Time that the periods are counted from."""
    chargingSchedule: NotRequired[ChargingSchedule]
    """The composite schedule; it has no startSchedule."""


class SetChargingProfileRequest(TypedDict):
    """Install a charging profile on a connector or on the whole charge point. (5.16, 6.43, 6.44, E 3.37, E 3.38, E 3.39, E 3.45, E 3.53)"""

    connectorId: int
    """Connector; 0: the charge point, or all connectors if the profile is a TxDefaultProfile."""
    csChargingProfiles: ChargingProfile
    """The profile to install."""


class SetChargingProfileResponse(TypedDict):
    """Answer to SetChargingProfile. (5.16, 6.43, 6.44, E 3.37, E 3.38, E 3.39, E 3.45, E 3.53)"""

    status: ChargingProfileStatus
    """Whether the profile is installed."""


class CertificateSignedRequest(TypedDict):
    """Send the signed certificate that the charge point asked for. (S A02, S A03, S 5.1, S 5.2)"""

    certificateChain: str
    """The certificate and those of its issuers, in PEM. CertificateSignedMaxChainSize may set a lower limit."""


class CertificateSignedResponse(TypedDict):
    """Answer to CertificateSigned. (S A02, S A03, S 5.1, S 5.2)"""

    status: CertificateSignedStatusEnumType
    """Whether the certificate is valid and will be used."""


class DeleteCertificateRequest(TypedDict):
    """Delete a root certificate. (S M04, S 5.3, S 5.4)"""

    certificateHashData: CertificateHashDataType
    """Certificate to delete, as GetInstalledCertificateIds reported it."""


class DeleteCertificateResponse(TypedDict):
    """Answer to DeleteCertificate. (S M04, S 5.3, S 5.4)"""

    status: DeleteCertificateStatusEnumType
    """Whether the certificate is deleted."""


class ExtendedTriggerMessageRequest(TypedDict):
    """Ask the charge point to send one of its messages now, including those of the security whitepaper. (S A02, S 5.5, S 5.6)"""

    requestedMessage: MessageTriggerEnumType
    """Message to send."""
    connectorId: NotRequired[int]
    """Connector that the message is about."""


class ExtendedTriggerMessageResponse(TypedDict):
    """Answer to ExtendedTriggerMessage. (S A02, S 5.5, S 5.6)"""

    status: TriggerMessageStatusEnumType
    """Whether the charge point will send the message."""


class GetInstalledCertificateIdsRequest(TypedDict):
    """Ask which root certificates are installed. (S M03, S 5.7, S 5.8)"""

    certificateType: CertificateUseEnumType
    """Kind of certificates to list."""


class GetInstalledCertificateIdsResponse(TypedDict):
    """Answer to GetInstalledCertificateIds. (S M03, S 5.7, S 5.8)"""

    status: GetInstalledCertificateStatusEnumType
    """Whether there are certificates of that kind."""
    certificateHashData: NotRequired[list[CertificateHashDataType]]
    """The certificates."""


class GetLogRequest(TypedDict):
    """Ask the charge point to upload its diagnostics or its security log. (S N01, S 5.9, S 5.10)"""

    logType: LogEnumType
    """Log to upload."""
    requestId: int
    """Number of this request; the status notifications repeat it."""
    retries: NotRequired[int]
    """How often to try. When absent, the charge point decides."""
    retryInterval: NotRequired[int]
    """Seconds between two tries. When absent, the charge point decides."""
    log: LogParametersType
    """Where to upload the log, and which part of it."""


class GetLogResponse(TypedDict):
    """Answer to GetLog. (S N01, S 5.9, S 5.10)"""

    status: LogStatusEnumType
    """Whether the upload begins."""
    filename: NotRequired[str]
    """Name of the file that will be uploaded; absent when there is nothing to upload."""


class InstallCertificateRequest(TypedDict):
    """Install a root certificate. (S M05, S 5.11, S 5.12)"""

    certificateType: CertificateUseEnumType
    """Use of the certificate."""
    certificate: str
    """Certificate in PEM."""


class InstallCertificateResponse(TypedDict):
    """Answer to InstallCertificate. (S M05, S 5.11, S 5.12)"""

    status: CertificateStatusEnumType
    """Whether the certificate is installed."""


class LogStatusNotificationRequest(TypedDict):
    """Report the progress of an upload of a log. (S N01, S 5.13, S 5.14)"""

    status: UploadLogStatusEnumType
    """State of the upload."""
    requestId: NotRequired[int]
    """The requestId from GetLog; may be absent only if the message was triggered and nothing is being uploaded."""


class LogStatusNotificationResponse(TypedDict):
    """Answer to LogStatusNotification. (S N01, S 5.13, S 5.14)"""


class SecurityEventNotificationRequest(TypedDict):
    """Report a security event. (S A04, S 5.15, S 5.16, S 8)"""

    type: str
    """Type of the event: one of the whitepaper's list, or a type of the vendor."""
    timestamp: str
    """When the event happened."""
    techInfo: NotRequired[str]
    """Technical details of the event, as free text."""


class SecurityEventNotificationResponse(TypedDict):
    """Answer to SecurityEventNotification. (S A04, S 5.15, S 5.16, S 8)"""


class SignCertificateRequest(TypedDict):
    """Ask the central system to have a new certificate of the charge point signed. (S A02, S A03, S 5.17, S 5.18)"""

    csr: str
    """Certificate signing request in PEM."""


class SignCertificateResponse(TypedDict):
    """Answer to SignCertificate. (S A02, S A03, S 5.17, S 5.18)"""

    status: GenericStatusEnumType
    """Whether the request is forwarded to a certificate authority."""


class SignedFirmwareStatusNotificationRequest(TypedDict):
    """Report the progress of an update with signed firmware. (S L01, S 5.19, S 5.20)"""

    status: FirmwareStatusEnumType
    """State of the update."""
    requestId: NotRequired[int]
    """The requestId from SignedUpdateFirmware; may be absent only if the message was triggered and no update is running."""


class SignedFirmwareStatusNotificationResponse(TypedDict):
    """Answer to SignedFirmwareStatusNotification. (S L01, S 5.19, S 5.20)"""


class SignedUpdateFirmwareRequest(TypedDict):
    """Ask the charge point to fetch, verify and install signed firmware. (S L01, S 5.21, S 5.22)"""

    retries: NotRequired[int]
    """How often to try. When absent, the charge point decides."""
    retryInterval: NotRequired[int]
    """Seconds between two tries. When absent, the charge point decides."""
    requestId: int
    """Number of this request; the status notifications repeat it."""
    firmware: FirmwareType
    """The firmware image to install."""


class SignedUpdateFirmwareResponse(TypedDict):
    """Answer to SignedUpdateFirmware. (S L01, S 5.21, S 5.22)"""

    status: UpdateFirmwareStatusEnumType
    """Whether the update begins."""
