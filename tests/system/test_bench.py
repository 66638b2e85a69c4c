"""`stationmaster bench` against a whole server: charge points are registered, failures are told."""

import asyncio
import dataclasses
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.charge_points.store import ChargePointStore
from app.cli.bench import BenchError, BenchOptions, find_program, run_bench, summary_lines
from app.database.database import Database
from app.id_tags.store import IdTagStore
from app.settings import Settings
from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.persona import make_fleet
from app.simulator.provisioning import provision
from app.simulator.rest import RestClient
from app.tenants.records import TenantRecord
from benchmarks.load import build
from tests.support.account import open_account
from tests.support.server import Served, serving
from tests.support.tls_proxy import Authority

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def program() -> str:
    return str(build())


@pytest.fixture
def options(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> BenchOptions:
    monkeypatch.setenv("STATIONMASTER_LOAD", program)
    return BenchOptions(
        url="ws://127.0.0.1:9/ocpp/unknown",
        scenario="mixed_day",
        sockets=3,
        rate_per_s=30.0,
        seconds=0.5,
        rounds=2,
        credentials=tmp_path / "bench.json",
        api_key=None,
        prefix="BENCH",
    )


@pytest.mark.timeout(180)
async def test_a_deployment_is_measured_and_charge_points_are_registered_once(
    served: Served, database: Database, settings: Settings, tenant: TenantRecord, options: BenchOptions
) -> None:
    account = await open_account(database, settings, tenant)
    url = f"{served.url.replace('http://', 'ws://')}/ocpp/{account.slug}"
    options = dataclasses.replace(options, url=url, api_key=account.token)
    found, clean = await asyncio.to_thread(run_bench, options)
    assert (clean, found["failures"]["examples"]) == (True, [])
    assert [figures["sockets"] for figures in found["rounds"]] == [3, 3]
    assert all(figures["answers"] > 0 for figures in found["rounds"])
    assert summary_lines(found)[0].startswith("connected 3: ")

    # The passwords are known now: no key is needed any more.
    again = dataclasses.replace(options, api_key=None, scenario="storm", rounds=1, rate_per_s=None)
    found, clean = await asyncio.to_thread(run_bench, again)
    assert (clean, found["connections"][0]["connections"]) == (True, 3)

    (options.credentials).write_text('{"passwords": {"BENCH-00000": "00000000"}}')
    wrong = dataclasses.replace(again, sockets=1)
    found, clean = await asyncio.to_thread(run_bench, wrong)
    assert (clean, found["failures"]["refused"]) == (False, 1)
    assert "401" in summary_lines(found)[-1]


@dataclass(frozen=True)
class Deployment:
    """A server, and a tenant in it with charge points that were there before."""

    options: BenchOptions
    database: Database
    tenant: TenantRecord

    async def charge_points(self) -> dict[str, tuple[str | None, bytes | None]]:
        """Return name and credential of each charge point."""
        async with self.database.tenant(self.tenant.id) as work:
            rows = await ChargePointStore(work).page(100)
        return {row.identity: (row.name, row.credential_hash) for row in rows}

    async def has_id_tag(self) -> bool:
        """Say whether bench has made its id tag."""
        async with self.database.tenant(self.tenant.id) as work:
            return await IdTagStore(work).get("BENCHMARK") is not None


@pytest.fixture
async def deployment(
    served: Served, database: Database, settings: Settings, tenant: TenantRecord, options: BenchOptions
) -> Deployment:
    account = await open_account(database, settings, tenant)
    async with database.tenant(tenant.id) as work:
        await ChargePointStore(work).create("BENCH-00000", name="Benchmark", credential_hash=b"made by bench")
        await ChargePointStore(work).create("CABLE-00000", name="Car park", credential_hash=b"made by hand")
    url = f"{served.url.replace('http://', 'ws://')}/ocpp/{account.slug}"
    return Deployment(dataclasses.replace(options, url=url, api_key=account.token), database, tenant)


async def test_a_wrong_tenant_is_refused_before_anything_is_changed(deployment: Deployment) -> None:
    before = await deployment.charge_points()
    url = deployment.options.url.replace(deployment.tenant.slug, "elsewhere")
    wrong = dataclasses.replace(deployment.options, url=url)
    text = rf"the key belongs to tenant {deployment.tenant.slug}, not elsewhere$"
    with pytest.raises(SimulatorError, match=rf"^STATIONMASTER_API_KEY \(or --api-key\): {text}"):
        await asyncio.to_thread(run_bench, wrong)
    assert await deployment.charge_points() == before
    assert not await deployment.has_id_tag()
    assert not wrong.credentials.exists()


async def test_a_charge_point_that_bench_did_not_make_keeps_its_password(deployment: Deployment) -> None:
    before = await deployment.charge_points()
    foreign = dataclasses.replace(deployment.options, prefix="CABLE")
    text = (
        r"^charge point CABLE-00000 was not created by bench, .*: choose another --prefix, or another tenant$"
    )
    with pytest.raises(BenchError, match=text):
        await asyncio.to_thread(run_bench, foreign)
    assert await deployment.charge_points() == before
    assert not await deployment.has_id_tag()


async def test_a_charge_point_that_bench_made_gets_a_new_password(deployment: Deployment) -> None:
    found, clean = await asyncio.to_thread(run_bench, deployment.options)
    assert (clean, found["failures"]["examples"]) == (True, [])
    after = await deployment.charge_points()
    assert set(after) == {"BENCH-00000", "BENCH-00001", "BENCH-00002", "CABLE-00000"}
    assert after["BENCH-00000"] != ("Benchmark", b"made by bench")
    assert after["CABLE-00000"] == ("Car park", b"made by hand")


async def test_a_fleet_for_a_wrong_tenant_is_refused_before_anything_is_changed(
    deployment: Deployment, tmp_path: Path
) -> None:
    before = await deployment.charge_points()
    [persona] = make_fleet(1, "1", prefix="BENCH")
    file = CredentialFile(tmp_path / "fleet.json")
    base, _, _ = deployment.options.url.replace("ws://", "http://").partition("/ocpp/")
    assert deployment.options.api_key is not None
    with (
        RestClient(base, deployment.options.api_key, "--url") as api,
        pytest.raises(SimulatorError, match=rf"belongs to tenant {deployment.tenant.slug}, not elsewhere$"),
    ):
        await asyncio.to_thread(provision, api, "elsewhere", [persona], ["SIM-TAG-1"], file)
    assert await deployment.charge_points() == before
    assert not (tmp_path / "fleet.json").exists()


def test_a_key_is_asked_for_when_passwords_are_not_known(options: BenchOptions) -> None:
    with pytest.raises(BenchError, match=r"^STATIONMASTER_API_KEY .* has no password for BENCH-00000$"):
        run_bench(options)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_is_away_is_told_at_once(options: BenchOptions, scheme: str) -> None:
    options.credentials.write_text('{"passwords": {"BENCH-00000": "x"}}')
    away = dataclasses.replace(options, url=f"{scheme}://127.0.0.1:1/ocpp/unknown", sockets=1, rounds=1)
    address = f"http{scheme[2:]}://127.0.0.1:1"
    with pytest.raises(BenchError, match=rf"^URL: {address} does not answer: .*Connection refused"):
        run_bench(away)


def test_a_server_that_accepts_and_says_nothing_is_told(
    options: BenchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.bench._ANSWER_S", 0.2)
    options.credentials.write_text('{"passwords": {"BENCH-00000": "x"}}')
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ocpp/unknown"
        with pytest.raises(BenchError, match=r"does not answer within 0 s$"):
            run_bench(dataclasses.replace(options, url=url, sockets=1))


async def test_a_deployment_is_measured_by_tls(
    database: Database,
    settings: Settings,
    tenant: TenantRecord,
    options: BenchOptions,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    authority = Authority.make(tmp_path, "roots")
    certificate, key = authority.issue("server")
    account = await open_account(database, settings, tenant)
    secure = settings.model_copy(
        update={"tls_port": 0, "tls_certificates": [str(certificate)], "tls_keys": [str(key)]}
    )
    async with serving(secure) as served:
        assert served.tls_url is not None
        url = f"{served.tls_url.replace('https://', 'wss://')}/ocpp/{account.slug}"
        by_tls = dataclasses.replace(options, url=url, api_key=account.token, rounds=1)
        with pytest.raises(BenchError, match=r"does not answer: .*certificate verify failed"):
            await asyncio.to_thread(run_bench, by_tls)
        trusting = dataclasses.replace(by_tls, ca_file=authority.root)
        found, clean = await asyncio.to_thread(run_bench, trusting)
    assert (clean, found["failures"]["examples"]) == (True, [])
    assert found["rounds"][0]["answers"] > 0
    shown = capfd.readouterr().err
    assert "registering charge points" in shown
    assert "measuring" in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/ocpp/acme",
        "ws://127.0.0.1:9",
        "ws://127.0.0.1:9/",
        "ws://127.0.0.1:9/ocpp",
        "ws://127.0.0.1:9/acme",
        "ws://127.0.0.1:9/ocpp/De%20Mo",
        "ws://127.0.0.1:many/ocpp/acme",
        "ws:///ocpp/acme",
        "acme",
        "",
    ],
)
def test_a_url_that_is_none_is_named_before_anything_is_touched(tmp_path: Path, url: str) -> None:
    options = BenchOptions(
        url=url,
        scenario="mixed_day",
        sockets=1,
        rate_per_s=None,
        seconds=1.0,
        rounds=1,
        credentials=tmp_path / "no" / "bench.json",
        api_key="x",
        prefix="BENCH",
    )
    with pytest.raises(
        BenchError, match=r"^URL: .* must be ws://host:port/ocpp/{tenant} or wss://host:port/ocpp/{tenant}$"
    ):
        run_bench(options)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(options: BenchOptions) -> None:
    options.credentials.write_text("[]")
    with pytest.raises(SimulatorError, match="is damaged"):
        run_bench(options)


def test_a_missing_program_is_one_line_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_LOAD", str(tmp_path / "nothing"))
    with pytest.raises(BenchError, match=r"^STATIONMASTER_LOAD: .*nothing is not a program$"):
        find_program()
    monkeypatch.delenv("STATIONMASTER_LOAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("app.cli.bench.__file__", str(tmp_path / "app" / "cli" / "bench.py"))
    with pytest.raises(BenchError, match="`make load` in a checkout builds target"):
        find_program()
