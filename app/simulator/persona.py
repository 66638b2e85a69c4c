"""The personas of virtual charge points: hardware, habits and drivers, all drawn from one seed."""

import random
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.simulator.bad_habits import NO_BAD_HABITS, BadHabits

Pace = Literal["brisk", "normal"]
Span = tuple[float, float]

UNKNOWN_TAG = "SIM-STRANGER"
"""An id tag that is never registered: some drivers present the wrong card."""


class Hardware(NamedTuple):
    """A model of charge point. power_w: of each connector. firmware: empty if it is drawn by chance."""

    vendor: str
    model: str
    connectors: int
    phases: int
    power_w: int
    direct_current: bool
    firmware: str = ""


_MODELS = (
    Hardware("Nordlys", "Fjord 22", 2, 3, 22_080, False),
    Hardware("Kestrel Energy", "Wallbox 11", 1, 3, 11_040, False),
    Hardware("Kestrel Energy", "Wallbox 7", 1, 1, 7_360, False),
    Hardware("Volterra", "Rapid 50", 1, 3, 50_000, True),
    Hardware("Volterra", "Plaza 150", 2, 3, 150_000, True),
)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long things take, in virtual seconds; each pair is the shortest and the longest."""

    pause_s: Span
    stay_s: Span
    sample_interval_s: int
    online_s: Span
    offline_s: Span


HABITS: dict[Pace, Pacing] = {
    # A person who watches should see a whole transaction within a few minutes.
    "brisk": Pacing((5, 30), (60, 300), 10, (240, 900), (15, 60)),
    # The use of a public charge point.
    "normal": Pacing((300, 5400), (900, 7200), 60, (7200, 43_200), (60, 1800)),
}


@dataclass(frozen=True, slots=True)
class Persona:
    """Everything that never changes about one virtual charge point."""

    identity: str
    seed: str
    vendor: str
    model: str
    serial_number: str
    firmware_version: str
    connectors: int
    phases: int
    power_w: int
    direct_current: bool
    id_tags: tuple[str, ...]
    habits: Pacing
    repeats_message_id: bool
    """Whether a repeated transaction message keeps its message id. Real charge points do either."""
    reports_transaction_data: bool
    """Whether StopTransaction carries the first and last reading (OCPP 1.6 6.49)."""
    uploads_form: bool = False
    """Whether files are uploaded by POST of a form, instead of PUT."""
    bad_habits: BadHabits = NO_BAD_HABITS
    name: str = ""
    """The name of the persona in `personas/chargers.toml`; empty: it has no bad habits."""

    def boot_facts(self) -> dict[str, str]:
        """Return the fields of BootNotification that never change."""
        return {
            "chargePointVendor": self.vendor,
            "chargePointModel": self.model,
            "chargePointSerialNumber": self.serial_number,
        }

    def random(self, purpose: str) -> random.Random:
        """Return a random stream for one purpose; draws for one purpose do not change another."""
        return random.Random(f"{self.seed}/{self.identity}/{purpose}")  # noqa: S311


def fleet_tags(count: int) -> list[str]:
    """Return the id tags of the drivers of `count` charge points: two for each."""
    return [f"SIM-TAG-{number:05d}" for number in range(1, 2 * count + 1)]


def make_fleet(count: int, seed: str, *, pace: Pace = "normal", prefix: str = "SIM") -> list[Persona]:
    """Return `count` personas, the same for the same seed. A larger count only adds at the end."""
    return [make_persona(number, seed, pace, prefix) for number in range(1, count + 1)]


def make_persona(
    number: int, seed: str, pace: Pace, prefix: str, hardware: Hardware | None = None
) -> Persona:
    """Return one persona. number: counted from 1. hardware: None: drawn by chance."""
    identity = f"{prefix}-{number:05d}"
    draw = random.Random(f"{seed}/{identity}")  # noqa: S311
    drawn = draw.choice(_MODELS)
    model = hardware or drawn
    serial_number = f"{draw.randrange(16**8):08X}"
    firmware = f"{draw.randint(1, 4)}.{draw.randint(0, 12)}.{draw.randint(0, 9)}"
    return Persona(
        identity=identity,
        seed=seed,
        vendor=model.vendor,
        model=model.model,
        serial_number=serial_number,
        firmware_version=model.firmware or firmware,
        connectors=model.connectors,
        phases=model.phases,
        power_w=model.power_w,
        direct_current=model.direct_current,
        id_tags=(f"SIM-TAG-{2 * number - 1:05d}", f"SIM-TAG-{2 * number:05d}"),
        habits=HABITS[pace],
        repeats_message_id=draw.random() < 0.5,
        reports_transaction_data=draw.random() < 0.5,
        uploads_form=draw.random() < 0.5,
    )
