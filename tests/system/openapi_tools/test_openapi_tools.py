"""Spectral and Redocly find no error in the OpenAPI document, and generated clients work with a server."""

import json
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from app.settings import Settings
from tests.support.api_server import make_things, running_server
from tests.support.node_packages import install_packages
from tests.support.tools import require_tool

# npm and pip fetch the packages the first time.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

_FILES: Final = Path(__file__).parent
_PACKAGES: Final = _FILES / "packages"
_GENERATOR: Final = "openapi-python-client==0.29.1"
_TIMEOUT_S: Final = 240
# Otherwise a member of a body that has a default counts as required.
TYPES_OPTIONS: Final = ("--default-non-nullable=false", "--output", "schema.d.ts")
# Bodies and answers that the generator cannot send or read. The operations have JSON, too, or are for files.
_LEFT_OUT: Final = {
    "text/csv",
    "text/plain",
    "image/svg+xml",
    "application/octet-stream",
    "multipart/form-data",
}


@pytest.fixture(scope="module")
def packages(pytestconfig: pytest.Config) -> Path:
    """The packages that package-lock.json names."""
    return install_packages(_PACKAGES, pytestconfig.cache.mkdir("openapi-tools"))


@pytest.fixture(scope="module")
def generator(pytestconfig: pytest.Config) -> Path:
    """The folder of programs of an environment with the generator of Python clients."""
    folder = Path(pytestconfig.cache.mkdir("openapi-python-client")) / _GENERATOR.partition("==")[2]
    if not (folder / "finished").exists():
        venv.create(folder, with_pip=True, clear=True)
        run([str(folder / "bin" / "pip"), "install", "--quiet", _GENERATOR], folder)
        (folder / "finished").touch()
    return folder / "bin"


@pytest.fixture
def server(settings: Settings) -> Iterator[str]:
    with running_server(settings) as url:
        yield url


@pytest.fixture
def document(server: str, tmp_path: Path) -> Path:
    """The OpenAPI document of the running server, as a file."""
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx.get(f"{server}/openapi.json", timeout=60).content)
    return file


def run(command: list[str], folder: Path, expected: int = 0) -> str:
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(packages: Path, name: str) -> list[str]:
    return [require_tool("Node.js"), str((packages / ".bin" / name).resolve())]


def test_spectral_finds_nothing(packages: Path, document: Path) -> None:
    shutil.copy(_PACKAGES / ".spectral.yaml", document.parent)
    output = run(
        [*program(packages, "spectral"), "lint", "--fail-severity=error", document.name], document.parent
    )
    assert "0 errors" in output or "No results" in output


def test_spectral_would_find_an_error(packages: Path, document: Path) -> None:
    shutil.copy(_PACKAGES / ".spectral.yaml", document.parent)
    broken: dict[str, Any] = json.loads(document.read_text())
    broken["paths"]["/v1/changes"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {
        "$ref": "#/components/schemas/Nothing"
    }
    document.write_text(json.dumps(broken))
    output = run([*program(packages, "spectral"), "lint", document.name], document.parent, expected=1)
    assert "invalid-ref" in output


def test_redocly_finds_no_error(packages: Path, document: Path) -> None:
    output = run([*program(packages, "redocly"), "lint", document.name], document.parent)
    assert "Your API description is valid" in output


def test_a_client_in_typescript_compiles_and_works(
    packages: Path, server: str, document: Path, settings: Settings
) -> None:
    folder = document.parent
    things = make_things(settings, "smoke-typescript")
    run([*program(packages, "openapi-typescript"), document.name, *TYPES_OPTIONS], folder)
    shutil.copy(_PACKAGES / "smoke.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(packages)
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--outDir", "made"]
    run([*program(packages, "tsc"), *options, "smoke.ts"], folder)
    output = run([require_tool("Node.js"), "made/smoke.js", server, things.token], folder)
    assert json.loads(output) == ["ocpp-16j", "SMOKE-TS", True, "not_found"]


def test_a_client_in_python_is_generated_and_works(
    generator: Path, server: str, document: Path, settings: Settings
) -> None:
    folder = document.parent
    things = make_things(settings, "smoke-python")
    command = [str(generator / "openapi-python-client"), "generate", "--path", document.name]
    output = run([*command, "--output-path", "client"], folder)
    lines = [line for line in output.splitlines() if "nsupported content" in line]
    assert [line for line in lines if not any(found in line for found in _LEFT_OUT)] == []
    assert output.count("WARNING") == len(lines)
    shutil.copy(_FILES / "smoke_client.py", folder / "client")
    run([str(generator / "python"), "-m", "compileall", "-q", "client"], folder)
    smoke = [str(generator / "python"), "smoke_client.py", server, things.token]
    assert json.loads(run(smoke, folder / "client")) == ["ocpp-16j", "SMOKE-PY", True, "not_found"]
