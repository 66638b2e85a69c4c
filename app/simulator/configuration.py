"""The configuration keys of a virtual charge point (OCPP 1.6 chapter 9), and their checks."""

from dataclasses import dataclass
from typing import Literal

from app.simulator.persona import Persona

Kind = Literal["boolean", "integer", "text", "secret"]
Status = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]

MEASURANDS = frozenset(
    {"Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC"}
)
_HEX_KEY_LENGTHS = range(32, 41)


@dataclass(slots=True)
class _Key:
    kind: Kind
    value: str
    readonly: bool = False


def _keys(persona: Persona) -> dict[str, _Key]:
    measurands = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage"
    return {
        "AllowOfflineTxForUnknownId": _Key("boolean", "true"),
        "AuthorizationKey": _Key("secret", ""),
        "AuthorizeRemoteTxRequests": _Key("boolean", "false"),
        "ClockAlignedDataInterval": _Key("integer", "0"),
        "ConnectionTimeOut": _Key("integer", "60"),
        "ConnectorPhaseRotation": _Key("text", "NotApplicable"),
        "GetConfigurationMaxKeys": _Key("integer", "50", readonly=True),
        "HeartbeatInterval": _Key("integer", "300"),
        "LocalAuthListEnabled": _Key("boolean", "true"),
        "LocalAuthListMaxLength": _Key("integer", "500", readonly=True),
        "LocalAuthorizeOffline": _Key("boolean", "true"),
        "LocalPreAuthorize": _Key("boolean", "false"),
        "MeterValueSampleInterval": _Key("integer", str(persona.habits.sample_interval_s)),
        "MeterValuesAlignedData": _Key("text", ""),
        "MeterValuesSampledData": _Key("text", f"{measurands},SoC" if persona.direct_current else measurands),
        "NumberOfConnectors": _Key("integer", str(persona.connectors), readonly=True),
        "ResetRetries": _Key("integer", "1"),
        "SendLocalListMaxLength": _Key("integer", "100", readonly=True),
        "StopTransactionOnEVSideDisconnect": _Key("boolean", "true"),
        "StopTransactionOnInvalidId": _Key("boolean", "true"),
        "StopTxnAlignedData": _Key("text", ""),
        "StopTxnSampledData": _Key("text", "Energy.Active.Import.Register"),
        "SupportedFeatureProfiles": _Key(
            "text",
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
            readonly=True,
        ),
        # Ten attempts survive a long outage; three, as in the standard's example, would lose records.
        "TransactionMessageAttempts": _Key("integer", "10"),
        "TransactionMessageRetryInterval": _Key("integer", "60"),
        "UnlockConnectorOnEVSideDisconnect": _Key("boolean", "true"),
        "WebSocketPingInterval": _Key("integer", "30"),
        "ReserveConnectorZeroSupported": _Key("boolean", "false", readonly=True),
        "SupportedFileTransferProtocols": _Key("text", "HTTP,HTTPS", readonly=True),
        "AdditionalRootCertificateCheck": _Key("boolean", "false", readonly=True),
        "CertificateSignedMaxChainSize": _Key("integer", "10000", readonly=True),
        "CertificateStoreMaxLength": _Key("integer", "10", readonly=True),
        "CpoName": _Key("text", ""),
        "SecurityProfile": _Key("integer", "1", readonly=True),
        "ChargeProfileMaxStackLevel": _Key("integer", "10", readonly=True),
        "ChargingScheduleAllowedChargingRateUnit": _Key("text", "Current,Power", readonly=True),
        "ChargingScheduleMaxPeriods": _Key("integer", "48", readonly=True),
        "MaxChargingProfilesInstalled": _Key("integer", "20", readonly=True),
    }


class VirtualConfiguration:
    """The configuration keys of one charge point and their present values."""

    def __init__(self, persona: Persona) -> None:
        self._keys = _keys(persona)

    def integer(self, key: str) -> int:
        """Return the value of an integer key."""
        return int(self._keys[key].value)

    def flag(self, key: str) -> bool:
        """Return the value of a boolean key."""
        return self._keys[key].value == "true"

    def text(self, key: str) -> str:
        """Return the value of a key."""
        return self._keys[key].value

    def set(self, key: str, value: str) -> None:
        """Set a value from inside, also of a key that the central system may only read."""
        self._keys[key].value = value

    def measurands(self) -> frozenset[str]:
        """Return the measurands of MeterValuesSampledData."""
        return frozenset(part.strip() for part in self._keys["MeterValuesSampledData"].value.split(","))

    def change(self, key: str, value: str) -> Status:
        """Answer ChangeConfiguration (OCPP 1.6 5.3). An accepted value is in force at once."""
        found = self._keys.get(key)
        if found is None:
            return "NotSupported"
        if found.readonly or not _fits(key, found.kind, value):
            return "Rejected"
        found.value = value.lower() if found.kind == "boolean" else value
        return "Accepted"

    def report(self, wanted: list[str]) -> tuple[list[dict[str, object]], list[str]]:
        """Answer GetConfiguration (OCPP 1.6 5.8): the known keys, then the names of unknown ones.

        wanted: empty means all. Secrets can be written but not read, so they come without a value.
        """
        names = wanted or sorted(self._keys)
        rows: list[dict[str, object]] = []
        for name in (name for name in names if name in self._keys):
            key = self._keys[name]
            row: dict[str, object] = {"key": name, "readonly": key.readonly}
            rows.append(row if key.kind == "secret" else {**row, "value": key.value})
        return rows, [name for name in names if name not in self._keys]


def _fits(key: str, kind: Kind, value: str) -> bool:
    if kind == "boolean":
        return value.lower() in ("true", "false")
    if kind == "integer":
        return value.isascii() and value.isdigit() and len(value) <= 9
    if kind == "secret":
        # 32 to 40 hexadecimal characters: 16 to 20 bytes (OCPP-J 6.2, security whitepaper A01).
        return len(value) in _HEX_KEY_LENGTHS and len(value) % 2 == 0 and _is_hex(value)
    if key in ("MeterValuesSampledData", "StopTxnSampledData"):
        return all(part.strip() in MEASURANDS for part in value.split(",") if part.strip())
    return len(value) <= 500


def _is_hex(value: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in value)
