"""Reads the CPU time and memory of processes from the kernel. Linux only.

`/proc/PID/task/*/schedstat` counts nanoseconds on a CPU. `/proc/PID/stat` splits the same time into user and
system, in clock ticks of 10 ms. That is exact enough over seconds, and serves as a check.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")
_ESTABLISHED = "01"
"""A state in `/proc/net/tcp`."""


@dataclass(frozen=True, slots=True)
class CpuUse:
    """CPU time in seconds. exact_s: user and system, from schedstat; the others have steps of 10 ms."""

    exact_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0

    def plus(self, other: "CpuUse") -> "CpuUse":
        """Return the sum of two."""
        return CpuUse(
            self.exact_s + other.exact_s, self.user_s + other.user_s, self.system_s + other.system_s
        )

    def minus(self, other: "CpuUse") -> "CpuUse":
        """Return the difference of two."""
        return CpuUse(
            self.exact_s - other.exact_s, self.user_s - other.user_s, self.system_s - other.system_s
        )


@dataclass(frozen=True, slots=True)
class CpuReading:
    """The CPU time of several processes since their starts, by process id."""

    by_process: Mapping[int, CpuUse]

    def since(self, earlier: "CpuReading") -> CpuUse:
        """Return the CPU time that was used since an earlier reading.

        A process that ended in between counts as zero. If it were subtracted, the sum could be negative.
        """
        used = CpuUse()
        for process_id, use in self.by_process.items():
            used = used.plus(use.minus(earlier.by_process.get(process_id, CpuUse())))
        return used


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in RAM. resident: all pages; proportional: a shared page is divided among its processes."""

    resident_bytes: int
    proportional_bytes: int


def family(root: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            above = parent(int(entry.name))
            if above is not None:
                children.setdefault(above, []).append(int(entry.name))
    found = [root]
    for process_id in found:
        found += children.get(process_id, [])
    return found


def cpu_use(processes: Iterable[int]) -> CpuReading:
    """Read the CPU time of running processes, each of all its threads together."""
    found: dict[int, CpuUse] = {}
    for process_id in processes:
        fields = _stat(process_id)
        if fields is not None:
            user_s, system_s = (int(field) * TICK_S for field in fields[11:13])
            found[process_id] = CpuUse(_scheduled_ns(process_id) / 1e9, user_s, system_s)
    return CpuReading(found)


def memory(processes: Iterable[int]) -> Memory:
    """Return the memory of running processes."""
    resident = proportional = 0
    for process_id in processes:
        for line in (_PROC / str(process_id) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                resident += int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                proportional += int(line.split()[1]) * 1024
    return Memory(resident, proportional)


def kernel_memory() -> int:
    """Return the bytes that the kernel of this machine has for its objects, and for data in TCP sockets.

    A socket is some of these objects. Those of other programs count, too.
    """
    [slab] = [line for line in (_PROC / "meminfo").read_text().splitlines() if line.startswith("Slab:")]
    [tcp] = [
        line for line in (_PROC / "net" / "sockstat").read_text().splitlines() if line.startswith("TCP:")
    ]
    return int(slab.split()[1]) * 1024 + int(tcp.split()[-1]) * _PAGE_BYTES


def connections_of(processes: Iterable[int], port: int) -> dict[int, int]:
    """Return how many connections to a local port each process has accepted, by process id."""
    table = [line.split() for line in (_PROC / "net" / "tcp").read_text().splitlines()[1:]]
    end = f":{port:04X}"
    sockets = {f"socket:[{row[9]}]" for row in table if row[1].endswith(end) and row[3] == _ESTABLISHED}
    return {process_id: len(sockets & _descriptors(process_id)) for process_id in processes}


def _descriptors(process_id: int) -> set[str]:
    found: set[str] = set()
    for entry in (_PROC / str(process_id) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(entry))
    return found


def _stat(process_id: int) -> list[str] | None:
    """Return the fields after the name of the command, which may contain blanks. The first is the state."""
    try:
        return (_PROC / str(process_id) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def parent(process_id: int) -> int | None:
    """Return the parent of a process; None: the process has ended."""
    fields = _stat(process_id)
    return None if fields is None else int(fields[1])


def _scheduled_ns(process_id: int) -> int:
    """Return the CPU time of all threads. Threads and processes that end meanwhile count as zero."""
    total = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / str(process_id) / "task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int((task / "schedstat").read_text().split()[0])
    return total
