"""Describes the machine, so that readers can compare its figures with those of others."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).parent.parent
_PACKAGES = (
    "stationmaster",
    "asyncpg",
    "fastapi",
    "hiredis",
    "httptools",
    "ocpp",
    "orjson",
    "redis",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
)


def cargo_profile() -> str:
    """Return the cargo profile that programs are built by: release, unless a test asks for another one."""
    return os.environ.get("STATIONMASTER_BENCH_PROFILE", "release")


def host_facts(directory: Path) -> dict[str, Any]:
    """Return the facts of this machine. directory: one on the disk that the database will use."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "virtual_machine": "hypervisor" in _cpu_flags(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_compiler": platform.python_compiler(),
        "rustc": _output("rustc", "--version"),
        "node": _output("node", "--version"),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _output("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(_output("git", "status", "--porcelain", "--", "app", "core_rs")),
        "filesystem": _filesystem(directory),
        "fsync_ms": round(_fsync_ms(directory), 3),
        "load_average": os.getloadavg(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class Cores:
    """Divides the cores: one for the server, the others for everything else. A single core is shared."""

    def __init__(self) -> None:
        usable = sorted(os.sched_getaffinity(0))
        self.server = usable[0]
        self.others = usable[1:] or usable

    @contextmanager
    def kept_off_server_core(self) -> Iterator[None]:
        """Keep this process, and those that it starts meanwhile, off the core of the server."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.others)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def facts(self) -> dict[str, Any]:
        """Return how the cores are divided."""
        return {"server": self.server, "load_generator_postgresql_redis": self.others}


def _cpu_lines(name: str) -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return [line.partition(":")[2].strip() for line in lines if line.startswith(name)]


def _cpu_model() -> str:
    return next(iter(_cpu_lines("model name")), platform.machine())


def _cpu_flags() -> list[str]:
    return next(iter(_cpu_lines("flags")), "").split()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    try:
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _filesystem(directory: Path) -> str:
    """Return the type of the file system. On one in memory a commit would cost nothing."""
    path = str(directory.resolve())
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    around = [(len(mount[1]), mount[2]) for mount in mounts if path.startswith(mount[1])]
    return max(around)[1] if around else "unknown"


def _fsync_ms(directory: Path) -> float:
    """Return the median time to write 8 KiB (a page of PostgreSQL) and make it durable."""
    path = directory / "fsync-probe"
    took: list[float] = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(25):
            started = time.perf_counter()
            os.write(descriptor, bytes(8192))
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return median(took) * 1000.0
