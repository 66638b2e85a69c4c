"""The energy meter of one connector, and the vehicle that draws from it."""

from dataclasses import dataclass

FULL_SOC = 100.0
TAPER_SOC = 80.0
"""Above this state of charge in percent a battery takes less and less power."""
VOLTAGE_V = 230.0


@dataclass(slots=True)
class Vehicle:
    """A vehicle with its battery. `soc` is the state of charge in percent, 0 to 100."""

    battery_wh: float
    soc: float
    power_w: float

    def accepts_w(self) -> float:
        """Return the power that the battery takes now, in watts; 0 when it is full."""
        if self.soc >= FULL_SOC:
            return 0.0
        if self.soc <= TAPER_SOC:
            return self.power_w
        share = (FULL_SOC - self.soc) / (FULL_SOC - TAPER_SOC)
        return self.power_w * max(0.08, share)

    def take(self, energy_wh: float) -> None:
        """Store energy, in watt hours."""
        self.soc = min(FULL_SOC, self.soc + 100.0 * energy_wh / self.battery_wh)


class Meter:
    """A register in watt hours that never falls, except by `restart`."""

    _STEP_S = 10.0

    def __init__(self, register_wh: float) -> None:
        self._register_wh = register_wh
        self.power_w = 0.0

    @property
    def register_wh(self) -> int:
        """Return the reading in whole watt hours."""
        return int(self._register_wh)

    def deliver(self, vehicle: Vehicle, limit_w: float, seconds: float) -> None:
        """Deliver energy for some virtual seconds, never above `limit_w`."""
        remaining_s = max(0.0, seconds)
        while remaining_s > 0.0:
            step_s = min(self._STEP_S, remaining_s)
            energy_wh = max(0.0, min(limit_w, vehicle.accepts_w())) * step_s / 3600.0
            self._register_wh += energy_wh
            vehicle.take(energy_wh)
            remaining_s -= step_s
        self.power_w = max(0.0, min(limit_w, vehicle.accepts_w()))

    def restart(self) -> None:
        """Begin at 0, as the meters of some charge points do with each transaction."""
        self._register_wh = 0.0

    def idle(self) -> None:
        """Stop the flow of energy."""
        self.power_w = 0.0


def sampled_values(
    meter: Meter, vehicle: Vehicle, *, phases: int, measurands: frozenset[str], context: str
) -> list[dict[str, str]]:
    """Return the reading as the `sampledValue` array of OCPP 1.6 7.43, with the measurands asked for.

    The energy register is always included, because billing needs it.
    """
    rows = [("Energy.Active.Import.Register", str(meter.register_wh), "Wh", "Outlet")]
    rows.append(("Power.Active.Import", f"{meter.power_w:.1f}", "W", "Outlet"))
    rows.append(("Current.Import", f"{meter.power_w / (VOLTAGE_V * phases):.1f}", "A", "Outlet"))
    rows.append(("Voltage", f"{VOLTAGE_V:.0f}", "V", "Outlet"))
    rows.append(("SoC", f"{vehicle.soc:.0f}", "Percent", "EV"))
    return [
        {"value": value, "context": context, "measurand": measurand, "unit": unit, "location": location}
        for number, (measurand, value, unit, location) in enumerate(rows)
        if number == 0 or measurand in measurands
    ]
