"""A real server of S3's protocol: versitygw, which keeps objects in a folder."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from tests.support.tools import require_tool

BUCKET = "stationmaster"
ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret-0123456789"


@dataclass
class S3Server:
    """A running server with one bucket. folder: of its objects; process: to be stopped."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process

    def settings(self, settings: Settings, **changes: object) -> Settings:
        """Return settings that keep files in its bucket."""
        own = {
            "file_s3_bucket": BUCKET,
            "file_s3_endpoint": f"http://127.0.0.1:{self.port}",
            "file_s3_prefix": "files",
            "file_s3_access_key_id": ACCESS_KEY,
            "file_s3_secret_access_key": SECRET_KEY,
        }
        return settings.model_copy(update={**own, **changes})

    def objects(self) -> list[Path]:
        """Return the objects of the bucket, parts of uploads included."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    async def stop(self) -> None:
        """End the server."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.wait()


@contextlib.asynccontextmanager
async def s3_server(folder: Path) -> AsyncIterator[S3Server]:
    """Run a server over a new folder. The test is skipped if the program is missing."""
    program = require_tool("versitygw")
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    (folder / "facts").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        program,
        "--port",
        f"127.0.0.1:{port}",
        "--access",
        ACCESS_KEY,
        "--secret",
        SECRET_KEY,
        "--iam-dir",
        str(folder / "facts"),
        "posix",
        # Not every file system of a test has extended attributes.
        "--sidecar",
        str(folder / "facts"),
        str(folder / "buckets"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    server = S3Server(port, folder / "buckets" / BUCKET, process)
    try:
        await _until_it_listens(server)
        yield server
    finally:
        await server.stop()


async def _until_it_listens(server: S3Server) -> None:
    async with asyncio.timeout(30):
        while True:
            assert server.process.returncode is None, "the server of S3's protocol did not start"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return
