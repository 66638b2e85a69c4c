"""Each persona lives a session on the real server: no money is lost, and its deviations are counted."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.composition import WorkerParts
from app.settings import Settings
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.persona_files import known_personas
from app.tenants.store import TenantStore
from tests.support.gateway import GatewayServer
from tests.support.gateway_fixtures import ModuleServer
from tests.support.server import Operator
from tests.support.simulated import Simulation, new_token, simulating

pytestmark = pytest.mark.slow
PERSONAS = sorted(known_personas())


@dataclass
class Life:
    """One persona after its session, and how the API shows it."""

    charge_point: VirtualChargePoint
    errors: dict[str, int]
    transactions: list[dict[str, Any]] = field(default_factory=list)
    connectors: list[dict[str, Any]] = field(default_factory=list)
    deviations: dict[str, int] = field(default_factory=dict)


async def _live(server: GatewayServer, directory: Path, token: str, name: str) -> Life:
    async with simulating(
        server,
        directory / name,
        token=token,
        persona=name,
        prefix=name.upper(),
        pace="brisk",
        speed=60.0,
    ) as simulation:
        await simulation.until(lambda: simulation.charge_point.transactions_stopped > 0)
    return await _told(simulation, server, token)


async def _told(simulation: Simulation, server: GatewayServer, token: str) -> Life:
    async with Operator(f"http://127.0.0.1:{server.port}", token) as operator:
        after = Simulation(server, operator, simulation.fleet)
        page = await operator.get("/transactions", charge_point=after.identity, limit=100)
        connectors = await operator.get(f"{after.path}/connectors")
        return Life(
            after.charge_point,
            dict(simulation.fleet.statistics.errors),
            page["items"],
            connectors["items"],
            await after.deviations(),
        )


@pytest.fixture(scope="module")
async def lives(
    module_server: ModuleServer, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Life]:
    """All personas at the same time, because each one takes seconds."""
    parts: WorkerParts = module_server.app.state.services.get(WorkerParts)
    database = parts.storage.database
    async with database.platform() as work:
        tenant = await TenantStore(work).create("personas", "Personas")
    server = GatewayServer(module_server.port, module_server.app, database, tenant, settings)
    token = await new_token(server)
    directory = tmp_path_factory.mktemp("personas")
    found = await asyncio.gather(*(_live(server, directory, token, name) for name in PERSONAS))
    return dict(zip(PERSONAS, found, strict=True))


@pytest.mark.parametrize("name", PERSONAS)
def test_nothing_that_is_worth_money_is_lost(lives: dict[str, Life], name: str) -> None:
    life = lives[name]
    assert len(life.transactions) == life.charge_point.transactions_started > 0
    assert all(row["stopped_at"] is not None for row in life.transactions)
    assert sum(row["energy_wh"] for row in life.transactions) == life.charge_point.energy_wh
    assert all(row["id_tag"].startswith("SIM-") for row in life.transactions)
    assert not [error for error in life.errors if "given up" in error or "fault" in error], life.errors


@pytest.mark.parametrize("name", PERSONAS)
def test_its_deviations_are_counted(lives: dict[str, Life], name: str) -> None:
    assert set(lives[name].deviations) == set(known_personas()[name].deviations)


@pytest.mark.parametrize("name", PERSONAS)
def test_its_connectors_are_known(lives: dict[str, Life], name: str) -> None:
    life = lives[name]
    shown = {row["connector_id"] for row in life.connectors}
    assert shown >= {row.connector_id for row in life.charge_point.connectors}
