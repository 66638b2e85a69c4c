"""Makes the personas of a run: drawn by chance, of one persona, or of an illustrative fleet."""

from dataclasses import replace

from app.simulator.persona import Pace, Persona, make_fleet, make_persona
from app.simulator.persona_files import FleetGroup, fleet_of, persona_of


def line_up(
    count: int, seed: str, pace: Pace, prefix: str, *, persona: str | None = None, fleet: str | None = None
) -> list[Persona]:
    """Return `count` personas, the same for the same seed. A larger count only adds at the end.

    Raises:
        SimulatorError: there is no such persona or fleet.
    """
    if persona is not None:
        known = persona_of(persona)
        group = FleetGroup(1, known.hardware, known.habits, known.name)
        return [_of(group, number, seed, pace, prefix) for number in range(1, count + 1)]
    if fleet is not None:
        plan = fleet_of(fleet)
        return [_of(plan.group_of(number), number, seed, pace, prefix) for number in range(1, count + 1)]
    return make_fleet(count, seed, pace=pace, prefix=prefix)


def _of(group: FleetGroup, number: int, seed: str, pace: Pace, prefix: str) -> Persona:
    made = make_persona(number, seed, pace, prefix, group.hardware)
    return replace(made, bad_habits=group.habits, name=group.persona)
