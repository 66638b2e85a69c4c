"""One connector and its drivers: plug in, present a card, charge, leave. Pure logic in virtual time.

A visit goes through the states of OCPP 1.6 4.9; each step plans the next one on the agenda:

    Available -> arrive -> Preparing -> card -> Authorize -> start -> Charging <-> SuspendedEV / SuspendedEVSE
    -> stop -> Finishing -> unplug -> Available -> (pause) -> arrive

All random facts of a visit are drawn when it begins, so that neither the network nor a command changes what
later drivers do. Each visit has a number, so that a planned step of an earlier visit does nothing.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from app.clock import utc_text
from app.simulator.agenda import Agenda
from app.simulator.charging_profiles import VirtualProfiles
from app.simulator.configuration import VirtualConfiguration
from app.simulator.local_list import VirtualLocalList
from app.simulator.meter import VOLTAGE_V, Meter, Vehicle, sampled_values
from app.simulator.outbox import VirtualTransaction
from app.simulator.persona import UNKNOWN_TAG, Persona

Status = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
]
CHARGING: frozenset[Status] = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})
_LEAST_A = 6.0
"""With less current on each phase a vehicle does not charge (IEC 61851): SuspendedEVSE."""


class Host(Protocol):
    """The charge point as its connectors need it."""

    agenda: Agenda
    persona: Persona
    configuration: VirtualConfiguration
    profiles: VirtualProfiles
    local_list: VirtualLocalList

    def report_status(self, connector: "VirtualConnector") -> None:
        """Report a changed status."""

    def authorize(self, id_tag: str, done: Callable[[bool], None]) -> None:
        """Ask whether an id tag may charge, or decide locally when offline."""

    def transaction_message(
        self, action: str, payload: dict[str, Any], transaction: VirtualTransaction
    ) -> None:
        """Queue a message of a transaction, which must arrive."""

    def send(self, action: str, payload: dict[str, Any]) -> object:
        """Queue an ordinary message."""

    def transaction_ended(
        self, connector: "VirtualConnector", transaction: VirtualTransaction, energy_wh: int
    ) -> None:
        """Count a finished transaction."""


@dataclass(frozen=True, slots=True)
class HeldReservation:
    """A reservation of this connector (OCPP 1.6 5.13)."""

    reservation_id: int
    id_tag: str
    parent_id_tag: str | None
    expiry: datetime

    def admits(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Tell whether a driver may use the connector. parent_id_tag: as far as the charge point knows it."""
        if self.id_tag.lower() == id_tag.lower():
            return True
        return None not in (self.parent_id_tag, parent_id_tag) and self.parent_id_tag == parent_id_tag


@dataclass(frozen=True, slots=True)
class Visit:
    """The random facts of one driver's visit, in virtual seconds and watt hours."""

    id_tag: str
    card_after_s: float
    stay_s: float
    unplug_after_s: float
    pause_s: float
    battery_wh: float
    soc: float
    power_w: float

    @classmethod
    def draw(cls, chance: random.Random, persona: Persona) -> "Visit":
        """Draw a visit, always with the same number of random draws."""
        stranger, tag = chance.random() < 0.04, chance.choice(persona.id_tags)
        return cls(
            id_tag=UNKNOWN_TAG if stranger else tag,
            card_after_s=chance.uniform(2, 8),
            stay_s=chance.uniform(*persona.habits.stay_s),
            unplug_after_s=chance.uniform(2, 15),
            pause_s=chance.uniform(*persona.habits.pause_s),
            battery_wh=chance.uniform(30_000, 90_000),
            soc=chance.uniform(10, 75),
            power_w=persona.power_w * chance.uniform(0.4, 1.1),
        )


class VirtualConnector:
    """The state of one connector. Methods named after commands return whether they can be carried out."""

    def __init__(self, connector_id: int, host: Host) -> None:
        self.connector_id = connector_id
        self.status: Status = "Available"
        self.status_since_s = 0.0
        self.transaction: VirtualTransaction | None = None
        self.available = True
        self.reservation: HeldReservation | None = None
        self._host = host
        self._chance = host.persona.random(f"connector {connector_id}")
        # The register follows the calendar, so that it does not fall between two runs of the simulator.
        age_s = host.agenda.origin.timestamp() - 1_577_836_800
        self.meter = Meter(max(0.0, age_s * 400 / 3600) + self._chance.uniform(0, 1000))
        self._visit = self._draw()
        self._number = 0
        self._vehicle = Vehicle(self._visit.battery_wh, self._visit.soc, self._visit.power_w)
        self._metered_s = 0.0
        self._readings: list[dict[str, Any]] = []

    @property
    def energy_wh(self) -> int:
        """Return the energy of the running transaction up to its last reading; 0 without a transaction."""
        transaction = self.transaction
        return 0 if transaction is None else self.meter.register_wh - transaction.meter_start_wh

    def power_up(self) -> None:
        """Start to receive drivers."""
        self._number += 1
        self._set(self._resting())
        self._later(self._visit.pause_s, self._arrive)

    # -- a visit, step by step ------------------------------------------------------------------

    def _arrive(self) -> None:
        if self.status != "Available":
            self._later(self._visit.pause_s, self._arrive)
            return
        self._plug_in(self._visit)
        self._later(self._visit.card_after_s, self._present_card)

    def _plug_in(self, visit: Visit) -> None:
        self._visit = visit
        self._vehicle = Vehicle(visit.battery_wh, visit.soc, visit.power_w)
        self._set("Preparing")

    def _present_card(self) -> None:
        number = self._number

        def done(accepted: bool) -> None:
            if number != self._number or self.status != "Preparing":
                return
            if accepted:
                self._start(self._visit.id_tag)
            else:
                self._unplug()

        self._host.authorize(self._visit.id_tag, done)

    def _start(self, id_tag: str) -> None:
        agenda = self._host.agenda
        self._metered_s = agenda.now_s
        if self._host.persona.bad_habits.session_meter:
            self.meter.restart()
        transaction = VirtualTransaction(self.connector_id, id_tag, agenda.now_s, self.meter.register_wh)
        self.transaction = transaction
        payload: dict[str, Any] = {
            "connectorId": self.connector_id,
            "idTag": id_tag,
            "meterStart": transaction.meter_start_wh,
            "timestamp": _text(agenda),
        }
        if self.reservation is not None and self._is_admitted(id_tag):
            payload["reservationId"] = self.reservation.reservation_id
        self.reservation = None
        self._host.transaction_message("StartTransaction", payload, transaction)
        self._readings = [self._reading("Transaction.Begin")]
        self._set("Charging")
        self._later(self._visit.stay_s, lambda: self.stop("Local"))
        self._later(self._sample_interval_s(), self._sample)

    def _sample(self) -> None:
        transaction = self.transaction
        if transaction is None:
            return
        self.settle()
        if self._host.configuration.integer("MeterValueSampleInterval"):
            payload = {"connectorId": self.connector_id, "meterValue": [self._reading("Sample.Periodic")]}
            self._host.transaction_message("MeterValues", payload, transaction)
            self._send_vendor_message()
        self._later(self._sample_interval_s(), self._sample)

    def stop(self, reason: str, *, only: VirtualTransaction | None = None) -> bool:
        """End the transaction with a reason of OCPP 1.6 7.36; return whether it, or `only`, was running."""
        transaction = self.transaction
        if transaction is None or (only is not None and transaction is not only):
            return False
        self.settle()
        payload: dict[str, Any] = {
            "meterStop": self.meter.register_wh,
            "timestamp": _text(self._host.agenda),
            "reason": reason,
        }
        if reason == "Local":
            payload["idTag"] = transaction.id_tag
        if self._host.persona.reports_transaction_data:
            payload["transactionData"] = [*self._readings, self._reading("Transaction.End")]
        self._host.transaction_message("StopTransaction", payload, transaction)
        if self._host.persona.bad_habits.meter_values_after_stop:
            late = {"connectorId": self.connector_id, "meterValue": [self._reading("Sample.Periodic")]}
            self._host.transaction_message("MeterValues", late, transaction)
        energy_wh = self.energy_wh
        self.transaction = None
        self.meter.idle()
        self._host.profiles.end_transaction(self.connector_id)
        self._host.transaction_ended(self, transaction, energy_wh)
        self._number += 1
        self._set("Finishing")
        self._later(self._visit.unplug_after_s, self._unplug)
        return True

    def _unplug(self) -> None:
        pause_s = self._visit.pause_s
        self._visit = self._draw()
        self._number += 1
        self._set(self._resting())
        self._later(pause_s, self._arrive)

    def leave(self) -> None:
        """End the run: stop charging, and receive no further drivers."""
        if not self.stop("Local") and self.status in ("Preparing", "Finishing"):
            self._set("Available")
        self._number += 1

    # -- what commands do -----------------------------------------------------------------------

    def remote_start(self, id_tag: str, *, ask_first: bool) -> bool:
        """Start for a driver with an app, who plugs in at once if necessary and needs no card (5.11)."""
        if self.status not in ("Available", "Preparing", "Reserved") or self.transaction is not None:
            return False
        if not self._is_admitted(id_tag):
            return False
        self._number += 1
        if self.status != "Preparing":
            self._plug_in(self._visit)
        number = self._number

        def begin(accepted: bool = True) -> None:
            if number != self._number or self.status != "Preparing":
                return
            if accepted:
                self._start(id_tag)
            else:
                self._unplug()

        self._later(2.0, lambda: self._host.authorize(id_tag, begin) if ask_first else begin())
        return True

    def change_availability(self, available: bool) -> bool:
        """Take the connector in or out of service (5.2); return False if that waits for a transaction."""
        self.available = available
        if self.transaction is not None or self.status in ("Preparing", "Finishing"):
            return available
        self._set(self._resting())
        return True

    def reserve(self, held: HeldReservation) -> str:
        """Answer ReserveNow for this connector (5.13). The same number replaces the reservation."""
        is_same = self.reservation is not None and self.reservation.reservation_id == held.reservation_id
        if self.status == "Available" or (self.status == "Reserved" and is_same):
            self.reservation = held
            self._set("Reserved")
            return "Accepted"
        return "Unavailable" if self.status == "Unavailable" else "Occupied"

    def release(self, reservation_id: int) -> bool:
        """End a reservation; return whether it was held here."""
        if self.reservation is None or self.reservation.reservation_id != reservation_id:
            return False
        self.reservation = None
        if self.status == "Reserved":
            self._set(self._resting())
        return True

    def expire(self, held: HeldReservation) -> None:
        """End a reservation at its expiry, unless it was replaced or used."""
        if self.reservation is held:
            self.release(held.reservation_id)

    def _is_admitted(self, id_tag: str) -> bool:
        held = self.reservation
        return held is None or held.admits(id_tag, self._host.local_list.parent(id_tag))

    def power_down(self, reason: str) -> None:
        """Reset: end the transaction and the visit; the driver unplugs in the meantime."""
        self.stop(reason)
        self._number += 1
        self._visit = self._draw()
        self.status = self._resting()
        self.status_since_s = self._host.agenda.now_s

    def current_reading(self) -> dict[str, Any]:
        """Return a reading on demand (TriggerMessage, 5.17)."""
        self.settle()
        return self._reading("Trigger")

    # -- internals ------------------------------------------------------------------------------

    def _resting(self) -> Status:
        """Return the status without a vehicle."""
        if not self.available:
            return "Unavailable"
        return "Available" if self.reservation is None else "Reserved"

    def _draw(self) -> Visit:
        return Visit.draw(self._chance, self._host.persona)

    def _later(self, delay_s: float, step: Callable[[], object]) -> None:
        number = self._number
        self._host.agenda.after(delay_s, lambda: step() if number == self._number else None)

    def _sample_interval_s(self) -> float:
        # 0 switches periodic readings off (chapter 9). A check each hour finds out if they are wanted again.
        return float(self._host.configuration.integer("MeterValueSampleInterval") or 3600)

    def settle(self) -> None:
        """Meter the energy since the last call, and update whether the vehicle charges."""
        host, transaction = self._host, self.transaction
        if transaction is None:
            return
        now_s, started = host.agenda.now_s, host.agenda.time(transaction.started_s)
        limit_w = host.profiles.limit_w(self.connector_id, host.agenda.time(), started)
        least_w = _LEAST_A * VOLTAGE_V * (1 if host.persona.direct_current else host.persona.phases)
        limit_w = 0.0 if limit_w < least_w else min(limit_w, host.persona.power_w)
        self.meter.deliver(self._vehicle, limit_w, now_s - self._metered_s)
        self._metered_s = now_s
        if limit_w == 0.0:
            self._set("SuspendedEVSE")
        else:
            self._set("SuspendedEV" if self._vehicle.accepts_w() == 0.0 else "Charging")

    def _send_vendor_message(self) -> None:
        persona = self._host.persona
        if name := persona.bad_habits.vendor_message:
            data = f"{self.connector_id},{self.status},NoError"
            self._host.send("DataTransfer", {"vendorId": persona.vendor, "messageId": name, "data": data})

    def _reading(self, context: str) -> dict[str, Any]:
        host = self._host
        values = sampled_values(
            self.meter,
            self._vehicle,
            phases=host.persona.phases,
            measurands=host.configuration.measurands(),
            context=context,
        )
        return {"timestamp": _text(host.agenda), "sampledValue": values}

    def _set(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.status_since_s = self._host.agenda.now_s
            self._host.report_status(self)


def _text(agenda: Agenda) -> str:
    return utc_text(agenda.time())
