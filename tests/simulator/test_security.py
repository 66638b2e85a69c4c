"""Simulated charge points speak TLS, change keys, raise their security profile, and get certificates."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.clock import SystemClock
from app.simulator.credentials import CredentialFile
from app.simulator.fleet import Fleet, FleetOptions
from app.simulator.tls import TlsFiles
from tests.support.gateway import GatewayServer
from tests.support.simulated import Simulation, Unseen, new_token, simulating
from tests.support.tls_proxy import Authority, TlsProxy, tls_proxy

pytestmark = pytest.mark.slow


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path, "root")


@pytest.fixture
async def proxy(server: GatewayServer, authority: Authority) -> AsyncIterator[TlsProxy]:
    async with tls_proxy(authority, server.port) as running:
        yield running


async def profile_of(simulation: Simulation) -> str:
    shown = await simulation.command("GetConfiguration", {"key": ["SecurityProfile"]})
    value: str = shown["result"]["configurationKey"][0]["value"]
    return value


async def test_it_connects_and_registers_by_tls(
    server: GatewayServer, proxy: TlsProxy, authority: Authority, tmp_path: Path
) -> None:
    trust = TlsFiles(ca_file=authority.root)
    url = f"wss://127.0.0.1:{proxy.port}"
    async with simulating(server, tmp_path, url=url, tls=trust) as simulation:
        assert await profile_of(simulation) == "2"
        shown = await simulation.operator.get(simulation.path)
        assert shown["connected"] is True
    assert proxy.clients[-1] is None


async def test_a_server_that_is_not_trusted_gets_nothing(
    server: GatewayServer, proxy: TlsProxy, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path, "other")
    CredentialFile(tmp_path / "known.json").remember({"SIM-00001": "00" * 20})
    options = FleetOptions(
        url=f"wss://127.0.0.1:{proxy.port}",
        tenant=server.tenant.slug,
        count=1,
        credentials=tmp_path / "known.json",
        duration_s=1.0,
        tls=TlsFiles(ca_file=other.root),
    )
    fleet = Fleet(options, SystemClock())
    await fleet.run(asyncio.Event(), Unseen())
    assert not fleet.succeeded
    assert fleet.statistics.errors["no TLS: CERTIFICATE_VERIFY_FAILED"] >= 1
    assert fleet.statistics.connections == 0


async def test_profile_3_shows_the_certificate_and_no_password(
    server: GatewayServer, authority: Authority, tmp_path: Path
) -> None:
    await server.register("SIM-00001", credential_hash=None, no_credential=True)
    chargers = Authority.make(tmp_path, "chargers")
    certificate, key = chargers.issue("SIM-00001")
    generic = (Path(str(path).replace("SIM-00001", "{identity}")) for path in (certificate, key))
    token = await new_token(server)
    async with tls_proxy(authority, server.port, chargers) as proxy:
        options = FleetOptions(
            url=f"wss://127.0.0.1:{proxy.port}",
            tenant=server.tenant.slug,
            count=1,
            credentials=tmp_path / "none.json",
            tls=TlsFiles(authority.root, *generic),
        )
        fleet, stop = Fleet(options, SystemClock()), asyncio.Event()
        run = asyncio.create_task(fleet.run(stop, Unseen()))
        async with asyncio.timeout(12):
            while not fleet.statistics.answered["BootNotification"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        stop.set()
        await run
    assert token
    assert proxy.clients == ["SIM-00001"]
    assert fleet.charge_points[0].security.profile == 3


async def test_a_key_is_rotated(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path) as simulation:
        await simulation.operator.post(f"{simulation.path}/credential/rotations", {})
        await simulation.until_shown(
            f"{simulation.path}/credential/rotations",
            lambda page: page["items"][0]["state"] == "confirmed",
        )


async def test_the_profile_is_raised_and_never_lowered(
    server: GatewayServer, proxy: TlsProxy, authority: Authority, tmp_path: Path
) -> None:
    secure: dict[str, Any] = {
        "secure_url": f"wss://127.0.0.1:{proxy.port}",
        "tls": TlsFiles(ca_file=authority.root),
    }
    async with simulating(server, tmp_path, **secure) as simulation:
        change = {"key": "SecurityProfile", "value": "2"}
        assert (await simulation.command("ChangeConfiguration", change))["state"] == "accepted"
        point = simulation.charge_point
        await simulation.until(lambda: bool(proxy.clients) and point.online)
        assert await profile_of(simulation) == "2"
        for value in ("1", "2", "3", "4", "x"):
            refused = await simulation.command("ChangeConfiguration", {**change, "value": value})
            assert refused["state"] == "rejected", value


async def test_it_falls_back_if_the_new_profile_does_not_work(
    server: GatewayServer, proxy: TlsProxy, tmp_path: Path
) -> None:
    wrong = TlsFiles(ca_file=Authority.make(tmp_path, "wrong").root)
    async with simulating(
        server, tmp_path, secure_url=f"wss://127.0.0.1:{proxy.port}", tls=wrong
    ) as simulation:
        change = {"key": "SecurityProfile", "value": "2"}
        assert (await simulation.command("ChangeConfiguration", change))["state"] == "accepted"
        point, errors = simulation.charge_point, simulation.fleet.statistics.errors
        await simulation.until(lambda: errors["no TLS: CERTIFICATE_VERIFY_FAILED"] == 3 and point.online)
        assert await profile_of(simulation) == "1"


async def test_it_gets_a_certificate_of_its_own(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path) as simulation:
        operator, identity = simulation.operator, simulation.identity
        body = {"organization": "Acme", "key_type": "ecdsa_p256", "years": 10, "certificate_days": 365}
        await operator.post("/certificate-authority", body)
        await simulation.command("ChangeConfiguration", {"key": "CpoName", "value": "Acme"})
        trigger = {"requestedMessage": "SignChargePointCertificate"}
        assert (await simulation.command("ExtendedTriggerMessage", trigger))["state"] == "accepted"
        await simulation.until(lambda: simulation.charge_point.certificates.chain is not None)
        page = await simulation.until_shown(
            "/charge-point-certificates", lambda found: bool(found["items"]), charge_point=identity
        )
        assert len(page["items"]) == 1
        kept = CredentialFile(tmp_path / "credentials.json")
        await simulation.until(
            lambda: CredentialFile(tmp_path / "credentials.json").certificate(identity) is not None
        )
        assert kept.password(identity) is not None
        again = await simulation.command(
            "CertificateSigned", {"certificateChain": simulation.charge_point.certificates.chain}
        )
        assert again["state"] == "rejected"


async def test_roots_are_installed_listed_and_deleted(
    server: GatewayServer, authority: Authority, tmp_path: Path
) -> None:
    async with simulating(server, tmp_path) as simulation:
        path = f"{simulation.path}/installed-certificates"
        root = {
            "certificate_type": "CentralSystemRootCertificate",
            "certificate": authority.root.read_text(),
        }
        await simulation.operator.post(path, root)
        await simulation.until(lambda: len(simulation.charge_point.certificates.central_roots) == 1)
        await simulation.operator.post(f"{path}/refresh", None)
        [shown] = (await simulation.until_shown(path, _is_reported))["items"]
        await simulation.operator.delete(f"{path}/{shown['id']}?force=true")
        await simulation.until(lambda: not simulation.charge_point.certificates.central_roots)
        wanted = {"certificateType": "CentralSystemRootCertificate"}
        listed = await simulation.command("GetInstalledCertificateIds", wanted)
        assert listed["result"] == {"status": "NotFound"}


def _is_reported(page: Any) -> bool:
    return [row["state"] for row in page["items"]] == ["reported"]
