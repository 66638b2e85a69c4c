"""Installs packages of npm as a lock file names them: programs of others, for tests and benchmarks."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

_INSTALL_TIMEOUT_S: Final = 240


class NodeMissingError(Exception):
    """Node.js or its packages are missing. The text says what, in one line."""


def install_packages(files: Path, cache: Path) -> Path:
    """Install what a package-lock.json names, unless it was done before. Return the folder of the packages.

    Args:
        files: The folder that has package.json and package-lock.json.
        cache: The folder to install into.

    Raises:
        NodeMissingError: Node.js or npm is missing, or npm failed.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NodeMissingError(f"{program} is missing")
    lock = (files / "package-lock.json").read_bytes()
    folder = cache / hashlib.sha256(lock).hexdigest()[:16]
    finished = folder / "finished"
    if not finished.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(files / name, folder)
        _install(folder)
        finished.touch()
    return folder / "node_modules"


def _install(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise NodeMissingError(f"npm ci took more than {_INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise NodeMissingError(f"npm ci failed: {' '.join(done.stderr.split())[:200]}")
