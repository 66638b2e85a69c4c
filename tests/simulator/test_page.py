"""Each command of docs/simulator.md, as one would type it."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.gateway import GatewayServer
from tests.support.simulated import new_token
from tests.support.tls_proxy import Authority, tls_proxy

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
COMMANDS: list[str] = re.findall(r"^\$ stationmaster (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
CLEAR = [command for command in COMMANDS if "wss:" not in command]
BY_TLS = [command for command in COMMANDS if "wss:" in command]


async def run(arguments: str, directory: Path, **variables: str) -> str:
    """Run the command line in a shell, and return what it prints."""
    environment = {**os.environ, "STATIONMASTER_DATA_DIRECTORY": str(directory), **variables}
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m app.cli {arguments}",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode == 0, (arguments, output.decode(), errors.decode())
    return output.decode()


@pytest.mark.slow
@pytest.mark.parametrize("command", CLEAR)
async def test_the_commands_run(server: GatewayServer, tmp_path: Path, command: str) -> None:
    arguments = command.replace("--tenant acme", f"--tenant {server.tenant.slug}")
    shown = await run(
        arguments,
        tmp_path,
        URL=f"ws://127.0.0.1:{server.port}",
        STATIONMASTER_API_KEY=await new_token(server),
    )
    if "--duration" in command:
        assert "messages answered" in shown


@pytest.mark.slow
async def test_the_command_with_certificates_runs(server: GatewayServer, tmp_path: Path) -> None:
    [command] = BY_TLS
    root, chargers = Authority.make(tmp_path, "root"), Authority.make(tmp_path, "chargers")
    for number in (1, 2):
        identity = f"SIM-{number:05d}"
        await server.register(identity, credential_hash=None, no_credential=True)
        certificate, key = chargers.issue(identity)
        certificate.rename(tmp_path / f"{identity}.pem")
        key.rename(tmp_path / f"{identity}.key")
    async with tls_proxy(root, server.port, chargers) as proxy:
        arguments = (
            command.replace("wss://csms.example:8443", f"wss://127.0.0.1:{proxy.port}")
            .replace("root.pem", str(root.root))
            .replace("certificates/", f"{tmp_path}/")
            .replace("--tenant acme", f"--tenant {server.tenant.slug} --duration 3s")
        )
        await run(arguments, tmp_path)
    assert set(proxy.clients) == {"SIM-00001", "SIM-00002"}
