"""`stationmaster bench` against a whole server: charge points are registered, failures are told."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from app.cli.bench import BenchError, BenchOptions, find_program, run_bench, summary_lines
from app.database.database import Database
from app.settings import Settings
from app.simulator.errors import SimulatorError
from app.tenants.records import TenantRecord
from benchmarks.load import build
from tests.support.account import open_account
from tests.support.server import serving


@pytest.fixture(scope="module")
def program() -> str:
    return str(build())


@pytest.fixture
def options(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> BenchOptions:
    monkeypatch.setenv("STATIONMASTER_LOAD", program)
    return BenchOptions(
        url="ws://127.0.0.1:9/ocpp/nobody",
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
    database: Database, settings: Settings, tenant: TenantRecord, options: BenchOptions
) -> None:
    account = await open_account(database, settings, tenant)
    async with serving(settings) as server:
        url = f"{server.url.replace('http://', 'ws://')}/ocpp/{account.slug}"
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


def test_a_key_is_asked_for_when_passwords_are_not_known(options: BenchOptions) -> None:
    with pytest.raises(BenchError, match=r"^STATIONMASTER_API_KEY .* has no password for BENCH-00000$"):
        run_bench(options)


def test_a_server_that_is_away_has_no_rate(options: BenchOptions) -> None:
    options.credentials.write_text('{"passwords": {"BENCH-00000": "x"}}')
    away = dataclasses.replace(options, url="ws://127.0.0.1:1/ocpp/nobody", sockets=1, rounds=1)
    found, clean = run_bench(away)
    assert (clean, found["failures"]["refused"]) == (False, 1)
    assert (found["connections"][0]["connections_per_s"], found["rounds"][0]["frames_per_s"]) == (0.0, 0.0)
    assert summary_lines(found)[1] == "round 1: no answers"


def test_a_url_that_is_none_is_named(options: BenchOptions) -> None:
    options.credentials.write_text('{"passwords": {"BENCH-00000": "x"}}')
    with pytest.raises(BenchError, match=r"^http://127.0.0.1/: must begin with ws://"):
        run_bench(dataclasses.replace(options, url="http://127.0.0.1/", sockets=1))


def test_a_damaged_file_is_named(options: BenchOptions) -> None:
    options.credentials.write_text("[]")
    with pytest.raises(SimulatorError, match="is damaged"):
        run_bench(options)


def test_a_missing_program_is_one_line_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_LOAD", str(tmp_path / "nothing"))
    with pytest.raises(BenchError, match=r"^STATIONMASTER_LOAD: .*nothing is no program$"):
        find_program()
    monkeypatch.delenv("STATIONMASTER_LOAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("app.cli.bench.__file__", str(tmp_path / "app" / "cli" / "bench.py"))
    with pytest.raises(BenchError, match="`make load` in a checkout builds target"):
        find_program()
