"""The npm package that a peer is written with."""

from pathlib import Path
from typing import Final

from benchmarks.host import REPOSITORY
from tools.node_packages import install_packages

# The tests have a charge point of the same package, so its version is written there.
_FILES: Final = REPOSITORY / "tests" / "system" / "clients" / "rpc_client"
_CACHE: Final = REPOSITORY / "benchmarks" / "results" / "local" / "npm"


def packages() -> Path:
    """Return the folder of the package, which npm fetches the first time.

    Raises:
        NodeMissingError: it cannot be installed.
    """
    return install_packages(_FILES, _CACHE)
