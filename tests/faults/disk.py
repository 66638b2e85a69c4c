"""A small disk for the data of PostgreSQL, which the rig can fill."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE = "2g"
_STEPS = (2**26, 2**20, 2**12)


class Disk:
    """A file system of its own, in memory. It can be mounted by root only."""

    def __init__(self, directory: Path) -> None:
        self._ballast = directory / "ballast"

    def fill(self) -> None:
        """Use all space that is left."""
        with self._ballast.open("wb") as file:
            end = 0
            for step in _STEPS:
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), end, step)
                        end += step

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Disk | None]:
    """Mount a disk at a directory. If this user must not mount, yield None and leave it as it is."""
    if os.geteuid() != 0 or subprocess.run(_mount(directory), capture_output=True).returncode != 0:
        yield None
        return
    directory.chmod(0o711)
    try:
        yield Disk(directory)
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def _mount(directory: Path) -> list[str | Path]:
    return ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "stationmaster-faults", directory]
