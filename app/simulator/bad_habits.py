"""The bad habits that a virtual charge point may have. `personas/chargers.toml` names the source of each one.

They change what is sent, never what the charge point means: its energy and its transactions stay as they are.
"""

from dataclasses import dataclass, field, fields
from typing import Literal


@dataclass(frozen=True, slots=True)
class BadHabits:
    """How one charge point differs from the standard. The defaults are the standard."""

    # Handshake and WebSocket.
    offers_no_subprotocol: bool = False
    origin: str = ""
    """The value of an Origin header; empty: none."""
    sends_no_pongs: bool = False
    # The text of frames.
    empty_transaction_id: bool = False
    """MeterValues has `"transactionId":,`."""
    stray_comma: bool = False
    """MeterValues has `"sampledValue":[,{`."""
    nul_in_boot: bool = False
    """A string of BootNotification holds the byte NUL."""
    cut_off_configuration: bool = False
    """The answer to GetConfiguration ends after its first array."""
    # Fields of messages.
    boot_fields: dict[str, str] = field(default_factory=dict)
    """Fields of BootNotification that replace those of the persona."""
    controller_error_code: str = ""
    """The errorCode of connector 0, which is reported as Faulted; empty: NoError."""
    status_fields: dict[str, str] = field(default_factory=dict)
    """Further fields of StatusNotification."""
    status_without_time: bool = False
    first_statuses_at_epoch: bool = False
    """The statuses after a boot have a time of 1970."""
    times_without_zone: str = ""
    """The name of a time zone: all times are local ones without a zone. Empty: UTC with Z."""
    authorize_names_connector: bool = False
    stop_transaction_id: Literal["", "0", "null"] = ""
    """The transactionId of StopTransaction; empty: the one from the central system."""
    meter_values_transaction_id: int = 0
    """The transactionId of MeterValues; 0: the one from the central system."""
    meter_value_as_object: bool = False
    numbers_as_values: bool = False
    """`value` of a sampled value is a number."""
    energy_called_wh: bool = False
    """Samples of the register count kWh, but bear the unit Wh."""
    empty_sampled_values: bool = False
    """The first element of MeterValues has no sampled value."""
    unknown_context: str = ""
    """A further sample has this unknown context; empty: none."""
    frequency_unit: str = ""
    """A further sample of the frequency has this unit; empty: none."""
    # Behaviour.
    session_meter: bool = False
    """The register begins at 0 with each transaction."""
    meter_values_after_stop: bool = False
    """One reading more follows a stop, with the transaction that has ended."""
    vendor_message: str = ""
    """A DataTransfer with this messageId follows each reading; empty: none."""
    silent_get_configuration: bool = False
    """GetConfiguration that names no keys is never answered."""
    keeps_stack_level_zero: bool = False
    """ClearChargingProfile does not remove a profile of stackLevel 0."""
    no_limits_in_amperes: bool = False
    """A composite schedule in amperes has the limit -1."""
    triggers_need_connector: bool = False
    """TriggerMessage for MeterValues without connectorId is rejected."""


NO_BAD_HABITS = BadHabits()
DEFAULTS: dict[str, object] = {each.name: getattr(NO_BAD_HABITS, each.name) for each in fields(BadHabits)}
"""The usual value of each habit, by name."""
