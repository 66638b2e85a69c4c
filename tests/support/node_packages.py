"""Packages of npm that some tests need, installed by a lock file into the cache of pytest."""

from pathlib import Path

from tests.support.tools import require_tool
from tools import node_packages


def install_packages(files: Path, cache: Path) -> Path:
    """Install what a package-lock.json names, and return the folder of the packages. Skip without Node.js."""
    require_tool("Node.js")
    require_tool("npm")
    return node_packages.install_packages(files, cache)
