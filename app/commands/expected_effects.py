"""The effect that each command is expected to have, and how long it may take: one table.

The sweep of `reaper` notes `no_effect` after the window. OpenAPI and docs/commands.md show the table.
`no_effect` is an effect and no state: what is observed later takes its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from app.ocpp import v16
from app.settings import Settings, variable_of
from app.types import Json

NO_EFFECT: Final = "no_effect"
"""The value of `observed` if nothing followed within the window."""
TRANSACTION_STARTED: Final = "transaction_started"
TRANSACTION_STOPPED: Final = "transaction_stopped"
BOOTED: Final = "booted"
MESSAGE_RECEIVED: Final = "message_received"
STATUS_REPORTED: Final = "status_reported"

_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class ExpectedEffect:
    """The effect that a command is expected to have.

    Attributes:
        text: What is observed, as a sentence for the documentation.
        window_s: Seconds from the end of the command, after which `no_effect` is noted; None: never.
        observed: The value of `observed`, if this package or the ledger sets it.
    """

    text: str
    window_s: float | None = None
    observed: str | None = None


EXPECTED: Final[Mapping[str, ExpectedEffect]] = {
    "RemoteStartTransaction": ExpectedEffect(
        "The transaction that followed: same charge point, tag and connector.", 300.0, TRANSACTION_STARTED
    ),
    "RemoteStopTransaction": ExpectedEffect("The end of its transaction.", _DAY_S, TRANSACTION_STOPPED),
    "Reset": ExpectedEffect("The next BootNotification, on any connection.", 900.0, BOOTED),
    "TriggerMessage": ExpectedEffect(
        "The requested message, from the same connection; of the connector, if the request names one.",
        120.0,
        MESSAGE_RECEIVED,
    ),
    "ExtendedTriggerMessage": ExpectedEffect(
        "The requested message, from the same connection; of the connector, if the request names one.",
        120.0,
        MESSAGE_RECEIVED,
    ),
    # It may have been so before: then nothing follows, so nothing is noted.
    "ChangeAvailability": ExpectedEffect(
        "The StatusNotification that shows it, from the same connection within a day.", None, STATUS_REPORTED
    ),
    "UpdateFirmware": ExpectedEffect("The FirmwareStatusNotification that ends the update.", _DAY_S),
    "SignedUpdateFirmware": ExpectedEffect(
        "The SignedFirmwareStatusNotification that ends the update.", _DAY_S
    ),
    "GetDiagnostics": ExpectedEffect("The DiagnosticsStatusNotification that ends the upload.", _HOUR_S),
    "GetLog": ExpectedEffect("The LogStatusNotification that ends the upload.", _HOUR_S),
    "ReserveNow": ExpectedEffect("The reservation of the charge point; later the transaction that used it."),
    "CancelReservation": ExpectedEffect("The reservation that has ended."),
    "GetLocalListVersion": ExpectedEffect("The version of the list that the charge point has reported."),
    "SendLocalList": ExpectedEffect("The version of the list that the charge point has."),
    "SetChargingProfile": ExpectedEffect("The profile in the ledger of the charge point."),
    "ClearChargingProfile": ExpectedEffect(
        "That the profiles that fit have left the ledger of the charge point."
    ),
    "ChangeConfiguration": ExpectedEffect("The value in the configuration view."),
    "GetConfiguration": ExpectedEffect("The configuration view."),
    "CertificateSigned": ExpectedEffect("The certificate that the charge point uses."),
    "GetInstalledCertificateIds": ExpectedEffect("The list of installed certificates."),
    "InstallCertificate": ExpectedEffect("The certificate in the list of installed ones."),
    "DeleteCertificate": ExpectedEffect("The certificate that left the list of installed ones."),
}
"""By action. An action that is not here has no effect that is observed."""


def problem_of_settings(settings: Settings) -> str | None:
    """Return the problem of the settings that name actions; None: there is none.

    The text is one line that begins with the variable.
    """
    for text in settings.command_effect_windows:
        action, _ = seconds_of_action(text)
        if action not in EXPECTED:
            return f"{variable_of('command_effect_windows')}: no effect is observed of {action}"
        if action == "RemoteStartTransaction":
            own = variable_of("remote_start_window_s")
            return f"{variable_of('command_effect_windows')}: {own} sets the window of {action}"
    for text in settings.command_timeouts:
        action, _ = seconds_of_action(text)
        if not hasattr(v16, f"{action}Request"):
            return f"{variable_of('command_timeouts')}: {action} is not an action of OCPP 1.6"
    return None


def effect_windows(settings: Settings) -> dict[str, float]:
    """Return the seconds after which `no_effect` is noted, by action."""
    windows = {action: found.window_s for action, found in EXPECTED.items() if found.window_s is not None}
    windows |= dict(map(seconds_of_action, settings.command_effect_windows))
    # The ledger links a start within this window.
    return {**windows, "RemoteStartTransaction": settings.remote_start_window_s}


def seconds_of_action(text: str) -> tuple[str, float]:
    """Return the action and the seconds in a text such as `Reset=900`."""
    action, _, seconds = text.partition("=")
    return action, float(seconds)


def windows_text(settings: Settings) -> str:
    """Return the windows as JSON text, for the statement that ends a command."""
    return orjson.dumps(effect_windows(settings)).decode()


def steady_actions(windows: Mapping[str, float], steady_s: float) -> Sequence[str]:
    """Return the actions whose window is not longer than the time since the clock was last set."""
    return [action for action, window_s in windows.items() if window_s <= steady_s]


def booted(message_id: str, received_at: str) -> Json:
    """Return the effect of a Reset."""
    return {"observed": BOOTED, "messageId": message_id, "receivedAt": received_at}


def status_reported(connector_id: object, status: object, message_id: str, received_at: str) -> Json:
    """Return the effect of a ChangeAvailability."""
    return {
        "observed": STATUS_REPORTED,
        "connectorId": connector_id,
        "status": status,
        "messageId": message_id,
        "receivedAt": received_at,
    }


def message_received(action: str, connector_id: object, message_id: str, received_at: str) -> Json:
    """Return the effect of a TriggerMessage. connector_id: of the message; None: it names none."""
    place = {} if connector_id is None else {"connectorId": connector_id}
    return {
        "observed": MESSAGE_RECEIVED,
        "action": action,
        **place,
        "messageId": message_id,
        "receivedAt": received_at,
    }
