"""The metrics of this process as values; and metrics in Prometheus' text format."""

from collections.abc import Iterable, Iterator
from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from app.metrics import ACROSS
from app.scraping.families import Across, MetricFamily, SampleName

__all__ = ["CONTENT_TYPE_LATEST", "exposition", "snapshot"]

_CREATED = "_created"


def snapshot() -> Iterator[MetricFamily]:
    """Yield all metrics of this process with their present values."""
    return map(_family, REGISTRY.collect())


def exposition(families: Iterable[MetricFamily]) -> bytes:
    """Return metrics in Prometheus' text format."""
    # It is asked for its metrics only.
    return generate_latest(cast(CollectorRegistry, _Collected(families)))


def across_of(name: str, kind: str) -> Across:
    """Return how the values of several workers become one. kind: `counter`, `gauge` or `histogram`."""
    # The metrics of the Python client describe one process: its memory, its open files, its garbage.
    ours = name.startswith("stationmaster_")
    return ACROSS.get(name, "sum" if ours and kind != "gauge" else "by_worker")


class _Collected:
    """Metrics in the place of a registry."""

    def __init__(self, families: Iterable[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for key, value in family.values.items():
                metric.add_sample(key.name, dict(key.labels), value)
            yield metric


def _family(metric: Metric) -> MetricFamily:
    values = dict(_values(metric))
    return MetricFamily(
        metric.name, metric.documentation, metric.type, across_of(metric.name, metric.type), values
    )


def _values(metric: Metric) -> Iterable[tuple[SampleName, float]]:
    for sample in metric.samples:
        # When a process began to count means nothing for a sum of several.
        if not sample.name.endswith(_CREATED):
            yield SampleName(sample.name, tuple(sample.labels.items())), float(sample.value)
