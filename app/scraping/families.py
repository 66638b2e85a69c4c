"""Metrics as plain values, and how those of several workers become one. The supervisor loads it, too."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

Across = Literal["sum", "least", "most", "by_worker"]
"""How the values of several workers become one; `by_worker`: each keeps its own, under the label `worker`."""

WORKER_LABEL: Final = "worker"
_COUNTING: Final = frozenset({"counter", "histogram"})


class SampleName(NamedTuple):
    """The identity of a value: its name, and its labels in the order in which they are shown."""

    name: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric with its values. kind: `counter`, `gauge` or `histogram`."""

    name: str
    text: str
    kind: str
    across: Across
    values: Mapping[SampleName, float] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Say whether its values only grow, so that those of an ended worker still count."""
        return self.kind in _COUNTING


def of_worker(families: Iterable[MetricFamily], number: int) -> list[MetricFamily]:
    """Return the metrics of one worker. Those that each worker keeps to itself get its number as a label."""
    label = (WORKER_LABEL, str(number))
    return [
        replace(
            family,
            values={
                SampleName(key.name, (*key.labels, label)): value for key, value in family.values.items()
            },
        )
        if family.across == "by_worker"
        else family
        for family in families
    ]


def combined(families: Iterable[MetricFamily]) -> list[MetricFamily]:
    """Return each metric once, with the values of all its occurrences."""
    found: dict[str, MetricFamily] = {}
    for family in families:
        before = found.get(family.name)
        found[family.name] = (
            family if before is None else replace(before, values=_combine(before, family.values))
        )
    return list(found.values())


def counting(families: Iterable[MetricFamily]) -> list[MetricFamily]:
    """Return the metrics that stay when their worker has ended."""
    return [family for family in families if family.counts]


def encoded(families: Iterable[MetricFamily]) -> bytes:
    """Return metrics as a message between processes."""
    return joined(map(encoded_one, families))


def encoded_one(family: MetricFamily) -> bytes:
    """Return one metric as a part of a message."""
    values = [(key.name, key.labels, value) for key, value in family.values.items()]
    row = (family.name, family.text, family.kind, family.across, values)
    return json.dumps(row, separators=(",", ":")).encode()


def joined(parts: Iterable[bytes]) -> bytes:
    """Return the message that is made of encoded metrics."""
    return b"[" + b",".join(parts) + b"]"


def decoded(body: bytes) -> list[MetricFamily]:
    """Return the metrics of a message."""
    return [
        MetricFamily(
            name,
            text,
            kind,
            across,
            {
                SampleName(sample, tuple((label, content) for label, content in labels)): value
                for sample, labels, value in values
            },
        )
        for name, text, kind, across, values in json.loads(body)
    ]


def _combine(before: MetricFamily, values: Mapping[SampleName, float]) -> dict[SampleName, float]:
    result = dict(before.values)
    for key, value in values.items():
        if key not in result:
            result[key] = value
        elif before.across == "least":
            result[key] = min(result[key], value)
        elif before.across == "most":
            result[key] = max(result[key], value)
        else:
            result[key] += value
    return result
