"""Says why a connector charges as it does: what limits it, what was beaten, and what it draws. Pure values.

`limits_screen` reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from app.clock import parse_time
from app.types import Json

Unit = Literal["A", "W"]
Verdict = Literal["unknown", "unlimited", "idle", "paused", "limited", "above", "below"]

VERDICT_TEXTS: Final[dict[Verdict, str]] = {
    "unknown": "No measured value has come within 20 minutes, so what it draws is not known.",
    "unlimited": "No charging profile limits it. The vehicle, the cable or the charge point decides.",
    "idle": "No transaction runs on it.",
    "paused": "The limit is below 6 A on each phase, which cannot be signalled to a vehicle, so it pauses.",
    "limited": "It draws what it may. The limit holds it back.",
    "above": "It draws more than it may: the charge point does not follow its profiles. Ask it for its own "
    "schedule.",
    "below": "It may draw more than it does. The vehicle, the cable or the charge point holds it back, not a "
    "profile.",
}
_REASONS: Final = {
    "higher_limit": "its limit is higher",
    "lower_stack_level": "a profile of a higher stack level is in force",
    "tx_profile_leads": "the TxProfile of the transaction leads",
    "shadowed_on_connector": "a profile of the connector itself takes its place",
    "tx_profile_installed": "the transaction has a TxProfile",
}
_PLAIN: Final = {
    "hardware": "what the hardware can give",
    "idle": "no transaction",
    "nothing": "nothing that is known",
}
_NEAR: Final = 0.05
"""Meters and chargers differ by as much: a value so close to its limit is at it."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """A profile that was in force and did not set the limit. why: in words."""

    name: str
    limit: float
    why: str


@dataclass(frozen=True, slots=True)
class ShownLimit:
    """The limit of an interval. limit None: none. by: what sets it. unlisted: further beaten profiles."""

    start: datetime
    end: datetime
    limit: float | None
    kind: str
    by: str
    beaten: list[Beaten]
    unlisted: int
    is_pause: bool

    def covers(self, moment: datetime) -> bool:
        """Tell whether it is in force at a moment."""
        return self.start <= moment < self.end


def limits_of(schedule: Json) -> list[ShownLimit]:
    """Return the limits of a composite schedule by rising time: a new one where only the source changes."""
    start = parse_time(schedule["scheduleStart"])
    if start is None:
        raise ValueError("the schedule has no start")
    rows = [
        (part["startPeriod"], part, period)
        for period in schedule["chargingSchedulePeriod"]
        for part in (period, *period.get("handovers", ()))
    ]
    ends = [row[0] for row in rows[1:]] + [max(schedule["duration"], 1)]
    return [
        ShownLimit(
            start=start + timedelta(seconds=start_s),
            end=start + timedelta(seconds=end_s),
            limit=period["limit"],
            kind=part["source"]["kind"],
            by=source_text(part["source"]),
            beaten=[_beaten(row) for row in part["beaten"]],
            unlisted=part.get("beatenUnlisted") or 0,
            is_pause=period.get("warning") is not None,
        )
        for (start_s, part, period), end_s in zip(rows, ends, strict=True)
    ]


def source_text(source: Json) -> str:
    """Name what sets a limit."""
    match source["kind"]:
        case "profile":
            number = source["connectorId"]
            where = f"connector {number}" if number else "the whole charge point"
            return (
                f"{source['chargingProfilePurpose']} {source['chargingProfileId']}, "
                f"stack level {source['stackLevel']}, for {where}"
            )
        case "connectors":
            return "the sum of its connectors"
        case kind:
            return _PLAIN[kind]


def verdict(limit: ShownLimit | None, drawn: float | None) -> Verdict:
    """Judge what a connector draws by its limit.

    Args:
        limit: The one in force; None: not known.
        drawn: What the newest sample of its transaction says, in the unit of the limit; None: nothing.
    """
    if limit is not None and limit.kind == "idle":
        return "idle"
    # One that draws all the same charges on fewer phases than its profile names.
    if limit is not None and limit.is_pause and (drawn or 0) <= (limit.limit or 0) * _NEAR:
        return "paused"
    if drawn is None:
        return "unknown"
    if limit is None or limit.limit is None:
        return "unlimited"
    if drawn > limit.limit * (1 + _NEAR):
        return "above"
    return "limited" if drawn >= limit.limit * (1 - _NEAR) else "below"


def in_force(limits: Sequence[ShownLimit], now: datetime) -> ShownLimit | None:
    """Return the limit that is in force at a moment; None: the schedule does not reach it."""
    return next((limit for limit in limits if limit.covers(now)), None)


def _beaten(row: Json) -> Beaten:
    return Beaten(source_text({**row, "kind": "profile"}), row["limit"], _REASONS[row["reason"]])
