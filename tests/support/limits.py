"""How often limits were reached, as the metrics count it."""

from prometheus_client import REGISTRY


def times_hit(limit: str) -> float:
    """Return how often this process has reached a limit."""
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0
