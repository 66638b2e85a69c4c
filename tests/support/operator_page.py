"""Runs the commands of a page for operators, as one would type them."""

import asyncio
import json
import os
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.tenants.records import ApiKeyRecord
from app.tenants.store import ApiKeyStore
from app.types import Scope
from app.web.minted_keys import mint_key
from tests.support.gateway import GatewayServer

DOCS = Path(__file__).parents[2] / "docs"


async def new_key(server: GatewayServer, *scopes: Scope) -> str:
    """Make an API key of the tenant, and return it. scopes: without any it may read and write."""
    return await _key(server, server.tenant.id, scopes or ("read", "write"))


async def new_platform_key(server: GatewayServer) -> str:
    """Make an API key of the platform, and return it."""
    return await _key(server, None, ("admin",))


async def _key(server: GatewayServer, tenant_id: int | None, scopes: tuple[Scope, ...]) -> str:
    key = mint_key(server.settings.credential_pepper)
    record = ApiKeyRecord(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        name="operator",
        prefix=key.prefix,
        secret_hash=key.secret_hash,
        scopes=scopes,
        expires_at=None,
        revoked_at=None,
        created_at=datetime.now(UTC),
        last_used_at=None,
    )
    async with server.database.platform() as work:
        await ApiKeyStore(work).create(record)
    return key.token


class OperatorPage:
    """A page, and the environment in which its commands run."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text("utf-8")
        self.commands: list[str] = re.findall(r"^\$ (curl .+)$", self.text, re.MULTILINE)
        self._environment: dict[str, str] = {}

    async def log_in(
        self, server: GatewayServer, scopes: tuple[Scope, ...] = (), /, **variables: str
    ) -> None:
        """Give the commands a server and a key. scopes: as `new_key`; variables: what else they name."""
        token = await new_key(server, *scopes)
        self._environment = {"SERVER": f"http://127.0.0.1:{server.port}", "KEY": token, **variables}

    def know(self, **variables: str) -> None:
        """Give the commands what they name from now on."""
        self._environment.update(variables)

    async def run(self, command: str) -> Any:
        """Run one command, which must succeed, and return its answer."""
        process = await asyncio.create_subprocess_shell(
            command.replace("curl -s", "curl -s --fail-with-body"),
            env={**os.environ, **self._environment},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, (command, output)
        return json.loads(output)
