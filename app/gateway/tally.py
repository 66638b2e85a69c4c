"""Counts of the hot path, kept as plain numbers and moved to the metrics once a second."""

from app import metrics


class Tally:
    """What the sessions of one worker did since the last `publish`."""

    __slots__ = ("_seconds", "frames_in", "frames_out")

    def __init__(self) -> None:
        self.frames_in = 0
        self.frames_out = 0
        self._seconds: dict[str, list[float]] = {}

    def answered(self, action: str, seconds: float) -> None:
        """Note one CALL that was answered. seconds: from the start of its handler to its answer."""
        kept = self._seconds.get(action)
        if kept is None:
            self._seconds[action] = [seconds]
        else:
            kept.append(seconds)

    def publish(self) -> None:
        """Move the numbers to the metrics."""
        metrics.FRAMES_RECEIVED.inc(self.frames_in)
        metrics.FRAMES_SENT.inc(self.frames_out)
        self.frames_in = self.frames_out = 0
        kept, self._seconds = self._seconds, {}
        for action, durations in kept.items():
            metrics.CALLS_RECEIVED.labels(action).inc(len(durations))
            histogram = metrics.CALL_SECONDS.labels(action)
            for seconds in durations:
                histogram.observe(seconds)
