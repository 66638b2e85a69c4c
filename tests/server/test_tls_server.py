"""A whole server with TLS, set up by the commands of docs/tls.md; and what it says about wrong settings."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.settings import load_settings
from tests.support.processes import TIMEOUT_S, command, serving, until, workers_of
from tests.support.tls_certificates import DAY, Authority
from tests.support.tools import require_tool

# Processes start slowly on a busy machine with two cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAGE = (Path(__file__).parents[2] / "docs" / "tls.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands(section: str) -> list[str]:
    return re.findall(r"^\$ (.+)$", SECTIONS[section], re.MULTILINE)


def variables(section: str, directory: Path) -> dict[str, str]:
    """Return the variables that the page exports, in a directory."""
    exported = (each.removeprefix("export ") for each in commands(section) if each.startswith("export "))
    pairs = (each.partition("=") for each in exported)
    return {name: value.strip('"').replace("$PWD", str(directory)) for name, _, value in pairs}


def run(line: str, directory: Path, **more: str) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the page makes."""
    require_tool("OpenSSL")
    directory = tmp_path_factory.mktemp("page")
    for section in ("1", "5"):
        for line in commands(section):
            if not line.startswith("export "):
                run(line, directory)
    return directory


@pytest.fixture
def tls_environment(server_environment: dict[str, str], made: Path) -> dict[str, str]:
    """The settings of the page, with a free port."""
    found = {**variables("2", made), **variables("5", made)}
    del found["STATIONMASTER_TLS_CLIENT_REVOKED"]
    return {**server_environment, **found, "STATIONMASTER_TLS_PORT": str(free_port())}


@contextmanager
def session(port: int, context: ssl.SSLContext, old: ssl.SSLSession | None = None) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="csms.example", session=old) as wrapped,
    ):
        yield wrapped


def test_the_commands_of_the_page_set_up_tls(tls_environment: dict[str, str], made: Path) -> None:
    with serving(tls_environment):
        port = tls_environment["STATIONMASTER_TLS_PORT"]
        command("tenant", "create", "acme", env=tls_environment)
        key = command("key", "create", "--tenant", "acme", env=tls_environment).stdout.strip()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {**tls_environment, "STATIONMASTER_TLS_PORT": port, "STATIONMASTER_API_KEY": key, "PATH": path}
        lines = [line for line in commands("3") if not line.startswith("export ")]
        answers = [run(line, made, **env) for line in lines]
    assert "ocpp-16j" in answers[0]
    assert "Cipher is AES128-GCM-SHA256" in answers[1]
    assert "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" in answers[2]
    assert "connected 2/2" in answers[3]


def test_workers_resume_the_sessions_of_each_other_and_exchange_certificates_at_a_signal(
    tls_environment: dict[str, str], made: Path, tmp_path: Path
) -> None:
    chain, key = (tmp_path / name for name in ("server.pem", "server.key"))
    first, second = Authority("first"), Authority("second")
    first.server("csms.example").write(tmp_path, "server")
    env = {
        **tls_environment,
        "STATIONMASTER_TLS_CERTIFICATES": str(chain),
        "STATIONMASTER_TLS_KEYS": str(key),
        "STATIONMASTER_TLS_CLIENT_CA": "",
    }
    del env["STATIONMASTER_TLS_CLIENT_CA"]
    port = int(env["STATIONMASTER_TLS_PORT"])
    with serving(env, "--workers", "2") as (process, _):
        context = ssl.create_default_context(cadata=first.pem.decode())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with session(port, context) as opened:
            kept = opened.session
        workers = workers_of(process.pid)
        assert len(workers) == 2
        # The kernel spreads connections. All workers read the ticket, so each of many is resumed.
        for _ in range(12):
            with session(port, context, kept) as resumed:
                assert resumed.session_reused
        second.server("csms.example").write(tmp_path, "server")
        process.send_signal(signal.SIGHUP)
        fresh = ssl.create_default_context(cadata=second.pem.decode())
        until(lambda: all(_is_accepted(port, fresh) for _ in range(8)))
        assert workers_of(process.pid) == workers
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def _is_accepted(port: int, context: ssl.SSLContext) -> bool:
    try:
        with session(port, context):
            return True
    except ssl.SSLCertVerificationError:
        time.sleep(0.05)
        return False


def test_the_settings_behind_a_balancer_are_valid(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**variables("2", made), **variables("5", made), **variables("6", made)}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.proxy_protocol
    assert settings.proxy_client_certificates
    assert [str(network) for network in settings.trusted_proxies] == ["192.0.2.0/24"]


def _wrong(kind: str, directory: Path) -> tuple[dict[str, str], str]:
    """Return changes of the settings, and what the one line must contain."""
    authority = Authority("root")
    chain, key = authority.server("csms.example").write(directory, "good")
    _, other = authority.server("csms.example").write(directory, "other")
    text = directory / "text"
    text.write_text("no certificate")
    good = {"STATIONMASTER_TLS_CERTIFICATES": chain, "STATIONMASTER_TLS_KEYS": key}
    prefix = "STATIONMASTER_"
    table: dict[str, tuple[dict[str, str], str]] = {
        "no certificate": (
            {f"{prefix}TLS_CERTIFICATES": "", f"{prefix}TLS_KEYS": ""},
            "TLS_CERTIFICATES is required",
        ),
        "missing file": (
            {f"{prefix}TLS_CERTIFICATES": "/nowhere.pem"},
            "TLS_CERTIFICATES: /nowhere.pem: No such file",
        ),
        "missing key": ({f"{prefix}TLS_KEYS": "/nowhere.key"}, "TLS_KEYS: /nowhere.key: No such file"),
        "text": ({f"{prefix}TLS_CERTIFICATES": str(text)}, "has no PEM certificate"),
        "text as key": ({f"{prefix}TLS_KEYS": str(text)}, "has no PEM private key"),
        "other key": ({f"{prefix}TLS_KEYS": other}, "is not the key of the certificate"),
        "two keys": ({f"{prefix}TLS_KEYS": f"{key},{other}"}, "as many files"),
        "text as anchors": ({f"{prefix}TLS_CLIENT_CA": str(text)}, "TLS_CLIENT_CA"),
        "text as list": (
            {f"{prefix}TLS_CLIENT_CA": chain, f"{prefix}TLS_CLIENT_REVOKED": str(text)},
            "TLS_CLIENT_REVOKED",
        ),
        "proxy": ({f"{prefix}PROXY_PROTOCOL": "true"}, "TRUSTED_PROXIES is required"),
        "port in use": ({}, "set STATIONMASTER_TLS_PORT"),
    }
    changes, told = table[kind]
    return {**good, **changes}, told


@pytest.mark.parametrize(
    "kind",
    [
        *("no certificate", "missing file", "missing key", "text", "text as key", "other key", "two keys"),
        *("text as anchors", "text as list", "proxy", "port in use"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_variable(
    server_environment: dict[str, str], tmp_path: Path, kind: str
) -> None:
    changes, told = _wrong(kind, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if kind == "port in use" else 0
        env = {**server_environment, **changes, "STATIONMASTER_TLS_PORT": str(port)}
        result = command("serve", env=env)
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert told in line
    assert "PRIVATE" not in line


def test_an_expired_certificate_is_a_warning(server_environment: dict[str, str], tmp_path: Path) -> None:
    chain, key = Authority("root").server("csms.example", ends_in=-DAY / 2).write(tmp_path, "old")
    env = {
        **server_environment,
        "STATIONMASTER_TLS_PORT": "0",
        "STATIONMASTER_TLS_CERTIFICATES": chain,
        "STATIONMASTER_TLS_KEYS": key,
    }
    log = tmp_path / "log"
    with serving(env, log=log):
        pass
    assert "certificate_expired" in log.read_text()
