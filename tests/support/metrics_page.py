"""The table of docs/metrics.md: `python -m tests.support.metrics_page` writes it from the declarations."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from app import metrics
from app.metrics import CallSeconds
from app.scraping.families import WORKER_LABEL
from app.scraping.snapshots import across_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "metrics.md"
_TABLE: Final = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end of table -->)", re.DOTALL)
_ACROSS: Final = {"sum": "sum", "least": "least", "most": "largest", "by_worker": "one value for each"}
_ENDINGS: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric as it is declared."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]

    @property
    def samples(self) -> set[str]:
        """The names under which its values are found."""
        return {self.name + ending for ending in _ENDINGS[self.kind]}


def declared_metrics() -> list[Declared]:
    """Return all metrics of the program, sorted by name."""
    found = []
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase | CallSeconds):
            (family, *_) = metric.describe()
            labels = ("action",) if isinstance(metric, CallSeconds) else tuple(metric._labelnames)
            if across_of(family.name, family.type) == "by_worker":
                labels = (*labels, WORKER_LABEL)
            found.append(Declared(family.name, family.type, family.documentation, labels))
    return sorted(found, key=lambda each: each.name)


def samples_of_processes() -> set[str]:
    """Return the names of the values that the Python client measures of each process."""
    return {
        sample.name
        for family in REGISTRY.collect()
        if not family.name.startswith("stationmaster_")
        for sample in family.samples
    }


def page_with_table() -> str:
    """Return the page as it should be."""
    lines = ["| metric | kind | labels | of several workers | meaning |", "|---|---|---|---|---|"]
    for each in declared_metrics():
        name = each.name + ("_total" if each.kind == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in each.labels)
        across = _ACROSS[across_of(each.name, each.kind)]
        lines.append(f"| `{name}` | {each.kind} | {labels} | {across} | {each.text} |")
    table = "\n".join(lines) + "\n"
    return _TABLE.sub(lambda _: table, PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page_with_table(), "utf-8")
