"""Each command of docs/refused-logins.md, as an operator would run it."""

import asyncio
import json
import os
import re
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.login_attempts.records import RefusalReason
from app.tenants.records import ApiKeyRecord
from app.tenants.store import ApiKeyStore
from app.web.tokens import mint_key
from tests.gateway.conftest import apps, server
from tests.support.gateway import KEY, GatewayServer

__all__ = ["apps", "server"]

PAGE = Path(__file__).parents[2] / "docs" / "refused-logins.md"


def commands() -> list[str]:
    return re.findall(r"^\$ (curl .+)$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_find_the_mistake_and_correct_it(server: GatewayServer) -> None:
    await server.register("RDAM-1")
    assert (await server.attempt("RDAM-1", password=b"wrong")).response.status == 401
    assert (await server.attempt("rdam-1", password=KEY)).response.status == 401
    await server.refused.flush()
    key = mint_key(server.settings.credential_pepper)
    record = ApiKeyRecord(
        id=uuid.uuid4(),
        tenant_id=server.tenant.id,
        name="operator",
        prefix=key.prefix,
        secret_hash=key.secret_hash,
        scopes=("read", "write"),
        expires_at=None,
        revoked_at=None,
        created_at=datetime.now(UTC),
        last_used_at=None,
    )
    async with server.database.platform() as work:
        await ApiKeyStore(work).create(record)
    environment = {**os.environ, "SERVER": f"http://127.0.0.1:{server.port}", "KEY": key.token}
    answers = []
    for command in commands():
        process = await asyncio.create_subprocess_shell(
            command.replace("curl -s", "curl -s --fail"), env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, command
        answers.append(json.loads(output))
        if "credentials" in command:
            new = bytes.fromhex(answers[-1]["password"])
            assert (await server.attempt("RDAM-1", password=new)).response.status == 101
    one, everything, wrong, _, seen = answers
    assert [item["reason"] for item in one["items"]] == ["credential_wrong"]
    assert [item["reason"] for item in everything["items"]] == ["identity_case", "credential_wrong"]
    assert [item["identity"] for item in wrong["items"]] == ["RDAM-1"]
    assert (seen["connected"], seen["flapping"]) == (True, False)


def test_the_page_names_each_reason() -> None:
    text = PAGE.read_text()
    assert [reason for reason in RefusalReason if f"`{reason}`" not in text] == []
