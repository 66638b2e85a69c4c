"""Shows a run: a live table on a terminal, plain lines elsewhere, and a summary at the end."""

import asyncio

from rich.console import Console
from rich.live import Live
from rich.table import Table

from app.simulator.fleet import Display, Fleet

_REFRESH_S = 0.5
_LINE_EVERY_S = 5.0


def display_for(console: Console) -> Display:
    """Return a live table for a terminal, else lines."""
    return LiveDisplay(console) if console.is_terminal else LineDisplay(console)


class LineDisplay:
    """Prints one line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, fleet: Fleet) -> None:
        """Show until cancelled."""
        while True:
            await asyncio.sleep(_LINE_EVERY_S)
            facts = ", ".join(f"{name} {value}" for name, value in _facts(fleet))
            self._console.print(facts, soft_wrap=True, highlight=False)


class LiveDisplay:
    """Shows a table that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, fleet: Fleet) -> None:
        """Show until cancelled."""
        with Live(_table(fleet), console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(_table(fleet), refresh=True)
                await asyncio.sleep(_REFRESH_S)


def print_summary(console: Console, fleet: Fleet) -> None:
    """Print what the run did, and how often each error occurred."""
    statistics = fleet.statistics
    table = Table(title="Simulation", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    half, most = statistics.quantile_s(0.5), statistics.quantile_s(0.99)
    rows = [
        ("charge points", str(len(fleet.charge_points))),
        ("connections", str(statistics.connections)),
        ("messages sent", str(statistics.sent.total())),
        ("messages answered", str(statistics.answered.total())),
        ("commands received", str(statistics.commands.total())),
        ("transactions started", str(sum(row.transactions_started for row in fleet.charge_points))),
        ("transactions stopped", str(sum(row.transactions_stopped for row in fleet.charge_points))),
        ("transaction messages still queued", str(_queued(fleet))),
        ("transaction messages given up", str(sum(row.outbox.discarded for row in fleet.charge_points))),
        ("energy", f"{sum(row.energy_wh for row in fleet.charge_points) / 1000:.3f} kWh"),
        ("answer time, half / 99 %", f"{_milliseconds(half)} / {_milliseconds(most)}"),
        ("errors", str(statistics.errors.total())),
    ]
    for name, value in rows:
        table.add_row(name, value)
    for reason, count in statistics.errors.most_common():
        table.add_row(f"  {reason}", str(count))
    console.print(table)


def _table(fleet: Fleet) -> Table:
    table = Table(title=f"Simulating tenant {fleet.options.tenant}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in _facts(fleet):
        table.add_row(name, value)
    return table


def _facts(fleet: Fleet) -> list[tuple[str, str]]:
    statistics, charge_points = fleet.statistics, fleet.charge_points
    last = statistics.quantile_s(0.5)
    return [
        ("connected", f"{statistics.connected}/{len(charge_points)}"),
        ("charging connectors", str(sum(row.charging for row in charge_points))),
        ("power", f"{sum(row.power_w for row in charge_points) / 1000:.1f} kW"),
        ("transactions", str(sum(row.transactions_started for row in charge_points))),
        ("energy", f"{sum(row.energy_wh for row in charge_points) / 1000:.3f} kWh"),
        ("messages", str(statistics.messages)),
        ("queued", str(_queued(fleet))),
        ("answer time", _milliseconds(last)),
        ("errors", str(statistics.errors.total())),
    ]


def _queued(fleet: Fleet) -> int:
    return sum(len(row.outbox.transactional) for row in fleet.charge_points)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f} ms"
