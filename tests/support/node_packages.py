"""Packages of npm that some tests need, installed by a lock file into the cache of pytest."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.tools import require_tool

_INSTALL_TIMEOUT_S: Final = 240


def install_packages(files: Path, cache: Path) -> Path:
    """Install what a package-lock.json names, unless it was done before. Return the folder of the packages.

    files: the folder that has package.json and package-lock.json; cache: where to install.
    """
    require_tool("Node.js")
    npm = require_tool("npm")
    lock = (files / "package-lock.json").read_bytes()
    folder = cache / hashlib.sha256(lock).hexdigest()[:16]
    finished = folder / "finished"
    if not finished.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(files / name, folder)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        finished.touch()
    return folder / "node_modules"
