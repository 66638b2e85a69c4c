"""Decisions about deviations: which ones a message has, and how well a software fits the standard."""

from collections.abc import Iterable, Mapping
from typing import Final

from app.deviations.dictionary import dictionary
from app.deviations.records import SeenDeviation, Severity, SoftwareCounts, UnusableMessage
from app.ocpp import Deviation, Dispatch, Ignored, Refused, Resolve

WEIGHTS: Final[Mapping[Severity, int]] = {
    Severity.COSMETIC: 1,
    Severity.INFORMATION: 4,
    Severity.MONEY: 10,
}
"""How many CALLs without a deviation make up for one message with a deviation of this severity."""

LEAST_CALLS: Final = 100
"""Fewer CALLs give no score: one deviation would decide it."""

_UNREADABLE: Final = frozenset({"unreadable", "unknown_message_type"})
_UNUSABLE: Final = frozenset({"invalid_result", "unreadable_answer"})
_TEXT_LIMIT: Final = 200
"""Characters that are kept of a pointer or an action: a charge point may make up their names."""


def seen_in(found: Dispatch | Resolve | Refused | Ignored) -> list[SeenDeviation]:
    """Return the deviations of a message, each code once."""
    match found:
        case Dispatch():
            return _of_list(found.deviations, found.unique_id, found.action)
        case Resolve():
            seen = _of_list(found.deviations, found.unique_id, found.action)
            if found.outcome in _UNUSABLE:
                code = UnusableMessage.ANSWER_UNUSABLE.value
                seen.append(SeenDeviation(code, found.unique_id, found.action, raw=found.outcome))
            return seen
        case Refused():
            pointer = found.violations[0].pointer[:_TEXT_LIMIT]
            action = None if found.action is None else found.action[:_TEXT_LIMIT]
            code = UnusableMessage.CALL_REFUSED.value
            return [SeenDeviation(code, found.unique_id, action, pointer, found.code)]
        case Ignored():
            if found.reason in _UNREADABLE:
                code = UnusableMessage.FRAME_UNREADABLE.value
                return [SeenDeviation(code, None, found.action, raw=found.reason)]
            return []


def _of_list(deviations: Iterable[Deviation], message_id: str, action: str) -> list[SeenDeviation]:
    seen: dict[str, SeenDeviation] = {}
    for one in deviations:
        if one.kind not in seen:
            seen[one.kind] = SeenDeviation(one.kind, message_id, action, one.pointer[:_TEXT_LIMIT], one.raw)
    return list(seen.values())


def severity_of(code: str) -> Severity:
    """Return the severity of a deviation; the greatest for a code that is not known."""
    entry = dictionary().get(code)
    return Severity.MONEY if entry is None else entry.severity


def score_of(calls: int, deviations: Mapping[str, int]) -> float | None:
    """Return how well charge points fit the standard, from 0 (worst) to 100, in tenths.

    The score is `100 x calls / (calls + sum of weight x count)`, rounded down. So it is 100 exactly without
    any deviation, 50 if each CALL has a cosmetic one, and 9 if each CALL has one that may cost money.

    Args:
        calls: how many CALLs they have sent.
        deviations: in how many messages each code was seen.

    Returns:
        None if there are fewer than `LEAST_CALLS`.
    """
    if calls < LEAST_CALLS:
        return None
    penalty = sum(WEIGHTS[severity_of(code)] * count for code, count in deviations.items())
    # In integers, so that the smallest deviation keeps the score below 100.
    return (1000 * calls // (calls + penalty)) / 10


def per_1000_calls(count: int, calls: int) -> float | None:
    """Return how many there are for 1000 CALLs, in hundredths; None without CALLs."""
    return round(1000 * count / calls, 2) if calls > 0 else None


def worst_first(counts: Iterable[SoftwareCounts]) -> list[tuple[SoftwareCounts, float | None]]:
    """Return what was counted with its score: the lowest score first, and those without one last."""
    scored = [(counted, score_of(counted.calls, counted.deviations)) for counted in counts]
    return sorted(scored, key=_order)


def _order(scored: tuple[SoftwareCounts, float | None]) -> tuple[bool, float, str, str, str]:
    counted, score = scored
    software = counted.software
    return (score is None, score or 0.0, software.vendor, software.model, software.firmware_version)
