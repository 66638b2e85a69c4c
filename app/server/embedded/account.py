"""The data directory: who runs the engines in it, and where their sockets can be."""

import contextlib
import hashlib
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.logs import get_logger
from app.settings import usable_directory

_LOG = get_logger("embedded")
# The path of a socket has at most 108 bytes, and the longest name in the directory is `.s.PGSQL.5432.lock`.
_SOCKET_PATH_LIMIT = 85
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmbeddedError(Exception):
    """An embedded engine cannot run. The text is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the engines run as: that of this process, or one without rights if that is root."""

    user_id: int
    group_id: int

    @property
    def is_ourselves(self) -> bool:
        """Say whether the engines run as the user of this process."""
        return self.user_id == os.geteuid()


def account_for(directory: Path) -> Account:
    """Choose the user that runs the engines in a data directory.

    Raises:
        EmbeddedError: this process is root, and the system has neither of the users below.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    # PostgreSQL refuses to run as root. The owner of existing data stays, else the first user that exists.
    existing = directory / "postgres"
    owner = existing.stat().st_uid if existing.exists() else 0
    for entry in pwd.getpwall():
        if owner and entry.pw_uid == owner:
            return Account(entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("as root, the embedded engines need a user `postgres` or `nobody` to run as")


def engine_environment() -> dict[str, str]:
    """Return the variables of our environment that an engine may see.

    The others may hold the pepper, and variables such as PGDATA mislead an engine.
    """
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def as_user(account: Account) -> dict[str, Any]:
    """Return the options with which `subprocess` runs a command as that user, in a reduced environment."""
    environment = engine_environment()
    if account.is_ourselves:
        return {"env": environment}
    return {"env": environment, "user": account.user_id, "group": account.group_id, "extra_groups": []}


def open_directory(path: Path) -> Path:
    """Return the absolute path of the data directory; create it if it does not exist.

    Raises:
        SettingsError: it is not a directory, or cannot be created.
    """
    return usable_directory(path).resolve()


def let_through(path: Path, account: Account) -> None:
    """Let the engines' user reach a path: add search permission to parent directories that lack it."""
    if account.is_ourselves:
        return
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            _LOG.warning("directory_opened", path=str(parent), added="o+x", reason="embedded engines")
            parent.chmod(mode | stat.S_IXOTH)


def own_directory(path: Path, account: Account) -> None:
    """Create a directory that only the engines' user can enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if not account.is_ourselves:
        let_through(path, account)
        os.chown(path, account.user_id, account.group_id)
    path.chmod(0o700)


def socket_directory(home: Path, account: Account) -> Path:
    """Return the directory for an engine's socket: its home, or a short one if that path is too long."""
    if len(os.fsencode(home)) <= _SOCKET_PATH_LIMIT:
        return home
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"stationmaster-{account.user_id}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    # Every user may write to the temporary directory, so something of another user is not used.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), account.user_id):
        raise EmbeddedError(f"{short} belongs to another user; choose a shorter STATIONMASTER_DATA_DIRECTORY")
    own_directory(short, account)
    return short
