"""Runs simulated charge points against a real server, with an operator who watches them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.administration import create_key
from app.clock import SystemClock
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.fleet import Fleet, FleetOptions
from tests.support.gateway import GatewayServer
from tests.support.server import Operator

_WAIT_S = 50.0


class Unseen:
    """Shows nothing of a run."""

    async def show(self, fleet: Fleet) -> None:
        await asyncio.Event().wait()


@dataclass
class Simulation:
    """A run of simulated charge points, and the operator who watches them."""

    server: GatewayServer
    operator: Operator
    fleet: Fleet

    @property
    def charge_point(self) -> VirtualChargePoint:
        """The first charge point."""
        return self.fleet.charge_points[0]

    @property
    def identity(self) -> str:
        """The identity of the first charge point."""
        return self.charge_point.persona.identity

    @property
    def path(self) -> str:
        """The path of the first charge point."""
        return f"/charge-points/{self.identity}"

    async def command(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Issue a command, and return it when it has ended."""
        found: dict[str, Any] = await self.operator.command(self.identity, action, payload)
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true of the charge points."""
        async with asyncio.timeout(_WAIT_S):
            while not condition():  # noqa: ASYNC110 - there is nothing to subscribe to
                await asyncio.sleep(0.02)

    async def until_shown(self, path: str, fits: Callable[[Any], bool], **query: Any) -> Any:
        """Wait until the API shows something, and return it."""
        shown: Any = None
        try:
            async with asyncio.timeout(_WAIT_S):
                while True:
                    shown = await self.operator.get(path, **query)
                    if fits(shown):
                        return shown
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{path} shows {shown}; errors {self.fleet.statistics.errors}") from None

    async def deviations(self) -> dict[str, int]:
        """Return the deviations of the first charge point that the server has counted, by code."""
        await self.server.deviations.flush()
        page = await self.operator.get(f"{self.path}/deviations")
        return {item["code"]: item["count"] for item in page["items"]}


async def new_token(server: GatewayServer) -> str:
    """Make an API key of the tenant of a server."""
    return await create_key(
        server.database,
        server.settings.credential_pepper,
        tenant=server.tenant.slug,
        name="simulation",
        scopes=("read", "command", "write", "admin"),
    )


@asynccontextmanager
async def simulating(
    server: GatewayServer, directory: Path, *, token: str | None = None, **changes: Any
) -> AsyncIterator[Simulation]:
    """Run charge points until the block ends. changes: to the options; the default is a steady one.

    The virtual time ends at the real time, so no time of a charge point is in the future.
    """
    token = token or await new_token(server)
    values: dict[str, Any] = {
        "url": f"ws://127.0.0.1:{server.port}",
        "tenant": server.tenant.slug,
        "count": 1,
        "credentials": directory / "credentials.json",
        "speed": 20.0,
        "duration_s": 120.0,
        "steady": True,
        "api_key": token,
    }
    fleet = Fleet(FleetOptions(**{**values, **changes}), SystemClock())
    stop = asyncio.Event()
    async with Operator(f"http://127.0.0.1:{server.port}", token) as operator:
        run = asyncio.create_task(fleet.run(stop, Unseen()))
        try:
            simulation = Simulation(server, operator, fleet)
            await _until_accepted(simulation, run)
            yield simulation
        finally:
            stop.set()
            await run


async def _until_accepted(simulation: Simulation, run: "asyncio.Task[None]") -> None:
    def is_ready() -> bool:
        points = simulation.fleet.charge_points
        return run.done() or (bool(points) and all(row.registration == "Accepted" for row in points))

    await simulation.until(is_ready)
    if run.done():
        run.result()
