"""Starts what benchmarks need: real engines, charge points in the database, and servers on their own core.

The files of engines and servers are in a directory on the disk of the repository, which is removed at the
end. On a file system in memory an fsync would cost nothing.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, create_connection, socket
from typing import Literal

import asyncpg
from redis.asyncio import Redis

from app.charge_points.credentials import Credentials, generate_key
from app.database.database import Database
from app.database.migrations import migrate
from app.server.embedded import Engines, start_embedded
from app.settings import Settings
from app.tenants.store import TenantStore
from benchmarks.accounting import family, parent
from benchmarks.host import Cores
from benchmarks.peers import Peer

TENANT = "benchmark"
HOST = "127.0.0.1"
_LOCAL = Path(__file__).parent / "results" / "local"
_PEPPER = "pepper of the benchmark"
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0
_LOOK_S = 0.05
_HANDSHAKE = (
    b"GET /probe HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_CHARGE_POINTS = """
    insert into charge_points
        (tenant_id, identity, registration_status, credential_hash, created_at, updated_at)
    select $1, 'BENCH-' || lpad(number::text, 5, '0'), 'Accepted', $3, now(), now()
    from generate_series(0, $2) as number
"""
_ID_TAGS = """
    insert into id_tags (tenant_id, id_tag, id_tag_key, status, created_at, updated_at)
    select $1, 'BENCH-' || digits, 'bench-' || digits, 'Accepted', now(), now()
    from generate_series(0, $2) as number, lpad(number::text, 5, '0') as digits
"""


@dataclass(frozen=True, slots=True)
class Testbed:
    """Engines, and a migrated database with charge points.

    key: the password of all charge points; postgres, redis: the first processes of the engines.
    """

    key: str
    postgres: int
    redis: int
    engines: Engines
    settings: Settings

    def postgres_processes(self) -> list[int]:
        """Return the current processes of PostgreSQL."""
        return family(self.postgres)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    host: its address; url, tls_url: for charge points, without the identity; processes: all its processes.
    """

    host: str
    port: int
    url: str
    processes: list[int]
    expect: Literal["result", "echo"] = "result"
    tls_url: str | None = None


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory on the disk of the repository, and remove it at the end."""
    _LOCAL.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=_LOCAL))
    # If we are root, the engines run as another user, who must be able to pass through this directory.
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def running_testbed(
    directory: Path, charge_points: int, given: Engines | None = None
) -> AsyncIterator[Testbed]:
    """Start engines with a schema and charge points (`BENCH-00000`...). Each has an id tag of its name.

    given: engines that run already. Otherwise private ones are started.
    """
    settings = Settings(
        database_url=given.database_url if given else None,
        redis_url=given.redis_url if given else None,
        data_directory=directory / "data",
        credential_pepper=_PEPPER,
        log_level="warning",
        # A closed loop sends as fast as it is answered, and would reach all these limits.
        rate_per_s=1_000_000.0,
        rate_burst=1_000_000,
        requests_of_key_per_minute=100_000_000,
        requests_of_address_per_minute=100_000_000,
        commands_of_tenant_per_minute=100_000_000,
        messages_of_tenant_per_minute=1_000_000_000,
        message_bytes_of_tenant_per_minute=2**40,
    )
    async with start_embedded(settings) as engines:
        settings = settings.model_copy(
            update={"database_url": engines.database_url, "redis_url": engines.redis_url}
        )
        await migrate(engines.database_url)
        key = await provision(settings, TENANT, charge_points)
        postgres, redis = await _engine_processes(engines)
        yield Testbed(key, postgres, redis, engines, settings)


async def age_log(testbed: Testbed, mebibytes: int) -> None:
    """Fill the write-ahead log of PostgreSQL, as in a database that has run for a while.

    Such a database uses the segments of its log again. A new database has to create each segment, filled with
    zeros and synced, and all commits wait for that.
    """
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        for _ in range(mebibytes):
            await connection.execute("select pg_logical_emit_message(false, 'age', repeat('x', 1048576))")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


@asynccontextmanager
async def running_server(
    testbed: Testbed,
    cores: Cores,
    directory: Path,
    *,
    workers: int = 1,
    stored: bool = True,
    is_crowd: bool = True,
    certificate: Path | None = None,
    has_public_url: bool = False,
    host: str = HOST,
) -> AsyncIterator[Server]:
    """Run `stationmaster serve` on the core of the server, with all its workers.

    Args:
        testbed: Its engines and settings.
        cores: The cores of the machine.
        directory: For its log.
        workers: How many.
        stored: False replaces its ledger by one that acknowledges at once, see `benchmarks.unstored`.
        is_crowd: Let one address open thousands of connections at once, as a load generator does.
        certificate: Serve TLS, too, with this certificate and key in one file.
        has_public_url: Let charge points fetch files from it.
        host: A loopback address.

    Raises:
        RuntimeError: it does not start; the text is the end of its output.
    """
    port = free_port(host)
    unlimited = {
        "accepts_per_s": 1_000_000.0,
        "anonymous_connections_per_address": 1_000_000,
        "anonymous_requests_per_minute": 1_000_000_000,
        "anonymous_connections": 1_000_000,
    }
    crowd = unlimited if is_crowd else {}
    tls_port = None if certificate is None else free_port()
    tls = {} if certificate is None else {"tls_port": tls_port, "tls_certificates": [str(certificate)]}
    address = {"public_url": f"http://{host}:{port}"} if has_public_url else {}
    changes = {"host": host, "port": port, "workers": workers, **crowd, **tls, **address}
    settings = testbed.settings.model_copy(update=changes)
    command = [str(Path(sys.executable).with_name("stationmaster")), "serve"]
    if not stored:
        command = [sys.executable, "-m", "benchmarks.unstored"]
    log = directory / f"server-{port}.log"
    with pinned_process(command, settings.environment(), cores, log) as process:
        await wait_until_serving(process, port, log, host)
        tls_url = None if tls_port is None else f"wss://{host}:{tls_port}/ocpp/{TENANT}"
        yield Server(host, port, f"ws://{host}:{port}/ocpp/{TENANT}", family(process.pid), tls_url=tls_url)


@asynccontextmanager
async def running_peer(peer: Peer, cores: Cores, directory: Path) -> AsyncIterator[Server]:
    """Run one of the servers to compare with, on the core of the server.

    Raises:
        NodeMissingError: it is written in JavaScript, and Node.js or its packages are missing.
    """
    if peer.prepare is not None:
        await asyncio.to_thread(peer.prepare)
    port = free_port()
    log = directory / f"{peer.name}.log"
    with pinned_process([sys.executable, "-m", peer.module, str(port)], {}, cores, log) as process:
        await wait_until_serving(process, port, log)
        yield Server(HOST, port, f"ws://{HOST}:{port}/echo", family(process.pid), peer.expect)


def identity(number: int) -> str:
    """Return the identity of a provisioned charge point."""
    return f"BENCH-{number:05d}"


async def provision(settings: Settings, slug: str, count: int) -> str:
    """Create a tenant and its charge points, all with the same key. Return the key."""
    key = generate_key()
    stored = Credentials(settings.credential_pepper).hash(bytes.fromhex(key))
    database = await Database.open(str(settings.database_url))
    try:
        async with database.platform() as platform:
            tenant = await TenantStore(platform).create(slug, "Benchmark")
    finally:
        await database.close()
    connection = await asyncpg.connect(settings.database_url)
    try:
        # Creating tens of thousands one by one would take longer than the measurement.
        for statement, *arguments in (
            (_CHARGE_POINTS, tenant.id, count - 1, stored),
            (_ID_TAGS, tenant.id, count - 1),
        ):
            await connection.execute(statement, *arguments)
    finally:
        await connection.close()
    return key


async def _engine_processes(engines: Engines) -> tuple[int, int]:
    connection = await asyncpg.connect(engines.database_url)
    try:
        backend: int = await connection.fetchval("select pg_backend_pid()")
        postmaster = parent(backend)
    finally:
        await connection.close()
    redis = Redis.from_url(engines.redis_url)
    try:
        process_id = int((await redis.info("server"))["process_id"])
    finally:
        await redis.aclose()
    if postmaster is None:
        raise RuntimeError("PostgreSQL does not run on this machine")
    return postmaster, process_id


@contextmanager
def pinned_process(
    command: list[str], environment: Mapping[str, str], cores: Cores, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on the core of the server, and end it by SIGTERM. log: the file for its output."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        # It has not started a thread or worker yet, so all of them inherit this.
        os.sched_setaffinity(process.pid, {cores.server})
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def wait_until_serving(
    process: subprocess.Popen[bytes], port: int, log: Path, host: str = HOST
) -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: it does not answer in time; the text has the end of its log.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    # Another process sends no event, so this polls.
    while not is_serving(port, host):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server does not start: {_tail(log)}")
        await asyncio.sleep(_LOOK_S)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def is_serving(port: int, host: str = HOST) -> bool:
    """Check whether a server answers an opening handshake. Some peers answer no other request."""
    try:
        with create_connection((host, port), timeout=5.0) as connection:
            connection.sendall(_HANDSHAKE)
            return connection.recv(12).startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def free_port(host: str = HOST) -> int:
    """Return a port that is free."""
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
