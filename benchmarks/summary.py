"""Medians and ranges of rounds. A single number from a noisy machine is not a result."""

from collections.abc import Sequence
from statistics import median
from typing import TypedDict


class Summary(TypedDict):
    """A figure over all rounds, in the unit of the figure."""

    median: float
    lowest: float
    highest: float
    rounds: int


def summarize(values: Sequence[float]) -> Summary:
    """Return the median and range of the rounds. values: at least one."""
    return Summary(
        median=significant(median(values)),
        lowest=significant(min(values)),
        highest=significant(max(values)),
        rounds=len(values),
    )


def significant(value: float, digits: int = 4) -> float:
    """Round to a number of significant digits."""
    return float(f"{value:.{digits}g}")


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through two or more points with distinct x."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)
