"""The log of an engine: one file that the engine appends to, and the one before it. Both are bounded."""

import contextlib
import os
import shutil
from io import BufferedWriter
from pathlib import Path
from typing import Final

LIMIT_BYTES: Final = 10_000_000
"""A longer log is put aside. It is measured once a second, so it may be longer by what comes in a second."""


def log_path(home: Path) -> Path:
    """Return the path of the log of the engine that has this home."""
    return home.with_name(f"{home.name}.log")


def open_log(path: Path) -> BufferedWriter:
    """Open a log for an engine, to append: after `rotate` the engine goes on at the begin of the file."""
    return open(path, "ab", opener=_private)


def is_full(path: Path) -> bool:
    """Say whether a log is longer than it should be."""
    try:
        return path.stat().st_size > LIMIT_BYTES
    except FileNotFoundError:
        return False


def rotate(path: Path) -> None:
    """Copy a log to `NAME.log.1`, and empty it. Another process does not do the same at the same time.

    A copy, because the engine keeps its file open. Lines that it writes in between are lost.
    """
    with open(path, "rb") as old, open(path.with_name(f"{path.name}.1"), "wb", opener=_private) as kept:
        shutil.copyfileobj(old, kept)
    os.truncate(path, 0)


def tail(path: Path) -> str:
    """Return the last lines of a log as one line."""
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").splitlines()[-3:])
    return "no log"


def _private(path: str, flags: int) -> int:
    """Open a file that only this user reads: statements in a log may hold what tenants store."""
    descriptor = os.open(path, flags, 0o600)
    # It may be of a version that let others read it.
    os.fchmod(descriptor, 0o600)
    return descriptor
