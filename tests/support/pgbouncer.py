"""A real PgBouncer before the PostgreSQL of the run."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from app.server.embedded.account import account_for, as_user
from tests.support.tools import require_tool

PORT = "6432"
_START_S = 30.0


@contextmanager
def pgbouncer(directory: Path, url: str, mode: str, **options: str) -> Iterator[str]:
    """Run PgBouncer, and yield the URL of the same database through it.

    directory: of its files, which the user of the engines may enter; options: further lines of its file.
    """
    program = require_tool("PgBouncer")
    parts = urlsplit(url)
    (folder,) = parse_qs(parts.query)["host"]
    home = directory / f"pgbouncer-{mode}"
    home.mkdir()
    lines = {
        "unix_socket_dir": str(home),
        "listen_port": PORT,
        "auth_type": "any",
        "pool_mode": mode,
        "max_client_conn": "200",
        "default_pool_size": "40",
        "logfile": str(home / "log"),
        **options,
    }
    text = "\n".join(f"{name} = {value}" for name, value in lines.items())
    file = home / "pgbouncer.ini"
    file.write_text(f"[databases]\n* = host={folder} user=postgres\n[pgbouncer]\n{text}\n")
    account = account_for(Path(folder).parent)
    if not account.is_ourselves:
        os.chown(home, account.user_id, account.group_id)
    process = subprocess.Popen(
        [program, "--quiet", file],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_user(account),
    )
    try:
        deadline = time.monotonic() + _START_S
        while not (home / f".s.PGSQL.{lines['listen_port']}").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((home / "log").read_text())
            time.sleep(0.02)
        yield f"postgresql://postgres@{parts.path}?host={quote(str(home))}&port={lines['listen_port']}"
    finally:
        process.terminate()
        process.wait(_START_S)
