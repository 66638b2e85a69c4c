"""`python -m benchmarks.compare A.json B.json`: lists the figures that became worse or better from A to B.

A figure has changed if the range of its rounds in A does not overlap the range in B, and its median has moved
by more than a threshold. Figures of one round say nothing about noise, and are left out. So are those of
other programs that were measured next to the server. The exit code is 1 if a figure became worse, and 2 if
there is nothing to compare.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.peers import PEERS
from benchmarks.summary import Summary

_THRESHOLD = 0.05
_SAME_HOST = ("cpu", "cores", "kernel", "python", "filesystem")
# Rates and ratios. All other figures are costs.
_MORE_IS_BETTER = ("_per_s", "_per_cpu_s", "times_as_fast")
# Figures that describe a round and not the server.
_NEUTRAL = ("server_busy", "load_cpu_us", "load_busy", "overdue", "max_ms", "p999_ms")


# What is measured next to the server says nothing about it, and changes with the package index.
_PEERS = frozenset({*(peer.name for peer in PEERS), "fastapi_commits", "bare", "ocpp_payload", "ocpp_answer"})


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that changed."""

    name: str
    before: Summary
    after: Summary
    worse: bool

    @property
    def ratio(self) -> float:
        """The median of B divided by that of A."""
        return self.after["median"] / self.before["median"]

    def __str__(self) -> str:
        medians = f"{self.before['median']:g} -> {self.after['median']:g}"
        ranges = " -> ".join(f"{side['lowest']:g}..{side['highest']:g}" for side in (self.before, self.after))
        return f"{'worse ' if self.worse else 'better'} {self.name}: {medians} ({self.ratio:.2f}x; {ranges})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the changes, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    parser.add_argument(
        "--threshold",
        type=float,
        default=_THRESHOLD,
        help="the share by which a median may move (default 0.05)",
    )
    options = parser.parse_args(arguments)
    try:
        before, after = (_read(path) for path in (options.before, options.after))
    except (OSError, ValueError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    for difference in different_hosts(before, after):
        print(f"note   {difference}: times of different hosts cannot be compared")
    for one, path, other in ((before, options.before, after), (after, options.after, before)):
        if unmatched := dict(_figures(one)).keys() - dict(_figures(other)).keys():
            print(f"note   {len(unmatched)} figures are only in {path}, for example {min(unmatched)}")
    found, compared = changes(before, after, options.threshold)
    if not compared:
        print("compare: the files have no figure of several rounds in common", file=sys.stderr)
        return 2
    for change in found:
        print(change)
    worse = sum(change.worse for change in found)
    print(f"{compared} figures compared: {worse} worse, {len(found) - worse} better")
    return 1 if worse else 0


def _read(path: Path) -> dict[str, Any]:
    """Read results.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not contain results.
    """
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or not isinstance(found.get("host"), dict):
        raise ValueError(f"{path} does not contain results of `python -m benchmarks`")
    return found


def changes(before: Any, after: Any, threshold: float = _THRESHOLD) -> tuple[list[Change], int]:
    """Return the figures that changed, the worst first, and how many were compared."""
    earlier, later = dict(_figures(before)), dict(_figures(after))
    names = [name for name in earlier if name in later]
    found = [_change(name, earlier[name], later[name], threshold) for name in names]
    order = sorted(filter(None, found), key=lambda change: (not change.worse, -abs(change.ratio - 1.0)))
    return order, len(names)


def different_hosts(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the facts of the hosts that differ, one text each."""
    pairs = [(name, before["host"].get(name), after["host"].get(name)) for name in _SAME_HOST]
    return [f"{name} {one!r} and {other!r}" for name, one, other in pairs if one != other]


def _change(name: str, before: Summary, after: Summary, threshold: float) -> Change | None:
    if before["median"] <= 0.0 or abs(after["median"] / before["median"] - 1.0) <= threshold:
        return None
    grown = after["lowest"] > before["highest"]
    shrunk = after["highest"] < before["lowest"]
    if not grown and not shrunk:
        return None
    return Change(name, before, after, worse=grown != name.endswith(_MORE_IS_BETTER))


def _figures(node: Any, path: str = "") -> Iterator[tuple[str, Summary]]:
    """Yield all summaries of more than one round, with their paths."""
    if isinstance(node, dict):
        if {"median", "lowest", "highest", "rounds"} <= node.keys():
            if node["rounds"] > 1 and not path.endswith(_NEUTRAL):
                yield path, cast(Summary, node)
            return
        for name, child in node.items():
            if name not in _PEERS:
                yield from _figures(child, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _figures(child, f"{path}[{_row_name(child, index)}]")


def _row_name(row: Any, index: int) -> int:
    """Return a name that does not depend on other rows: the number of sockets, or of stored rows."""
    sizes = [row[key] for key in ("sockets", "rows") if key in row] if isinstance(row, dict) else []
    return sizes[0] if sizes else index


if __name__ == "__main__":
    sys.exit(main())
