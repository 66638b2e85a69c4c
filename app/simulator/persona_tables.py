"""Prints the known personas and fleets: for a terminal, and as the table of `docs/simulator.md`."""

from collections.abc import Iterable

from app.simulator.persona_files import FleetPlan, KnownHabits


def persona_lines(personas: Iterable[KnownHabits]) -> str:
    """Return the personas for a terminal: name and description, then each habit with its source."""
    lines: list[str] = []
    for persona in personas:
        lines.append(f"{persona.name:<18} {persona.description}")
        lines += [f"{'':<18}   {habit}: {source}" for habit, source in persona.sources.items()]
    return "\n".join(lines)


def fleet_lines(fleets: Iterable[FleetPlan]) -> str:
    """Return the fleets for a terminal: name and description, then each group with its share."""
    lines: list[str] = []
    for fleet in fleets:
        lines.append(f"{fleet.name:<18} {fleet.description}")
        total = sum(group.share for group in fleet.groups)
        for group in fleet.groups:
            hardware = group.hardware
            kind = "DC" if hardware.direct_current else "AC"
            name = group.persona or f"{hardware.vendor} {hardware.model}"
            lines.append(
                f"{'':<18}   {group.share}/{total} {name}: {hardware.connectors} x {kind} "
                f"{hardware.power_w / 1000:g} kW"
            )
    return "\n".join(lines)


def persona_markdown(personas: Iterable[KnownHabits]) -> str:
    """Return the personas as a Markdown table."""
    lines = ["| persona | what it does | counted deviations | sources |", "|---|---|---|---|"]
    for persona in personas:
        deviations = ", ".join(f"`{code}`" for code in persona.deviations) or "none"
        links = dict.fromkeys(persona.sources.values())
        sources = ", ".join(f"[{_short(source)}]({source})" for source in links)
        lines.append(f"| `{persona.name}` | {persona.description} | {deviations} | {sources} |")
    return "\n".join(lines)


def _short(source: str) -> str:
    """Return owner, repository and number of a report on GitHub, such as lbbrhzn/ocpp#2032."""
    parts = source.removeprefix("https://github.com/").split("/")
    return f"{parts[0]}/{parts[1]}#{parts[3]}" if len(parts) == 4 else source
