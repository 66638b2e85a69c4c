"""The embedded Redis: its command line, and whether it runs."""

import signal
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.server.embedded.account import Account, let_through, own_directory, socket_directory
from app.server.embedded.process import runs_in
from app.server.embedded.redis_binary import RedisBinary, find_redis


class RedisServer:
    """A Redis or Valkey server of our own, see `redis_binary`."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, account: Account) -> None:
        self.home = home
        self.account = account
        self._socket = socket_directory(home, account) / "redis.sock"
        self.url = f"unix://{quote(str(self._socket))}"
        self._binary: RedisBinary | None = None

    def prepare(self, lock: int) -> None:
        """Create the home, and choose the binary."""
        own_directory(self.home, self.account)
        self._binary = find_redis()
        # The engine runs under the name that was found, and its user must reach the file behind it.
        for path in (self._binary.path, self._binary.path.resolve()):
            let_through(path, self.account)

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground, once `prepare` has found one."""
        binary = self._binary
        if binary is None:
            raise AssertionError("command() was called before prepare()")
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "pidfile": str(self.home / "redis.pid"),
            # The live state survives a restart of the engine; PostgreSQL is the record.
            "appendonly": "yes",
            "appendfsync": "everysec",
            # One server may be unable to read the files of another, such as those of a newer version.
            "appenddirname": f"appendonly-{binary.kind}-{binary.version}",
            "save": "",
            # Evicting a key would silently lose a presence or the route of a command.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = (part for name, value in options.items() for part in (f"--{name}", value))
        return [str(binary.path), *arguments]

    def process_id(self) -> int | None:
        """Return the id of the process that serves this home, even if another owner started it."""
        try:
            process_id = int((self.home / "redis.pid").read_text())
        except (OSError, ValueError):
            return None
        return process_id if runs_in(process_id, self.home) else None

    async def is_ready(self) -> bool:
        """Say whether it answers."""
        client = Redis(unix_socket_path=str(self._socket))
        try:
            return bool(await client.ping())
        except RedisError:
            return False
        finally:
            await client.aclose()
