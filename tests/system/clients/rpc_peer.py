"""A charge point in Node.js: the npm package `ocpp-rpc` in its strict mode."""

import asyncio
import base64
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.tools import require_tool
from tests.system.clients.bench import Door
from tests.system.clients.peer import ANSWERS, Peer

PACKAGE_FILES: Final = Path(__file__).parent / "rpc_client"
_TASK_TIMEOUT_S: Final = 40


class RpcPeer(Peer):
    """The charge point in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.is_open = asyncio.Event()

    async def send(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._do("call", action=action, payload=payload)
        return answer

    async def answer(self, action: str, payload: dict[str, Any]) -> None:
        await self._do("answer", action=action, payload=payload)

    async def upload(self, url: str, content: bytes) -> int:
        status: int = await self._do("upload", url=url, content=base64.b64encode(content).decode())
        return status

    async def download(self, url: str) -> bytes:
        return base64.b64decode(await self._do("download", url=url))

    async def _do(self, task: str, **more: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "do": task, **more}).encode() + b"\n")
        async with asyncio.timeout(_TASK_TIMEOUT_S):
            told = await self._waiting[number]
        assert "failed" not in told, (task, more, told, self.violations)
        return told["done"]

    async def read(self) -> None:
        """Read what the process tells until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            elif "asked" in told:
                self.asked.append(tuple(told["asked"]))
            elif "violation" in told:
                self.violations.append(told["violation"])
            elif "open" in told:
                self.is_open.set()


@asynccontextmanager
async def rpc_peer(door: Door, packages: Path) -> AsyncIterator[RpcPeer]:
    """Run the charge point, connected."""
    trusted = {} if door.root is None else {"NODE_EXTRA_CA_CERTS": str(door.root)}
    process = await asyncio.create_subprocess_exec(
        require_tool("Node.js"),
        str(PACKAGE_FILES / "charge_point.js"),
        door.endpoint,
        door.identity,
        door.key,
        env={**os.environ, **trusted, "NODE_PATH": str(packages)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    peer = RpcPeer(process)
    reader = asyncio.create_task(peer.read())
    try:
        async with asyncio.timeout(_TASK_TIMEOUT_S):
            await peer.is_open.wait()
        for action, payload in ANSWERS.items():
            await peer.answer(action, payload)
        yield peer
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_TASK_TIMEOUT_S):
                await process.wait()
                await reader
        except TimeoutError:
            process.kill()
